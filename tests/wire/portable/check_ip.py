from raises import raises

from edge.wire import ip
from edge.wire.errors import AddressError

SCOPES = (
    ("127.0.0.1", ip.LOOPBACK),
    ("127.255.255.255", ip.LOOPBACK),
    ("10.0.0.1", ip.PRIVATE),
    ("172.15.255.255", ip.PUBLIC),
    ("172.16.0.0", ip.PRIVATE),
    ("172.31.255.255", ip.PRIVATE),
    ("172.32.0.0", ip.PUBLIC),
    ("192.168.1.1", ip.PRIVATE),
    ("169.254.1.1", ip.LINK_LOCAL),
    ("100.63.255.255", ip.PUBLIC),
    ("100.64.0.0", ip.CGNAT),
    ("100.127.255.255", ip.CGNAT),
    ("100.128.0.0", ip.PUBLIC),
    ("0.0.0.0", ip.RESERVED),
    ("192.0.0.1", ip.RESERVED),
    ("192.0.2.1", ip.RESERVED),
    ("192.0.3.1", ip.PUBLIC),
    ("192.88.99.1", ip.RESERVED),
    ("198.17.255.255", ip.PUBLIC),
    ("198.18.0.0", ip.RESERVED),
    ("198.19.255.255", ip.RESERVED),
    ("198.20.0.0", ip.PUBLIC),
    ("198.51.100.1", ip.RESERVED),
    ("203.0.113.1", ip.RESERVED),
    ("223.255.255.255", ip.PUBLIC),
    ("224.0.0.1", ip.RESERVED),
    ("255.255.255.255", ip.RESERVED),
    ("8.8.8.8", ip.PUBLIC),
    ("::", ip.RESERVED),
    ("::1", ip.LOOPBACK),
    ("::2", ip.RESERVED),
    ("::ffff:127.0.0.1", ip.LOOPBACK),
    ("::ffff:100.64.0.1", ip.CGNAT),
    ("::ffff:8.8.8.8", ip.PUBLIC),
    ("64:ff9b::8.8.8.8", ip.PUBLIC),
    ("64:ff9b::10.0.0.1", ip.RESERVED),
    ("64:ff9b:1::1", ip.PRIVATE),
    ("100::1", ip.RESERVED),
    ("2001::1", ip.RESERVED),
    ("2001:200::1", ip.PUBLIC),
    ("2001:db8::1", ip.RESERVED),
    ("2001:db9::1", ip.PUBLIC),
    ("2002:808:808::1", ip.PUBLIC),
    ("2002:a00:1::1", ip.RESERVED),
    ("2606:4700::1111", ip.PUBLIC),
    ("3fff::1", ip.RESERVED),
    ("3fff:1000::1", ip.PUBLIC),
    ("4000::1", ip.RESERVED),
    ("fbff::1", ip.RESERVED),
    ("fc00::1", ip.PRIVATE),
    ("fdff::1", ip.PRIVATE),
    ("fe80::1", ip.LINK_LOCAL),
    ("febf::1", ip.LINK_LOCAL),
    ("fec0::1", ip.RESERVED),
    ("ff02::1", ip.RESERVED),
)
for text, expected in SCOPES:
    data = ip.parse_ip6(text) if ":" in text else ip.parse_ip4(text)
    assert ip.scope(data) == expected, (text, ip.scope(data))

# RFC 5952, sections 1 to 5
CANONICAL = (
    ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
    ("2001:0db8::0001", "2001:db8::1"),
    ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
    ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
    ("2001:DB8::1:0:0:1", "2001:db8::1:0:0:1"),
    ("0:0:0:0:0:0:0:0", "::"),
    ("0:0:0:0:0:0:0:1", "::1"),
    ("1::", "1::"),
    ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
    ("::ffff:c000:201", "::ffff:192.0.2.1"),
    ("::1.2.3.4", "::102:304"),
    ("1:2:3:4:5:6:7.8.9.10", "1:2:3:4:5:6:708:90a"),
)
for text, canonical in CANONICAL:
    data = ip.parse_ip6(text)
    assert len(data) == 16
    assert ip.format_ip6(data) == canonical, (text, ip.format_ip6(data))
    assert ip.parse_ip6(canonical) == data

for bad in (
    "",
    ":",
    ":::",
    "1",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1::2::3",
    "1:2:3:4:5:6:7:8::",
    "::1:2:3:4:5:6:7:8",
    ":1:2:3:4:5:6:7:8",
    "12345::",
    "g::",
    "-1::",
    "1.2.3.4::",
    "::1.2.3.4:1",
    "::1.2.3",
    "::1.2.3.256",
    "fe80::1%eth0",
    " ::1",
    "::1\n",
    "1:2:3:4:5:6:7:1.2.3.4",
    "::" + "0" * 100,
):
    raises(AddressError, ip.parse_ip6, bad)
for bad in ("", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.-4", "1.2.3.4 ", "1..2.3"):
    raises(AddressError, ip.parse_ip4, bad)

assert [ip.decimal(text) for text in ("0", "7", "65535")] == [0, 7, 65535]
assert [ip.decimal(text) for text in ("", "+1", "1_0", " 1", "01", "x", "1" * 21)] == [-1] * 7

assert ip.ip_group(b"\x01\x02\x03\x04") == b"\x01\x02\x03\x04"
assert ip.ip_group(ip.parse_ip6("::ffff:1.2.3.4")) == b"\x01\x02\x03\x04"
assert ip.ip_group(ip.parse_ip6("2001:db8:1:2:3:4:5:6")) == bytes.fromhex("20010db800010002")

for text in ("192.0.2.255", "198.51.100.0", "203.0.113.7", "2001:db8::1", "3fff:fff::1"):
    parse = ip.parse_ip6 if ":" in text else ip.parse_ip4
    assert ip.is_documentation(parse(text)), text
for text in ("192.0.3.0", "8.8.8.8", "2001:db9::", "c000:200::", "cb00:7100::", "::"):
    parse = ip.parse_ip6 if ":" in text else ip.parse_ip4
    assert not ip.is_documentation(parse(text)), text
for text in ("::1.2.3.4", "64:ff9b::1.2.3.4"):
    assert ip.unmapped(ip.parse_ip6(text)) == ip.parse_ip6(text)
assert ip.unmapped(ip.parse_ip6("::ffff:1.2.3.4")) == ip.parse_ip4("1.2.3.4")
assert ip.unmapped(ip.parse_ip4("1.2.3.4")) == ip.parse_ip4("1.2.3.4")

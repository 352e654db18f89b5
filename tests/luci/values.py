"""Values for every kind of option, good ones and bad ones of each, for all of them to judge."""

ED25519 = "12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5"
RSA = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"
CID = "bafzaajaiaejcalgxbmkpesoc5kkyq3isqorfqiok4m7ebpr4x7zdlzcw6ytpfe6i"
ONION = "u" + "A" * 16

NUMBERS = """
    0 1 -1 +1 007 9 10 16K 16M 24M 1T 2T 1024T 1025T 1.5G 24MB M 24m 5m 2h 1d 31d 1h30m 5ms 0s
    0K 64 65535 65536 65537 999999999999999999 9999999999999999999 0x10 0X10 0x 0xfffffffff
    0xFFffFFff 0x0 auto none unlimited ٣ 1_0 1e3 8 19 20 100 101 4K 16384 15K 1٣
    18446744073709551616T
"""
WORDS = """
    yes no true false on off enabled disabled YES maybe auto full light relay paused none mon
    tue Mon monday cuda router.lan nas a..b . - _ -a_ a:80 a/b é.lan br-lan eth0.2 wlan0@if3 +++
    ... constructor __proto__ toString hasOwnProperty eth0eth0eth0eth eth0eth0eth0ethx a*b
    mirror api v2 my_mirror-2 K
"""
ADDRESSES = f"""
    /ip4/0.0.0.0/tcp/4001 /ip6/::/tcp/4001 /ip4/1.2.3.4/tcp/0 /ip4/1.2.3.4/tcp/65536
    /ip4/01.2.3.4/tcp/1 /ip4/300.0.0.1/tcp/1 /ip4/1.2.3/tcp/1 /ip4/1.2.3.4/udp/1
    /ip4/1.2.3.4/tcp/1/ /ip4/1.2.3.4/tcp/1// // / /ip4 /ip4/1.2.3.4/tcp /ip4/1.2.3.4/tcp/01
    ip4/1.2.3.4/tcp/1 /ip5/1/tcp/1 /IP4/1.2.3.4/tcp/1 /dns4/relay.example.org/tcp/4001
    /dns/localhost./tcp/1 /dns/a.LOCALHOST/tcp/1 /dns/0x7f/tcp/1 /dns/127.1/tcp/1 /dns//tcp/1
    /dns/a:b/tcp/1 /dns/é/tcp/1 /dns/'é"/tcp/1 /dns/{"a" * 254}/tcp/1 /dns/{"a" * 253}/tcp/1
    /ip4/10.0.0.1/tcp/1 /ip4/127.0.0.1/tcp/1 /ip4/169.254.1.1/tcp/1 /ip4/224.0.0.1/tcp/1
    /ip4/255.255.255.255/tcp/1 /ip4/192.0.2.9/tcp/1 /ip4/198.51.100.7/tcp/1
    /ip4/203.0.113.1/tcp/1 /ip4/100.64.0.1/tcp/1 /ip4/198.18.0.1/tcp/1 /ip4/172.31.0.1/tcp/1
    /ip4/192.88.99.1/tcp/1 /ip4/192.0.0.1/tcp/1 /ip4/0.1.2.3/tcp/1 /ip4/8.8.8.8/tcp/1
    /ip6/::1/tcp/1 /ip6/fe80::1/tcp/1 /ip6/fd00::1/tcp/1 /ip6/2a00::1/tcp/1
    /ip6/2001:db8::1/tcp/1 /ip6/3fff::1/tcp/1 /ip6/2001::1/tcp/1 /ip6/2002:808:808::1/tcp/1
    /ip6/2002:a00:1::1/tcp/1 /ip6/64:ff9b::8.8.8.8/tcp/1 /ip6/64:ff9b::10.0.0.1/tcp/1
    /ip6/64:ff9b:1::1/tcp/1 /ip6/::ffff:8.8.8.8/tcp/1 /ip6/ff02::1/tcp/1 /ip6/::8.8.8.8/tcp/1
    /ip6/1:2:3:4:5:6:7:8/tcp/1 /ip6/1:2:3:4:5:6:7::/tcp/1 /ip6/1:2:3:4:5:6:7:8::/tcp/1
    /ip6/1:::2/tcp/1 /ip6/:1/tcp/1 /ip6/12345::/tcp/1 /ip6/::g/tcp/1 /ip6/::1.2.3/tcp/1
    /ip6/1.2.3.4::/tcp/1 /ip6/{"1:" * 30}/tcp/1 /ip4/1.2.3.4/tcp/1/p2p/{RSA}
    /ip4/1.2.3.4/tcp/1/ipfs/{ED25519} /dns4/a/tcp/1/p2p/{CID} /p2p/{RSA} /ipfs /ipfs/x
    /ip4/1.2.3.4/tcp/1/p2p/{RSA}/p2p-circuit
    /ip4/1.2.3.4/tcp/1/p2p/{RSA}/p2p-circuit/p2p/{ED25519} /p2p-circuit
    /ip4/1.2.3.4/udp/1/quic-v1/p2p/{RSA}
    /ip4/1.2.3.4/udp/1/quic-v1/webtransport/certhash/uAAAA/p2p/{RSA}
    /ip4/1.2.3.4/tcp/1/p2p/{RSA}x /ip4/1.2.3.4/tcp/1/p2p/QmO0 /p2p/1 /p2p/12 /p2p/b /p2p/bafz
    /p2p/b1 /p2p/{"1" * 81} /p2p/{"b" + "a" * 70} /certhash/z /certhash/u /certhash/uA
    /certhash/u+ /memory/{ONION} /memory/uAAAAAAAAAAA /onion/{ONION} {"/ws" * 17} {"/ws" * 257}
    {"/tcp/1" * 16} {"/tcp/1" * 17} {"/dns/" + "a" * 250}{"/sni/" + "b" * 250}/sni/cccccc
    /ip6zone/eth0/ip6/fe80::1/tcp/1 /unix/uAAAA /http-path/uLw /ipcidr/uAA /constructor
    /__proto__/x {"/a" * 600}
"""
PEERS = f"""
    {ED25519} {RSA} {CID} {RSA}x {RSA[:-1]} {ED25519[:-1]} Qm 1 11 111 12D3KooW... {CID.upper()}
    {"b" * 81} {"1" * 80} {"1" + "z" * 79}
"""
NETWORKS = """
    192.0.2.0/24 192.0.2.7 192.0.2.7/24 192.0.2.0/255.255.255.0 192.0.2.0/0.0.0.255
    192.0.2.0/255.0.255.0 0.0.0.0/0 0.0.0.0/0.0.0.0 0.0.0.0/255.255.255.255 192.0.2.0/33
    192.0.2.0/024 192.0.2.0/ 192.0.2.0/24/24 /24 192.0.2.0/-1 192.0.2.00 2001:db8::/32
    2001:db8::1/32 2001:db8::1 ::/0 ::/129 ::/ffff:: fe80::%eth0/10 fe80::1%eth0 fe80::1%
    fe80::1%a%b fe80::1%25/128 ::ffff:1.2.3.4 ::1.2.3.4/96 ::1.2.3.0/120 192.0.2.0/२४
    192.0.2.0%a 1.2.3.4%a:b
"""
HOSTS = """
    huggingface.co cdn.example:8443 *.a.example *.*.a * *. a:0 a:65536 a:00443 a: [::1]
    [::1]:443 [::1]x [::1]: [abc] [::g] 192.168.1.2:80 Router.lan http://a a/b [ [] ]
"""
URLS = f"""
    https://Hub.example http://127.0.0.1:8080/ https://hub.example:443/a/b/
    http://[2001:DB8::1]:8080 hub.example ftp://a https:// https://a/ https:///a https://u:p@a
    https://a/.. https://a//b https://a/b?c https://a/b#c https://a/%2e https://a:0 https://[::1
    HTTPS://a https://{"a" * 253}/{"b" * 251} https://{"a" * 253}/{"b" * 252} https://a/.b/-_~
    https://K.example
"""
ZONES = f"""
    UTC0 CET-1CEST,M3.5.0,M10.5.0/3 <-03>3 <+0330>-3:30 EST5EDT EST5EDT4:30:01,J60,J300/167 CET
    CE-1 CET-25 CET-1CEST, CET-1CEST,M13.1.0,M1.1.0 CET-1CEST,M3.6.0,M10.5.0
    CET-1CEST,M3.5.7,M10.5.0 CET-1CEST,M3.5.0 <CE>1 <CET CET+1:60 CET-1CEST,0,365/-167
    CET-1CEST,J0,J1 CET-1CEST,M3.5.0,M10.5.0x CET-1:00:00CEST Europe/Berlin :Europe/Berlin
    {"A" * 129} EST5EDT,M3.2.0/2:30,M11.1.0 CET-1CEST,M3.5.0,M10.5.0/168 é1 CET-1234
    {"A" * 127}0
"""
PATHS = f"""
    /mnt/sda1/kwaainet ~/x $HOME /a*b /a[b /a?b /a\\b a/b ./~ /srv/~a/$b /srv/übung /
    {"/" + "x" * 4095} {"/" + "x" * 4096}
"""
TIMES = """
    00:00 24:00 24:01 23:59 7:00 07:60 0700 07:00:00 \u0660\u0660:\u0660\u0660 12-30 -1:00 18:30
"""
MACS = """
    00:16:3e:12:34:56 00-16-3E-12-34-56 00:16:3e:12:34 0016.3e12.3456 00:16:3e:12:34:5g
    0:16:3e:12:34:56
"""
CORPUS = [
    *(
        "",
        " ",
        "a b",
        "/a b",
        "/a\tb",
        "a\nb",
        "\0",
        "/x\u00a0y",
        "/x\u2028",
        "/x\u3000",
        "\U0001f600",
    ),
    *(
        "<img src=x onerror=__owned()>",
        "'",
        '"',
        "'\"",
        "\\",
        "/ip4/1.2.3.4/tcp/1 x",
        "/ip4/'/tcp/1",
        "/ip4/\"'/x",
    ),
    *(
        "/\x7f/1",
        "/dns/a b/tcp/1",
        "/dns/\t/tcp/1",
        "/dns/\\'/tcp/1",
        "/ip4/\u202e/tcp/1",
        "x" * 5000,
        "/" + "é" * 1100,
    ),
    *[
        text
        for each in (NUMBERS, WORDS, ADDRESSES, PEERS, NETWORKS, HOSTS)
        for text in each.split()
    ],
    *[text for each in (URLS, ZONES, TIMES, MACS, PATHS) for text in each.split()],
]

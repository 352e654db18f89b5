"""IP addresses against the standard library's ipaddress. The vectors are in portable/."""

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.wire import ip
from edge.wire.errors import AddressError

# Mostly zeros, so that runs of them occur.
sparse = st.lists(st.sampled_from([0, 0, 0, 1, 255]), min_size=16, max_size=16).map(bytes)
ip4 = st.binary(min_size=4, max_size=4)
ip6 = st.binary(min_size=16, max_size=16) | sparse


@given(ip4)
def test_ip4_text_is_the_standard_librarys(data: bytes) -> None:
    assert ip.format_ip4(data) == str(ipaddress.IPv4Address(data))
    assert ip.parse_ip4(ip.format_ip4(data)) == data


@given(ip6)
def test_ip6_text_is_the_standard_librarys(data: bytes) -> None:
    text = ip.format_ip6(data)
    expected = ipaddress.IPv6Address(data)
    if expected.ipv4_mapped is None:  # written in dotted decimal from Python 3.13 on
        assert text == str(expected)
    else:
        assert text == f"::ffff:{expected.ipv4_mapped}"
    for spelling in (text, expected.exploded, text.upper()):
        assert ip.parse_ip6(spelling) == data


@given(st.text("0123456789abcdefF:.%g", max_size=30) | st.text(max_size=20))
@example("1:2:3:4:5:6:7::")
@example("::1:2:3:4:5:6:7:8")
def test_what_is_an_address_is_what_the_standard_library_says(text: str) -> None:
    for parse, theirs in (
        (ip.parse_ip4, ipaddress.IPv4Address),
        (ip.parse_ip6, ipaddress.IPv6Address),
    ):
        try:
            expected = theirs(text).packed
        except ValueError:
            expected = None
        if expected is None or "%" in text:
            with pytest.raises(AddressError):
                parse(text)
        else:
            assert parse(text) == expected


# Where this module is stricter or looser than the registry as Python knows it, and why.
KNOWN_DIFFERENCES = [
    ipaddress.ip_network(text)
    for text in (
        "192.0.0.0/24",  # a few anycast addresses in it are global
        "192.88.99.0/24",  # 6to4 relays, withdrawn by RFC 7526
        "224.0.0.0/4",  # multicast is global to Python
        "2001::/23",  # a few anycast addresses in it are global
        "2002::/16",  # judged by the IPv4 inside
        "64:ff9b::/96",  # judged by the IPv4 inside
        "3fff::/20",  # newer than Python 3.11
        "ff00::/8",  # multicast is global to Python
    )
]


@given(ip4 | ip6 | st.binary(min_size=14, max_size=14).map(b"\x20\x01".__add__))
def test_public_is_what_the_standard_library_calls_global(data: bytes) -> None:
    address = ipaddress.ip_address(data)
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        address = mapped
    if any(address in network for network in KNOWN_DIFFERENCES):
        return
    if address.version == 6 and data[0] >> 5 != 1:  # outside of 2000::/3, unassigned
        assert ip.scope(data) != ip.PUBLIC
        return
    assert (ip.scope(data) == ip.PUBLIC) == address.is_global


@given(ip4 | ip6)
def test_a_v4_mapped_address_is_the_ip4_address(data: bytes) -> None:
    if len(data) == 4:
        mapped = bytes(10) + b"\xff\xff" + data
        assert ip.scope(mapped) == ip.scope(data)
        assert ip.ip_group(mapped) == ip.ip_group(data) == data
    elif not data.startswith(bytes(10) + b"\xff\xff"):
        assert ip.ip_group(data) == data[:8]

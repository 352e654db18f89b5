"""RFC 6762 and libp2p's discovery/mdns.md as edge.wire.mdns reads and writes them."""

import contextlib
import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zeroconf import DNSIncoming

from edge.wire import mdns
from edge.wire.dns import encode_name
from edge.wire.errors import RemoteProtocolError
from edge.wire.multiaddr import Multiaddr

PEER = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"
OTHER = "12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5"
NAME = "a" * 36
INSTANCE = encode_name(f"{NAME}._p2p._udp.local")
AT = f"/ip4/192.168.1.2/tcp/4001/p2p/{PEER}"
AT6 = f"/ip6/fd00::2/tcp/4001/p2p/{PEER}"


def addresses(*texts: str) -> list[Multiaddr]:
    return [Multiaddr.from_string(text) for text in texts]


def text(*strings: str) -> bytes:
    return b"".join(bytes((len(each),)) + each.encode() for each in strings)


def message(*records: bytes, flags: int = 0x8400, questions: Sequence[bytes] = ()) -> bytes:
    head = struct.pack(">6H", 0, flags, len(questions), len(records), 0, 0)
    return head + b"".join(questions) + b"".join(records)


def record(name: bytes, kind: int, data: bytes, ttl: int = 120, group: int = 0x8001) -> bytes:
    return name + struct.pack(">HHIH", kind, group, ttl, len(data)) + data


def said(data: bytes) -> list[tuple[str, list[str], int]]:
    """(peer, addresses, TTL) of each entry."""
    return [
        (str(entry.peer), [str(address) for address in entry.addresses], entry.ttl)
        for entry in mdns.entries(mdns.decode(data))
    ]


# --- what we write, as another implementation reads it ---


def test_the_question_for_all_peers() -> None:
    head = bytes.fromhex("000000000001000000000000")
    assert mdns.query(mdns.SERVICE) == head + b"\x04_p2p\x04_udp\x05local\0\0\x0c\0\x01"


def test_zeroconf_reads_our_records() -> None:
    records = mdns.own_records(NAME, addresses(AT, AT6))
    read = DNSIncoming(mdns.response(records[:1], records[1:]))
    assert read.valid
    assert not read.is_query()
    service, host = f"{NAME}._p2p._udp.local.", f"{NAME}.p2p.local."
    found = {(each.name, each.type): each for each in read.answers()}
    assert set(found) == {
        ("_p2p._udp.local.", 12),
        (service, 16),
        (service, 33),
        (host, 1),
        (host, 28),
    }
    assert found["_p2p._udp.local.", 12].alias == service
    assert found[service, 16].text == text(f"dnsaddr={AT}", f"dnsaddr={AT6}")
    assert (found[service, 33].port, found[service, 33].server) == (4001, host)
    assert not found["_p2p._udp.local.", 12].unique
    assert found[service, 16].unique


def test_known_answers_that_fit() -> None:
    names = [encode_name(f"{i:036}._p2p._udp.local") for i in range(64)]
    data = mdns.query(mdns.SERVICE, [(name, 3000 + i) for i, name in enumerate(names)])
    assert len(data) <= mdns.MAX_OWN_MESSAGE
    known = mdns.decode(data).records
    assert len(known) > 20
    assert [each.data for each in known] == names[: len(known)]
    assert DNSIncoming(data).num_answers == len(known)


# --- what others write ---


def test_own_records_are_read_back() -> None:
    assert said(mdns.response(mdns.own_records(NAME, addresses(AT, AT6)))) == [
        (PEER, [AT, AT6], mdns.TTL)
    ]


def test_several_texts_as_rust_and_js_write_them() -> None:
    pointer = record(mdns.SERVICE, 12, INSTANCE, group=1)
    texts = [record(INSTANCE, 16, text(f"dnsaddr={at}")) for at in (AT, AT6)]
    assert said(message(pointer, *texts)) == [(PEER, [AT, AT6], 120)]


def test_a_goodbye() -> None:
    gone = record(mdns.SERVICE, 12, INSTANCE, ttl=0, group=1)
    assert said(message(gone)) == [("None", [], 0)]


@pytest.mark.parametrize(
    "value",
    [
        "dnsaddr=/ip4/192.168.1.2/udp/4001/quic-v1/p2p/" + PEER,
        "dnsaddr=/ip4/192.168.1.2/tcp/4001",
        "dnsaddr=/dns4/a.test/tcp/4001/p2p/" + PEER,
        f"dnsaddr=/ip4/192.168.1.2/tcp/4001/p2p/{OTHER}/p2p-circuit/p2p/{PEER}",
        "dnsaddr=/ip6zone/eth0/ip6/fe80::1/tcp/4001/p2p/" + PEER,
        "dnsaddr=nonsense",
        "address=" + AT,
        f"dnsaddr=/ip4/192.168.1.3/tcp/4001/p2p/{OTHER}",
    ],
)
def test_what_is_no_address_of_the_peer_is_left_out(value: str) -> None:
    data = record(INSTANCE, 16, text(f"dnsaddr={AT}", value))
    assert said(message(data)) == [(PEER, [AT], 120)]


def test_addresses_of_a_message_have_a_bound() -> None:
    many = [f"dnsaddr=/ip4/192.168.1.{i}/tcp/4001/p2p/{PEER}" for i in range(40)]
    ((_, found, _),) = said(message(record(INSTANCE, 16, text(*many))))
    assert len(found) == 32


def test_names_are_compared_without_case() -> None:
    service = b"\x04_P2P\x04_udp\x05LOCAL\0"
    read = mdns.decode(message(questions=[service + b"\0\x0c\x80\x01"], flags=0))
    assert read.questions == [(mdns.SERVICE, mdns.PTR)]
    assert not read.response


# --- what nobody should write ---


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (b"\xc0\x0c", "circle"),  # itself
        (b"\x01a\xc0\x0c", "circle"),
        (b"\xc0\xff", "circle"),  # forwards
        (b"\x40" + b"a" * 64 + b"\0", "malformed"),
        (b"\x3f" + b"a" * 63, "cut short"),
        ((b"\x3f" + b"a" * 63) * 4 + b"\0", "malformed"),
    ],
)
def test_malformed_names(name: bytes, reason: str) -> None:
    with pytest.raises(RemoteProtocolError, match=reason):
        mdns.decode(message(questions=[name + b"\0\x0c\0\x01"], flags=0))


def test_pointers_have_a_bound() -> None:
    """Each leads to the one before it."""
    first = 12 + 11  # behind the header, and the head of a record without a name
    hops = [struct.pack(">H", 0xC000 | at) for at in (first, *range(first + 3, first + 19, 2))]
    before = record(b"\0", 99, b"\x01a\0" + b"".join(hops))
    named = [record(struct.pack(">H", 0xC000 | first + 3 + 2 * i), 16, b"") for i in (6, 7)]
    assert len(mdns.decode(message(before, named[0])).records) == 1
    with pytest.raises(RemoteProtocolError, match="circle"):
        mdns.decode(message(before, named[1]))


@pytest.mark.parametrize("flags", [0x2800, 0x7800])
def test_other_kinds_of_messages(flags: int) -> None:
    with pytest.raises(RemoteProtocolError, match="neither"):
        mdns.decode(message(flags=flags))


def test_bounds() -> None:
    with pytest.raises(RemoteProtocolError, match="9001 bytes"):
        mdns.decode(bytes(9001))
    with pytest.raises(RemoteProtocolError, match="17 questions"):
        mdns.decode(message(questions=[b"\0\0\x0c\0\x01"] * 17, flags=0))
    many = mdns.decode(message(*[record(b"\0", 16, b"")] * 200))
    assert len(many.records) == 128


@given(st.binary(max_size=400))
def test_any_message(data: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        for entry in mdns.entries(mdns.decode(data)):
            assert len(entry.addresses) <= 32


@given(st.lists(st.sampled_from([AT, AT6]), unique=True), st.integers(0, 2**32 - 1))
def test_any_own_records(texts: list[str], ttl: int) -> None:
    records = mdns.own_records(NAME, addresses(*texts))
    for each in records:
        each.ttl = ttl
    ((_, found, lasts),) = said(mdns.response(records))
    assert (found, lasts) == (texts, ttl)

"""Identify with signed records. What needs no signature is in portable/."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.crypto import Ed25519Key
from edge.wire import varint
from edge.wire.envelope import MAX_ADDRESSES, seal_peer_record
from edge.wire.errors import RemoteProtocolError
from edge.wire.identify import (
    MAX_AGENT,
    MAX_MESSAGE,
    MAX_PROTOCOLS,
    Identify,
    IdentifyReader,
    read_identify,
)
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import ED25519, PublicKey
from edge.wire.protobuf import delimited

KEY = Ed25519Key.from_seed(bytes(range(32)))
PEER = PublicKey(type=ED25519, data=KEY.public).peer_id()
OTHER = Ed25519Key.from_seed(bytes(32))

CLAIMED = Multiaddr.from_string("/ip4/1.2.3.4/tcp/1")
SIGNED = Multiaddr.from_string("/ip4/1.2.3.4/tcp/2")
NEWER = Multiaddr.from_string("/ip4/1.2.3.4/tcp/3")


def message(record: bytes | None) -> Identify:
    return Identify(listen_addrs=[CLAIMED.bytes], signed_peer_record=record)


def test_signed_addresses_go_before_claimed_ones() -> None:
    info = read_identify(message(seal_peer_record(KEY, 7, [SIGNED])), PEER)
    assert (info.seq, info.addresses) == (7, (SIGNED,))


@pytest.mark.parametrize(
    "record",
    [
        None,
        b"",
        b"\xff",
        seal_peer_record(OTHER, 7, [SIGNED]),
        seal_peer_record(KEY, 7, [SIGNED])[:-1] + b"\0",
    ],
)
def test_without_a_valid_record_of_the_peer_claims_count(record: bytes | None) -> None:
    info = read_identify(message(record), PEER)
    assert (info.seq, info.addresses) == (-1, (CLAIMED,))


def test_only_a_newer_record_replaces_the_one_known() -> None:
    known = read_identify(message(seal_peer_record(KEY, 7, [SIGNED])), PEER)
    for seq in (6, 7):
        info = read_identify(message(seal_peer_record(KEY, seq, [NEWER])), PEER, known)
        assert (info.seq, info.addresses) == (7, (SIGNED,))
    info = read_identify(message(seal_peer_record(KEY, 8, [NEWER])), PEER, known)
    assert (info.seq, info.addresses) == (8, (NEWER,))
    info = read_identify(message(None), PEER, known)
    assert (info.seq, info.addresses) == (7, (SIGNED,))


@pytest.mark.parametrize(("signer", "seq"), [(OTHER, 9), (KEY, 7), (KEY, 6)])
def test_a_record_that_cannot_count_costs_no_signature(
    signer: Ed25519Key, seq: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = read_identify(message(seal_peer_record(KEY, 7, [SIGNED])), PEER)
    foreign = message(seal_peer_record(signer, seq, [NEWER]))
    monkeypatch.delattr(PublicKey, "verify")
    assert read_identify(foreign, PEER, known).addresses == (SIGNED,)


def test_a_record_may_come_in_a_message_of_its_own() -> None:
    """As go-libp2p sends it when the whole is longer than 2 KiB."""
    record = seal_peer_record(KEY, 7, [SIGNED])
    reader = IdentifyReader()
    reader.feed(delimited(message(None).encode()))
    reader.feed(delimited(Identify(signed_peer_record=record).encode()))
    info = read_identify(reader.finish(), PEER)
    assert (info.seq, info.addresses) == (7, (SIGNED,))


def test_what_is_kept_is_bounded() -> None:
    addresses = [Multiaddr.from_ip(bytes((1, 2, 3, 4)), port).bytes for port in range(200)]
    protocols = [f"/{i}" for i in range(300)]
    info = read_identify(Identify(listen_addrs=addresses, protocols=protocols), PEER)
    assert len(info.addresses) == MAX_ADDRESSES
    assert info.protocols == tuple(protocols[:MAX_PROTOCOLS])


def field(number: int, value: bytes) -> bytes:
    """One length-delimited field of a message."""
    return varint.encode(number << 3 | 2) + delimited(value)


MANY = [Multiaddr.from_ip(bytes((1, 2, 3, 4)), port).bytes for port in range(400)]


@pytest.mark.parametrize(
    "excess",
    [
        b"".join([field(2, address) for address in MANY]),
        field(2, bytes(1025)),
        b"".join([field(3, b"/%d" % n) for n in range(600)]),
        field(3, b"/" + b"x" * 1024),
        field(3, b"\xff"),
        field(4, bytes(1025)),
        field(5, b"x" * 1025),
        field(6, b"\xff"),
        field(1, bytes(2100)),
        field(8, bytes(5000)),
        b"\x18\x01",  # a protocol that is a number
    ],
)
def test_too_much_of_one_does_not_cost_the_rest(excess: bytes) -> None:
    said = Identify(protocols=["/own"], agent_version="kwaai/1", listen_addrs=[CLAIMED.bytes])
    for data in (said.encode() + excess, excess + said.encode()):
        reader = IdentifyReader()
        reader.feed(delimited(data))
        info = read_identify(reader.finish(), PEER)
        assert info.agent == "kwaai/1"
        assert info.addresses[0] in (CLAIMED, Multiaddr(MANY[0]))
        assert info.protocols[0] in ("/own", "/0")


def test_an_agent_that_is_too_long_is_cut() -> None:
    info = read_identify(Identify.decode(field(6, b"kwaai" + b"x" * 5000)), PEER)
    assert info.agent == ("kwaai" + "x" * 5000)[:MAX_AGENT]


def test_of_a_record_with_too_many_addresses_the_first_are_kept() -> None:
    addresses = [Multiaddr(data) for data in MANY]
    info = read_identify(message(seal_peer_record(KEY, 7, addresses)), PEER)
    assert (info.seq, list(info.addresses)) == (7, addresses[:MAX_ADDRESSES])


def test_a_reader_holds_no_more_than_its_bounds() -> None:
    body = b"\x0a\x00" * (MAX_MESSAGE // 2)
    reader = IdentifyReader()
    reader.feed(delimited(body) * 2)
    with pytest.raises(RemoteProtocolError, match="more than 16384 bytes"):
        reader.feed(delimited(b"\x0a\x00"))


def test_empty_messages_without_end_hold_nothing() -> None:
    reader = IdentifyReader()
    reader.feed(b"\0" * 100_000)
    assert reader.finish() == Identify()


@given(st.lists(st.binary(max_size=100), max_size=5))
def test_any_stream_is_read_or_refused(chunks: list[bytes]) -> None:
    reader = IdentifyReader()
    try:
        for chunk in chunks:
            reader.feed(chunk)
        info = read_identify(reader.finish(), PEER)
    except RemoteProtocolError:
        return
    assert info.agent.isprintable()


@given(st.binary(max_size=100), st.text(max_size=40), st.binary(max_size=60))
def test_any_message_is_read_or_refused(key: bytes, text: str, address: bytes) -> None:
    hostile = Identify(
        public_key=key,
        agent_version=text,
        protocol_version=text,
        protocols=[text],
        observed_addr=address,
        listen_addrs=[address],
        signed_peer_record=address,
    )
    try:
        info = read_identify(hostile, PEER)
    except RemoteProtocolError:
        assert key
        return
    assert info.agent.isascii()
    assert info.agent.isprintable()
    assert len(info.addresses) <= 1

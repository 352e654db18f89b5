"""Identify with signed records. What needs no signature is in portable/."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.crypto import Ed25519Key
from edge.wire.envelope import MAX_ADDRESSES, seal_peer_record
from edge.wire.errors import RemoteProtocolError
from edge.wire.identify import (
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

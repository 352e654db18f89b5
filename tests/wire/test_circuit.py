"""The relay's messages on a stream. The vectors are in portable/."""

import pytest

from edge.crypto import Ed25519Key
from edge.wire import circuit
from edge.wire.circuit import MAX_MESSAGE, HopMessage, Limit, Peer, Reservation, StopMessage
from edge.wire.delimited import DelimitedReader
from edge.wire.envelope import open_voucher, seal_voucher
from edge.wire.errors import RemoteProtocolError
from edge.wire.multiaddr import Multiaddr, parse_many
from edge.wire.peerid import ED25519, PeerId, PublicKey
from edge.wire.protobuf import delimited

RELAY_KEY = Ed25519Key.from_seed(bytes(32))
RELAY = PublicKey(type=ED25519, data=RELAY_KEY.public).peer_id()
PEER = PeerId.from_string("12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA")


def test_a_full_reservation_comes_back_and_fits() -> None:
    address = Multiaddr.from_string("/ip6/2604:1380:4602:5c00::3/tcp/4001").with_peer(RELAY)
    sent = HopMessage(
        type=HopMessage.STATUS,
        status=circuit.OK,
        reservation=Reservation(
            expire=1_700_000_000,
            addrs=[address.bytes] * 16,
            voucher=seal_voucher(RELAY_KEY, PEER, 1_700_000_000),
        ),
        limit=Limit(duration=0xFFFFFFFF, data=(1 << 64) - 1),
    )
    frame = delimited(sent.encode())
    assert len(frame) < MAX_MESSAGE
    body, taken = DelimitedReader(MAX_MESSAGE).feed(frame)
    assert (body, taken) == (sent.encode(), len(frame))
    found = HopMessage.decode(body or b"")
    assert found == sent
    assert found.reservation is not None
    assert parse_many(found.reservation.addrs, 16) == [address]
    assert open_voucher(found.reservation.voucher or b"") == (RELAY, PEER, 1_700_000_000)


def test_a_relay_with_too_many_addresses_is_heard() -> None:
    said = [Multiaddr.from_ip(bytes((1, 2, 3, 4)), port).bytes for port in range(100)]
    data = Reservation(expire=1, addrs=[bytes(1025), *said]).encode()
    found = Reservation.decode(data)
    assert (found.expire, found.addrs) == (1, said[: circuit.MAX_ADDRESSES])


def test_what_follows_the_handshake_belongs_to_the_circuit() -> None:
    handshake = StopMessage(type=StopMessage.CONNECT, peer=Peer(id=PEER.bytes)).encode()
    stream = delimited(handshake) + b"\x13/multistream/1.0.0\n"
    body, taken = DelimitedReader(MAX_MESSAGE).feed(stream)
    assert StopMessage.decode(body or b"").peer == Peer(id=PEER.bytes)
    assert stream[taken:] == b"\x13/multistream/1.0.0\n"


def test_a_message_over_the_limit_is_refused_by_its_length() -> None:
    with pytest.raises(RemoteProtocolError):
        DelimitedReader(MAX_MESSAGE).feed(delimited(bytes(MAX_MESSAGE + 1))[:2])


def test_every_status_has_its_name() -> None:
    for code, name in circuit.STATUS_NAMES.items():
        assert getattr(circuit, name) == code

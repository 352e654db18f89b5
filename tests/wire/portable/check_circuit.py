# The numbers are those of https://github.com/libp2p/specs/blob/master/relay/circuit-v2.md#protobuf
from raises import raises

from edge.wire import circuit
from edge.wire.circuit import HopMessage, Limit, Peer, Reservation, StopMessage
from edge.wire.errors import RemoteProtocolError
from edge.wire.peerid import PeerId

PEER = PeerId.from_string("12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA")
PEER_HEX = PEER.bytes.hex()

VECTORS = (
    (HopMessage(type=HopMessage.RESERVE), "0800"),
    (HopMessage(type=HopMessage.CONNECT, peer=Peer(id=PEER.bytes)), "080112280a26" + PEER_HEX),
    (HopMessage(type=HopMessage.STATUS, status=circuit.OK), "08022864"),
    (HopMessage(type=HopMessage.STATUS, status=circuit.NO_RESERVATION), "080228cc01"),
    (
        HopMessage(
            type=HopMessage.STATUS,
            reservation=Reservation(expire=1700000000, addrs=[b"\xa2\x02"], voucher=b"v"),
            limit=Limit(duration=120, data=131072),
            status=circuit.OK,
        ),
        "08021a0d0880e2cfaa061202a2021a017622060878108080082864",
    ),
    (
        StopMessage(type=StopMessage.CONNECT, peer=Peer(id=PEER.bytes), limit=Limit(duration=1)),
        "080012280a26" + PEER_HEX + "1a020801",
    ),
    (StopMessage(type=StopMessage.STATUS, status=circuit.CONNECTION_FAILED), "080120cb01"),
)
for message, text in VECTORS:
    assert message.encode().hex() == text, (message, message.encode().hex())
    assert type(message).decode(bytes.fromhex(text)) == message

assert HopMessage.decode(bytes.fromhex(VECTORS[1][1])).peer.peer_id() == PEER
raises(RemoteProtocolError, Peer(id=b"\x12").peer_id)
raises(RemoteProtocolError, Peer().peer_id)

# A proto3 writer leaves a type of 0 out.
assert HopMessage.decode(b"").type == HopMessage.RESERVE
assert StopMessage.decode(bytes.fromhex("12020a00")).type == StopMessage.CONNECT
assert HopMessage.decode(b"").limit is None

raises(RemoteProtocolError, HopMessage.decode, b"\x08\x00" * 2049)
raises(RemoteProtocolError, HopMessage.decode, b"\x08")
raises(RemoteProtocolError, HopMessage.decode, bytes.fromhex("124401") + b"\0" * 67)
raises(RemoteProtocolError, HopMessage.decode, b"\x12\x82\x01" + b"\x12\x00" * 65)
assert sorted(circuit.STATUS_NAMES) == [100, 200, 201, 202, 203, 204, 400, 401]

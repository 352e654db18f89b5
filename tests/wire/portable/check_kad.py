# The numbers are those of https://github.com/libp2p/specs/blob/master/kad-dht/README.md#rpc-messages
from raises import raises

from edge.wire import kad
from edge.wire.errors import RemoteProtocolError
from edge.wire.kad import KadMessage, Peer, read_peers
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import PeerId

PEER = PeerId.from_string("12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA")
OTHER = PeerId.from_string("QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N")
PEER_HEX = PEER.bytes.hex()
ADDRESS = Multiaddr.from_string("/ip4/1.2.3.4/tcp/4001")

VECTORS = (
    (KadMessage(type=kad.PING), "0805"),
    (KadMessage(type=kad.FIND_NODE, key=PEER.bytes), "08041226" + PEER_HEX),
    (
        KadMessage(
            type=kad.FIND_NODE,
            closer=[Peer(id=PEER.bytes, addrs=[ADDRESS.bytes], connection=kad.CONNECTED)],
        ),
        "080442340a26" + PEER_HEX + "1208040102030406" + "0fa1" + "1801",
    ),
    (
        KadMessage(type=kad.ADD_PROVIDER, key=b"key", providers=[Peer(id=PEER.bytes)]),
        "080212036b65794a280a26" + PEER_HEX,
    ),
)
for message, text in VECTORS:
    assert message.encode().hex() == text, (message, message.encode().hex())
    assert KadMessage.decode(bytes.fromhex(text)) == message

# A proto3 writer leaves a type of 0 out. A record and rust's clusterLevelRaw are skipped.
assert KadMessage.decode(b"").type == kad.PUT_VALUE
assert KadMessage.decode(bytes.fromhex("1a036b6579500a0804")).type == kad.FIND_NODE

# What exceeds the bounds of a field is left out, and the rest is kept.
said = KadMessage(type=kad.FIND_NODE, key=bytes(kad.MAX_KEY + 1), closer=[Peer(id=PEER.bytes)] * 99)
found = KadMessage.decode(said.encode())
assert (found.type, found.key, len(found.closer)) == (kad.FIND_NODE, None, kad.MAX_PEERS)
many = KadMessage(closer=[Peer(id=PEER.bytes, addrs=[ADDRESS.bytes] * 99)])
assert len(KadMessage.decode(many.encode()).closer[0].addrs) == kad.MAX_ADDRESSES
raises(RemoteProtocolError, KadMessage.decode, bytes(kad.MAX_ANSWER + 1))

# A peer without a valid id is left out, and so are addresses that lead to another one.
elsewhere = ADDRESS.with_peer(OTHER).bytes
peers = [
    Peer(id=b"\x12"),
    Peer(),
    Peer(id=PEER.bytes, addrs=[b"\xff", elsewhere, ADDRESS.bytes, ADDRESS.bytes]),
]
assert read_peers(peers) == [(PEER, [ADDRESS])]

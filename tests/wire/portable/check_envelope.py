# With the crypto backend that each interpreter has: MicroPython the pure one.
from raises import raises

from edge.crypto import Ed25519Key
from edge.wire.envelope import (
    MAX_ENVELOPE,
    Envelope,
    PeerRecord,
    Voucher,
    open_envelope,
    open_peer_record,
    open_voucher,
    seal_peer_record,
    seal_voucher,
)
from edge.wire.errors import RemoteProtocolError
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import ED25519, PeerId, PublicKey

PEER = PeerId.from_string("12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA")
KEY = PEER.public_key()

envelope = Envelope(public_key=KEY, payload_type=b"\x03\x01", payload=b"p", signature=b"s")
data = bytes.fromhex("0a24" + KEY.encode().hex() + "120203011a01702a0173")
assert envelope.encode() == data
assert Envelope.decode(data) == envelope

for bad in (
    b"",
    b"\xff",
    Envelope(public_key=KEY, payload_type=b"t", payload=b"p").encode(),
    Envelope(payload_type=b"t", payload=b"p", signature=b"s").encode(),
    Envelope(public_key=KEY, payload_type=b"u", payload=b"p", signature=b"s").encode(),
    b"\x0a\x02\x08\x01" + data[38:],
    data + b"\0" * MAX_ENVELOPE,
):
    raises(RemoteProtocolError, open_envelope, bad, "domain", b"t")
raises(RemoteProtocolError, open_peer_record, b"")
raises(RemoteProtocolError, open_voucher, b"")

record = PeerRecord.decode(bytes.fromhex("0a0170" + "1005" + "1a030a0161" + "1a00"))
assert (record.peer_id, record.seq) == (b"p", 5)
assert [info.multiaddr for info in record.addresses] == [b"a", None]
voucher = Voucher(relay=b"r", peer=b"p", expiration=300)
assert voucher.encode().hex() == "0a01721201701" + "8ac02"

# Signed and opened again
ours = Ed25519Key.from_seed(bytes(range(32)))
relay = PublicKey(type=ED25519, data=ours.public).peer_id()
data = seal_voucher(ours, PEER, 1700000000)
assert open_voucher(data) == (relay, PEER, 1700000000)
raises(RemoteProtocolError, open_voucher, data[:-1] + bytes((data[-1] ^ 1,)))
raises(RemoteProtocolError, open_peer_record, data)
addresses = [Multiaddr.from_string("/ip4/1.2.3.4/tcp/4001")]
assert open_peer_record(seal_peer_record(ours, 7, addresses)) == (relay, 7, addresses)

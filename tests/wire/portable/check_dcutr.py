# The numbers are those of https://github.com/libp2p/specs/blob/master/relay/DCUtR.md#rpc-messages
from raises import raises

from edge.wire.dcutr import MAX_ADDRESSES, MAX_MESSAGE, HolePunch
from edge.wire.errors import RemoteProtocolError

CONNECT = b"\x08\x64\x12\x08\x04\x05\x01\x01\x1e\x06\x0f\xa1"  # from /ip4/5.1.1.30/tcp/4001
SYNC = b"\x08\xac\x02"

found = HolePunch.decode(CONNECT)
assert found.type == HolePunch.CONNECT
assert found.addresses == [CONNECT[4:]]
assert found.encode() == CONNECT
assert HolePunch(type=HolePunch.SYNC).encode() == SYNC
assert HolePunch.decode(SYNC) == HolePunch(type=HolePunch.SYNC)

found.expect(HolePunch.CONNECT)
raises(RemoteProtocolError, found.expect, HolePunch.SYNC)
raises(RemoteProtocolError, HolePunch.decode(b"").expect, HolePunch.CONNECT)

# Of too much the first is kept; a message that is too long, or cut, is refused.
many = HolePunch.decode(b"\x08\x64" + b"\x12\x01a" * (MAX_ADDRESSES + 1))
assert len(many.addresses) == MAX_ADDRESSES
raises(RemoteProtocolError, HolePunch.decode, bytes(MAX_MESSAGE + 1))
raises(RemoteProtocolError, HolePunch.decode, CONNECT[:-1])

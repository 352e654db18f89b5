from raises import raises

from edge import crypto
from edge.wire import multistream
from edge.wire.errors import RemoteProtocolError
from edge.wire.noise import Identity
from edge.wire.upgrade import MUXERS, Upgrade


def identity(muxers):
    return Identity(crypto.Ed25519Key.generate(), muxers)


def upgrade(dialer, listener, step):
    """Run both to their end, `step` bytes at a time."""
    a, b = Upgrade(dialer, True, listener.peer_id), Upgrade(listener, False)
    to_b, to_a = a.start(), b""
    while to_a or to_b:
        to_a += b.receive(to_b[:step]) if to_b else b""
        to_b = to_b[step:]
        to_b += a.receive(to_a[:step]) if to_a else b""
        to_a = to_a[step:]
    return a, b


# With the muxer named inside the handshake, and negotiated after it.
ours, old = identity(MUXERS), identity(())
for dialer, step in ((ours, 1 << 20), (old, 7)):
    a, b = upgrade(dialer, ours, step)
    assert a.done
    assert b.done
    assert a.remote_peer == ours.peer_id
    assert b.remote_peer == dialer.peer_id
    assert not a.ciphertext + a.plaintext + b.ciphertext + b.plaintext

# Other muxers and other security protocols.
raises(RemoteProtocolError, upgrade, ours, identity(["/mplex/6.7.0"]), 1 << 20)
answer = Upgrade(ours, False).receive(multistream.HEADER + multistream.encode_line("/tls/1.0.0"))
assert answer == multistream.HEADER + multistream.NA

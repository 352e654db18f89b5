# The transcript is of PyPI's noiseprotocol, with all keys fixed.
from raises import raises

from edge import crypto
from edge.wire import noise
from edge.wire.errors import LocalProtocolError, RemoteProtocolError
from edge.wire.noise import Handshake, Identity

MUXERS = ["/yamux/1.0.0"]
FIRST = bytes.fromhex("ce8d3ad1ccb633ec7b70c17814a5c76ecd029685050d344745ba05870e587d59")
SECOND = bytes.fromhex(
    "97c3b10b4d6c133a78ea5dcc1cf6421d3f81ae37b1f628ce14ca6fce7730f333a4063edce274eb95"
    "7ac9a3f7cfc8ce1694236f4155bee805475b4eff83a5fe31322c548ebb2603f5c42122a8e1aeac2d"
    "283abacd4a0ff3d9019da5d4cc8cef092c36576260ceeae326892dfb2b52ae621f59e8dffc07e554"
    "a7b553f5d807d0eb32b98423471b31f85c489b970b014a40c4d9b82479bc6ae3c2f32575a5e3946b"
    "87417347c4a7bec68eaafb5ee7b7725ad5c9b1d00b24ee7220432e296ce7b77b83c2903b05294e17"
    "99bdb42cbd7b09ae57847732537df8ea"
)
THIRD = bytes.fromhex(
    "536b5cff9b82c6bda215290984bd91c90654a727a3723c62cac891d71fb28536870b84f4e576b463"
    "eacda541b1d275664adda98a18f4132d5f65aa4a7b57a238e3644593e1feaf3b767bf1d4cd977f9b"
    "f20113f3b13f5a0ed62f6ae7ffff81cdcdca5d6bada6e8519e533f1a93a05472b1c74e442d199073"
    "f25f7f6e6e4b3c36b2e79dbac600ab4b00e352cf9dfb879a13a1a136fe69e07c01ff3f39a1290534"
    "1062298765a4a3dc757f51b37a171e0a0fad8dfe6d06151b"
)
HELLO = bytes.fromhex("c94d74dfe1cd69c1da9503e785ba975fcd0d28570d")
WORLD = bytes.fromhex("16b33c166ad3cafd4bd5bcdcc2f3870a74051bfe41")


def seed(number):
    return bytes([number]) * 32


class Fixed:
    """edge.crypto, but every key pair is the one of a given private key."""

    def __init__(self, number):
        self.number = number

    def __enter__(self):
        self.keypair = noise.crypto.x25519_keypair
        noise.crypto.x25519_keypair = lambda: crypto.x25519_from_seed(seed(self.number))

    def __exit__(self, *_):
        noise.crypto.x25519_keypair = self.keypair


def side(number, initiator, expected=None):
    with Fixed(number):
        identity = Identity(crypto.Ed25519Key.from_seed(seed(number + 2)), MUXERS)
    return Handshake(identity, initiator, expected)


def sealed(channel, text):
    out = bytearray(len(text) + noise.FRAME_OVERHEAD)
    end = channel.seal_frame(memoryview(text), 0, len(text), memoryview(out), 0)
    assert end == len(out)
    return bytes(out)


def opened(channel, data):
    out = bytearray(len(data))
    used, end = channel.open_frames(memoryview(data), 0, len(data), memoryview(out), 0)
    return used, bytes(out[:end])


def framed(message):
    return len(message).to_bytes(2, "big") + message


# Both roles, to the byte.
listener = side(11, False)
dialer = side(1, True, listener._identity.peer_id)
with Fixed(2):
    assert dialer.start() == FIRST
with Fixed(12):
    assert listener.receive_message(FIRST) == SECOND
assert dialer.receive_message(SECOND) == THIRD
assert listener.receive_message(THIRD) == b""
assert listener.remote_peer == dialer._identity.peer_id
assert dialer.remote_muxers == listener.remote_muxers == MUXERS
assert sealed(dialer.channel, b"hello") == framed(HELLO)
assert opened(listener.channel, framed(HELLO) + b"\0") == (len(HELLO) + 2, b"hello")
assert opened(dialer.channel, framed(WORLD)) == (len(WORLD) + 2, b"world")

# What is altered, useless, out of turn or of another peer.
for position in (0, 40, len(SECOND) - 1):
    with Fixed(2):
        dialer = side(1, True)
        dialer.start()
    broken = bytearray(SECOND)
    broken[position] ^= 1
    raises(RemoteProtocolError, dialer.receive_message, bytes(broken))
with Fixed(2):
    dialer = side(1, True, listener.remote_peer)
    dialer.start()
raises(RemoteProtocolError, dialer.receive_message, SECOND)
for useless in (bytes(32), bytes(31), bytes(noise.MAX_HANDSHAKE + 1)):
    raises(RemoteProtocolError, side(11, False).receive_message, useless)
raises(LocalProtocolError, side(11, False).start)
raises(LocalProtocolError, side(1, True).receive_message, FIRST)
raises(RemoteProtocolError, opened, listener.channel, framed(HELLO))  # replayed
raises(RemoteProtocolError, opened, listener.channel, framed(bytes(noise.TAG - 1)))

"""Noise_XX_25519_ChaChaPoly_SHA256 as libp2p uses it: the handshake, then length-framed messages.

The handshake processes one Noise message at a time. `Channel` opens and seals runs of frames
between the caller's buffers, without a copy of its own.

Sources: https://noiseprotocol.org/noise.html, libp2p/specs noise/README.md
Portable: runs under CPython and MicroPython.
"""

import hashlib

from edge import crypto
from edge.wire.errors import LocalProtocolError, RemoteProtocolError
from edge.wire.peerid import PeerId, PublicKey
from edge.wire.protobuf import BYTES, MESSAGE, STRING, Field, Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

PROTOCOL_ID = "/noise"
NAME = b"Noise_XX_25519_ChaChaPoly_SHA256"
SIGNATURE_PREFIX = b"noise-libp2p-static-key:"
TAG = 16
MAX_MESSAGE = 65535  # bytes of a Noise message with its tag
MAX_PLAINTEXT = MAX_MESSAGE - TAG
FRAME_OVERHEAD = 2 + TAG
MAX_HANDSHAKE = 6144  # a 4096-bit RSA key and its signature fit five times over
_KEY = 32


class Extensions(Message):
    """NoiseExtensions, without WebTransport's certificate hashes."""

    TOLERANT = True

    __slots__ = ("stream_muxers",)
    stream_muxers: list[str]
    FIELDS = (Field(2, "stream_muxers", STRING, 64, 16),)


class Payload(Message):
    """NoiseHandshakePayload: the owner of the static key, with its signature."""

    __slots__ = ("extensions", "identity_key", "identity_sig")
    identity_key: bytes | None
    identity_sig: bytes | None
    extensions: Extensions | None
    FIELDS = (
        Field(1, "identity_key", BYTES, 2048),
        Field(2, "identity_sig", BYTES, 1024),
        Field(4, "extensions", MESSAGE, 2048, 0, Extensions),
    )


class Identity:
    """The node's part of each handshake: a static key, signed once by its peer key."""

    __slots__ = ("muxers", "payload", "private", "public", "public_key")

    def __init__(self, key: "crypto.Ed25519Key", muxers: "Sequence[str]") -> None:
        self.muxers = muxers  # offered inside the handshake; none: negotiated after it
        self.private, self.public = crypto.x25519_keypair()
        self.public_key = PublicKey(type=1, data=key.public)
        self.payload = Payload(
            identity_key=self.public_key.encode(),
            identity_sig=key.sign(SIGNATURE_PREFIX + self.public),
            extensions=Extensions(stream_muxers=list(muxers)),
        ).encode()

    @property
    def peer_id(self) -> PeerId:
        return self.public_key.peer_id()


class _Symmetric:
    """Noise's SymmetricState (section 5.2)."""

    __slots__ = ("_chaining", "_cipher", "_hash")

    def __init__(self) -> None:
        self._hash = self._chaining = NAME  # exactly 32 bytes, so it is its own hash
        self._cipher: crypto.CipherState | None = None
        self.mix_hash(b"")  # the empty prologue

    def mix_hash(self, data: bytes) -> None:
        self._hash = hashlib.sha256(self._hash + data).digest()

    def mix_key(self, material: bytes) -> None:
        self._chaining, key = crypto.hkdf2(self._chaining, material)
        self._cipher = crypto.CipherState(key)

    def seal(self, plaintext: bytes) -> bytes:
        if self._cipher is None:
            out = bytearray(plaintext)
        else:
            out = bytearray(len(plaintext) + TAG)
            self._cipher.seal_into(plaintext, out, self._hash)
        sealed = bytes(out)
        self.mix_hash(sealed)
        return sealed

    def open(self, sealed: bytes) -> bytes:
        plaintext = sealed
        if self._cipher is not None:
            if len(sealed) < TAG:
                raise RemoteProtocolError("noise handshake message cut short")
            out = bytearray(len(sealed) - TAG)
            try:
                self._cipher.open_into(sealed, out, self._hash)
            except crypto.DecryptError:
                raise RemoteProtocolError("noise handshake message does not decrypt") from None
            plaintext = bytes(out)
        self.mix_hash(sealed)
        return plaintext

    def split(self) -> "tuple[crypto.CipherState, crypto.CipherState]":
        first, second = crypto.hkdf2(self._chaining, b"")
        return crypto.CipherState(first), crypto.CipherState(second)


class Handshake:
    """One side of one handshake. After the last message `channel` and `remote_peer` are set.

    `expected`: the dialled peer id; a different one is a RemoteProtocolError.
    """

    __slots__ = (
        "_ephemeral",
        "_expected",
        "_identity",
        "_initiator",
        "_remote_ephemeral",
        "_remote_static",
        "_step",
        "_symmetric",
        "channel",
        "remote_key",
        "remote_muxers",
        "remote_peer",
    )

    def __init__(
        self, identity: Identity, initiator: bool, expected: "PeerId | None" = None
    ) -> None:
        self._identity = identity
        self._initiator = initiator
        self._expected = expected
        self._symmetric = _Symmetric()
        # Made when it is sent: whoever connects and says nothing does not cause that.
        self._ephemeral: tuple[crypto.X25519Private, bytes]
        self._remote_ephemeral = self._remote_static = b""
        self._step = 0
        self.channel: Channel | None = None
        self.remote_key: PublicKey | None = None
        self.remote_peer: PeerId | None = None
        self.remote_muxers: list[str] = []

    @property
    def muxers(self) -> "Sequence[str]":
        """The offered muxers."""
        return self._identity.muxers

    @property
    def to_itself(self) -> bool:
        """Whether the peer has the static key of this side's own identity."""
        return self._remote_static == self._identity.public

    def start(self) -> bytes:
        """The initiator's first message: -> e."""
        if not self._initiator or self._step:
            raise LocalProtocolError("noise handshake started twice or by its responder")
        self._step = 1
        return self._send_ephemeral() + self._symmetric.seal(b"")

    def receive_message(self, message: bytes) -> bytes:
        """Process one message of the peer; return the next message to send, b"" if there is none.

        Raises RemoteProtocolError if the peer cannot prove its identity or is not the dialled one.
        """
        if self._initiator and self._step == 1:
            return self._initiator_second(message)
        if not self._initiator and self._step == 0:
            return self._responder_first(message)
        if not self._initiator and self._step == 2:
            return self._responder_last(message)
        raise LocalProtocolError("noise handshake fed out of turn")

    def _responder_first(self, message: bytes) -> bytes:
        symmetric = self._symmetric
        rest = self._receive_ephemeral(message)
        symmetric.open(rest)
        out = self._send_ephemeral()
        self._mix_dh(self._ephemeral[0], self._remote_ephemeral)  # ee
        out += symmetric.seal(self._identity.public)  # s
        self._mix_dh(self._identity.private, self._remote_ephemeral)  # es
        self._step = 2
        return out + symmetric.seal(self._identity.payload)

    def _initiator_second(self, message: bytes) -> bytes:
        symmetric = self._symmetric
        rest = self._receive_ephemeral(message)
        self._mix_dh(self._ephemeral[0], self._remote_ephemeral)  # ee
        rest = self._receive_static(rest)
        self._mix_dh(self._ephemeral[0], self._remote_static)  # es
        self._verify(symmetric.open(rest))
        out = symmetric.seal(self._identity.public)  # s
        self._mix_dh(self._identity.private, self._remote_ephemeral)  # se
        out += symmetric.seal(self._identity.payload)
        self._finish()
        return out

    def _responder_last(self, message: bytes) -> bytes:
        rest = self._receive_static(message)
        self._mix_dh(self._ephemeral[0], self._remote_static)  # se
        self._verify(self._symmetric.open(rest))
        self._finish()
        return b""

    def _finish(self) -> None:
        first, second = self._symmetric.split()
        send, receive = (first, second) if self._initiator else (second, first)
        self.channel = Channel(send, receive)
        self._step = 3

    def _send_ephemeral(self) -> bytes:
        self._ephemeral = crypto.x25519_keypair()
        self._symmetric.mix_hash(self._ephemeral[1])
        return self._ephemeral[1]

    def _receive_ephemeral(self, message: bytes) -> bytes:
        if not _KEY <= len(message) <= MAX_HANDSHAKE:
            raise RemoteProtocolError(f"noise handshake message of {len(message)} bytes")
        self._remote_ephemeral = message[:_KEY]
        self._symmetric.mix_hash(self._remote_ephemeral)
        return message[_KEY:]

    def _receive_static(self, message: bytes) -> bytes:
        if not _KEY + TAG <= len(message) <= MAX_HANDSHAKE:
            raise RemoteProtocolError(f"noise handshake message of {len(message)} bytes")
        self._remote_static = self._symmetric.open(message[: _KEY + TAG])
        return message[_KEY + TAG :]

    def _mix_dh(self, private: "crypto.X25519Private", remote: bytes) -> None:
        try:
            shared = crypto.x25519_shared(private, remote)
        except crypto.CryptoError:
            raise RemoteProtocolError("noise handshake with a useless key") from None
        self._symmetric.mix_key(shared)

    def _verify(self, encoded: bytes) -> None:
        payload = Payload.decode(encoded)
        if payload.identity_key is None or payload.identity_sig is None:
            raise RemoteProtocolError("noise payload without identity")
        key = PublicKey.decode(payload.identity_key)
        peer = key.peer_id()
        if self._expected is not None and peer != self._expected:
            raise RemoteProtocolError(f"dialled {self._expected}, answered by {peer}")
        if not key.verify(SIGNATURE_PREFIX + self._remote_static, payload.identity_sig):
            raise RemoteProtocolError("noise static key is not signed by its peer")
        self.remote_key = key
        self.remote_peer = peer
        if payload.extensions is not None:
            self.remote_muxers = payload.extensions.stream_muxers


class Channel:
    """An established Noise channel: opens and seals frames between the caller's buffers."""

    __slots__ = ("_receive", "_send")

    def __init__(self, send: "crypto.CipherState", receive: "crypto.CipherState") -> None:
        self._send = send
        self._receive = receive

    def open_frames(
        self, source: memoryview, start: int, end: int, target: memoryview, pos: int
    ) -> "tuple[int, int]":
        """Open every complete frame of source[start:end] into `target` from `pos` on.

        `target` must have room for end - start bytes behind `pos`. Returns (start of the first
        incomplete frame, end of the plaintext). Raises RemoteProtocolError on a forged frame.
        """
        while end - start >= 2:
            length = source[start] << 8 | source[start + 1]
            if length < TAG:
                raise RemoteProtocolError(f"noise message of {length} bytes")
            stop = start + 2 + length
            if stop > end:
                break
            try:
                behind = pos + length - TAG
                self._receive.open_into(source[start + 2 : stop], target[pos:behind])
            except crypto.CryptoError:
                raise RemoteProtocolError("noise message does not decrypt") from None
            start, pos = stop, behind
        return start, pos

    def seal_frame(
        self, source: memoryview, start: int, end: int, target: memoryview, pos: int
    ) -> int:
        """Seal source[start:end] as one frame into `target` from `pos` on; return its end.

        At most MAX_PLAINTEXT bytes; the frame has FRAME_OVERHEAD bytes more.
        """
        length = end - start + TAG
        target[pos] = length >> 8
        target[pos + 1] = length & 0xFF
        behind = pos + 2 + length
        self._send.seal_into(source[start:end], target[pos + 2 : behind])
        return behind

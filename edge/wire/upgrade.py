"""The upgrade from a byte stream to an authenticated, multiplexed connection, as a value.

The steps are multistream-select for Noise, the Noise handshake, and yamux. yamux is negotiated
inside the handshake if the peer supports the `stream_muxers` extension, else by another
multistream-select inside the channel. The dialer's first flight contains the header, the proposal
and the first Noise message.

Sources: libp2p/specs connections/README.md, connections/inlined-muxer-negotiation.md
Portable: runs under CPython and MicroPython.
"""

from edge.wire import multistream, noise, yamux
from edge.wire.errors import RemoteProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.wire.peerid import PeerId, PublicKey
    from edge.wire.types import Buffer

MUXERS = (yamux.PROTOCOL_ID,)
_SECURITY, _NOISE, _MUXER, _DONE = range(4)


class Upgrade:
    """One side of one upgrade.

    When `done`: `channel`, `remote_peer` and `remote_key` are set, and `ciphertext` and `plaintext`
    hold the data received beyond the end of the upgrade.
    """

    __slots__ = (
        "_handshake",
        "_initiator",
        "_negotiation",
        "_plain",
        "_state",
        "_wire",
        "ciphertext",
        "plaintext",
    )

    def __init__(
        self, identity: noise.Identity, initiator: bool, expected: "PeerId | None" = None
    ) -> None:
        self._initiator = initiator
        self._handshake = noise.Handshake(identity, initiator, expected)
        self._negotiation: multistream.Dialer | multistream.Listener
        if initiator:
            self._negotiation = multistream.Dialer([noise.PROTOCOL_ID])
        else:
            self._negotiation = multistream.Listener(_is_noise)
        self._state = _SECURITY
        self._wire = b""  # received and not yet used; at most one incomplete frame between calls
        self._plain = b""
        self.ciphertext = b""
        self.plaintext = b""

    @property
    def done(self) -> bool:
        return self._state == _DONE

    @property
    def framed(self) -> bool:
        """Whether a frame of Noise comes next; before that, lines of multistream-select do."""
        return self._state != _SECURITY

    @property
    def held(self) -> int:
        """Bytes of incomplete frames and lines held between calls."""
        return len(self._wire) + len(self._plain)

    @property
    def channel(self) -> noise.Channel:
        assert self._handshake.channel is not None
        return self._handshake.channel

    @property
    def remote_peer(self) -> "PeerId":
        assert self._handshake.remote_peer is not None
        return self._handshake.remote_peer

    @property
    def remote_key(self) -> "PublicKey":
        assert self._handshake.remote_key is not None
        return self._handshake.remote_key

    @property
    def to_itself(self) -> bool:
        """Whether this process is at both ends; another one with our key has other static keys."""
        return self._handshake.to_itself

    def start(self) -> bytes:
        """The dialer's first bytes to send; empty for the listener, which answers only."""
        if not self._initiator:
            return b""
        assert isinstance(self._negotiation, multistream.Dialer)
        return self._negotiation.hello + _frame(self._handshake.start())

    def receive(self, data: "Buffer") -> bytes:
        """Process received bytes; return bytes to send.

        Raises RemoteProtocolError; close the connection then.
        """
        self._wire += bytes(data)
        out = b""
        if self._state == _SECURITY:
            answer, used = self._negotiation.receive(self._wire)
            self._wire = self._wire[used:]
            out += answer
            if self._negotiation.protocol is not None:
                self._state = _NOISE
        while self._state == _NOISE:
            message = self._take_frame(noise.MAX_HANDSHAKE)
            if message is None:
                break
            out += self._handshake_message(message)
        while self._state == _MUXER:
            sealed = self._take_frame(noise.MAX_MESSAGE)
            if sealed is None:
                break
            out += self._muxer_bytes(sealed)
        if self._state == _DONE:
            self.ciphertext, self._wire = self._wire, b""
        return out

    def _take_frame(self, limit: int) -> bytes | None:
        wire = self._wire
        if len(wire) < 2:
            return None
        length = wire[0] << 8 | wire[1]
        if length > limit:
            raise RemoteProtocolError(f"noise handshake message of {length} bytes")
        if len(wire) < 2 + length:
            return None
        self._wire = wire[2 + length :]
        return wire[2 : 2 + length]

    def _handshake_message(self, message: bytes) -> bytes:
        reply = self._handshake.receive_message(message)
        out = _frame(reply) if reply else b""
        if self._handshake.channel is None:
            return out
        offered = self._handshake.remote_muxers
        ours = self._handshake.muxers
        if any(muxer in offered for muxer in ours):
            self._state = _DONE
            return out
        if offered and ours:
            raise RemoteProtocolError(f"peer multiplexes by {offered[0]} only")
        self._state = _MUXER
        if self._initiator:
            self._negotiation = multistream.Dialer(MUXERS)
            return out + self._seal(self._negotiation.hello)
        self._negotiation = multistream.Listener(_is_muxer)
        return out

    def _muxer_bytes(self, sealed: bytes) -> bytes:
        plain = bytearray(len(sealed))
        framed = memoryview(_frame(sealed))
        _, length = self.channel.open_frames(framed, 0, len(framed), memoryview(plain), 0)
        self._plain += bytes(plain[:length])
        answer, used = self._negotiation.receive(self._plain)
        self._plain = self._plain[used:]
        if self._negotiation.protocol is not None:
            self._state = _DONE
            self.plaintext, self._plain = self._plain, b""
        return self._seal(answer) if answer else b""

    def _seal(self, plain: bytes) -> bytes:
        out = bytearray(len(plain) + noise.FRAME_OVERHEAD)
        self.channel.seal_frame(memoryview(plain), 0, len(plain), memoryview(out), 0)
        return bytes(out)


# MicroPython has no str.__eq__ and tuple.__contains__ to pass on.


def _is_noise(protocol: str) -> bool:
    return protocol == noise.PROTOCOL_ID


def _is_muxer(protocol: str) -> bool:
    return protocol in MUXERS


def _frame(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message

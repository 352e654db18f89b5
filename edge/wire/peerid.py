"""Peer ids, and the public keys from which they are derived.

A peer id is a multihash of the key's protobuf encoding: the encoding itself when it has at most
42 bytes (Ed25519, secp256k1), else its SHA-256 (RSA, ECDSA).

Source: https://github.com/libp2p/specs/blob/master/peer-ids/peer-ids.md
Portable: runs under CPython and MicroPython.
"""

from edge.wire import base58, multibase
from edge.wire.errors import AddressError, RemoteProtocolError
from edge.wire.protobuf import BYTES, UINT, Field, Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from edge.wire.types import Buffer

RSA = 0
ED25519 = 1
SECP256K1 = 2
ECDSA = 3

MAX_INLINE_KEY = 42  # a longer key is hashed
MAX_KEY_DATA = 2048  # an RSA key of 8192 bits, the most go-libp2p accepts, has 1062
MAX_KEY = MAX_KEY_DATA + 5
MAX_BYTES = MAX_INLINE_KEY + 2
MAX_TEXT = 80  # a CID of 46 bytes in base 32 has 75 characters

_IDENTITY = 0x00
_SHA2_256 = 0x12
_CID_PREFIX = b"\x01\x72"  # CIDv1, libp2p-key


class PeerId:
    """A peer id, ordered and hashed by its multihash. Immutable and small: thousands exist.

    `PeerId(multihash)` does not validate; use from_bytes() and from_string() for external input.
    """

    __slots__ = ("bytes",)

    def __init__(self, multihash: bytes) -> None:
        self.bytes = multihash

    @classmethod
    def from_bytes(cls, data: "Buffer") -> "PeerId":
        """Parse `data`. Raises RemoteProtocolError if it is not a valid multihash of a peer id."""
        size = len(data)
        if size < 3 or data[1] != size - 2:
            raise RemoteProtocolError("peer id is not a multihash")
        if data[0] == _IDENTITY:
            if size > MAX_BYTES:
                raise RemoteProtocolError(f"peer id longer than {MAX_BYTES} bytes")
        elif data[0] != _SHA2_256 or size != 34:
            raise RemoteProtocolError("peer id is neither an inlined key nor a SHA-256")
        return cls(bytes(data))

    @classmethod
    def from_string(cls, text: str) -> "PeerId":
        """Parse base58 (12D3Koo..., Qm...) or a CIDv1 in base 32 (bafz...). Raises AddressError."""
        if len(text) > MAX_TEXT:
            raise AddressError(f"peer id longer than {MAX_TEXT} characters: {text[:16]!r}...")
        try:
            if text[:1] == "1" or text[:2] == "Qm":
                return cls.from_bytes(base58.decode(text))
            if text[:1] == "b":
                return cls.from_bytes(_multihash(multibase.decode(text[1:], multibase.BASE32)))
        except (AddressError, RemoteProtocolError) as error:
            raise AddressError(f"not a peer id: {text!r}: {error}") from None
        raise AddressError(f"not a peer id: {text!r}: it starts with neither 12D3, Qm nor bafz")

    def public_key(self) -> "PublicKey | None":
        """The key inside an identity multihash, None if the peer id is a hash.

        Raises RemoteProtocolError if the content is not a public key.
        """
        if self.bytes[0] != _IDENTITY:
            return None
        return PublicKey.decode(self.bytes[2:])

    def __str__(self) -> str:
        return base58.encode(self.bytes)

    def __repr__(self) -> str:
        return f"PeerId({self})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PeerId) and self.bytes == other.bytes

    def __lt__(self, other: "PeerId") -> bool:
        return self.bytes < other.bytes

    def __hash__(self) -> int:
        return hash(self.bytes)


def _multihash(cid: bytes) -> bytes:
    if cid[:2] != _CID_PREFIX:
        raise AddressError("the CID is not a version 1 libp2p-key")
    return cid[2:]


class PublicKey(Message):
    """libp2p's crypto.PublicKey: `type` is one of RSA, ED25519, SECP256K1, ECDSA.

    `data` is raw for ED25519 (32 bytes), a point for SECP256K1 (33), and DER (PKIX) for the others.
    It is validated by verify() only.
    """

    __slots__ = ("data", "type")
    FIELDS = (Field(1, "type", UINT), Field(2, "data", BYTES, limit=MAX_KEY_DATA))
    type: int
    data: bytes

    @classmethod
    def decode(cls, data: "Buffer") -> "Self":
        """Decode a key of at most MAX_KEY bytes. Raises RemoteProtocolError."""
        if len(data) > MAX_KEY:
            raise RemoteProtocolError(f"public key longer than {MAX_KEY} bytes")
        key = super().decode(data)
        if key.type is None or not key.data:
            raise RemoteProtocolError("public key without type or data")
        if key.type > ECDSA:
            raise RemoteProtocolError(f"unknown key type {key.type}")
        return key

    def peer_id(self) -> PeerId:
        encoded = self.encode()
        if len(encoded) <= MAX_INLINE_KEY:
            return PeerId(bytes((_IDENTITY, len(encoded))) + encoded)
        import hashlib

        return PeerId(bytes((_SHA2_256, 32)) + hashlib.sha256(encoded).digest())

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether `signature` over `message` is valid under this key."""
        from edge.crypto import verify

        return verify(self.type, self.data, message, signature)

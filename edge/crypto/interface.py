"""The interface of a backend. Types only, for the type checker; not imported at run time.

Lengths are in bytes. A caller's mistake (a key of another length, an output buffer that is too
small) raises CryptoError or ValueError. Input from a remote peer raises only the errors named here.
"""

from collections.abc import Callable
from typing import Any, Protocol, Self, TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview


class CipherState(Protocol):
    """ChaCha20-Poly1305 under Noise's counter nonce (Noise specification, 5.1 and 12.3).

    The counter starts at 0 and grows with every successful call. `out` may be longer than the
    output, and may start at the input's start (in place); no other overlap is allowed. Buffers are
    contiguous, with items of one byte.
    """

    def __init__(self, key: bytes) -> None:
        """`key`: 32 bytes."""

    def seal_into(self, plaintext: Buffer, out: bytearray | memoryview, aad: bytes = b"") -> int:
        """Write ciphertext and tag to the start of `out`; return len(plaintext) + 16.

        Raises NonceExhausted instead of using counter 2**64 - 1.
        """

    def open_into(self, ciphertext: Buffer, out: bytearray | memoryview, aad: bytes = b"") -> int:
        """Write the verified plaintext to the start of `out`; return len(ciphertext) - 16.

        Raises DecryptError on fewer than 16 bytes or a tag that does not match (the first
        len(ciphertext) - 16 bytes of `out` then hold no plaintext), NonceExhausted as seal_into.
        """


class Ed25519Key(Protocol):
    """An Ed25519 private key (RFC 8032): `seed` and `public` are 32 bytes each."""

    seed: bytes
    public: bytes

    @classmethod
    def generate(cls) -> Self: ...

    @classmethod
    def from_seed(cls, seed: bytes) -> Self:
        """Raises CryptoError if `seed` is not 32 bytes."""

    def sign(self, message: bytes) -> bytes:
        """The signature, 64 bytes."""


class Backend(Protocol):
    """The names that edge.crypto exports from the selected backend."""

    BACKEND: str

    @property
    def CipherState(self) -> Callable[[bytes], CipherState]: ...

    @property
    def Ed25519Key(self) -> type[Ed25519Key]: ...

    def x25519_keypair(self) -> tuple[Any, bytes]:
        """Generate a private key, opaque and reusable in many exchanges, and its public key."""

    def x25519_from_seed(self, seed: bytes) -> tuple[Any, bytes]:
        """The key pair of a given 32-byte private key, for test vectors."""

    def x25519_shared(self, private: Any, remote_public: bytes) -> bytes:
        """The shared secret, 32 bytes (RFC 7748).

        Raises CryptoError if `remote_public` is not 32 bytes or the result is all zeros.
        """

    def hkdf2(self, chaining_key: bytes, ikm: bytes) -> tuple[bytes, bytes]:
        """Noise's HKDF with SHA-256 and two outputs of 32 bytes (Noise specification, 4.3)."""

    def sha256(self, data: Buffer) -> bytes: ...

    def verify(self, key_type: int, key_data: bytes, message: bytes, signature: bytes) -> bool:
        """Whether `signature` over `message` is valid under a libp2p public key's Type and Data.

        edge.crypto.publickeys defines the accepted keys. Malformed input returns False.
        """

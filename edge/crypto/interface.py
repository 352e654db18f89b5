"""What a backend offers. Types only: the type checker reads this, nothing imports it at run time.

Lengths are in bytes. A caller that breaks a signature's terms (a key of another length, an output
buffer too small) gets CryptoError or ValueError; what a remote peer can send never raises anything
but what is named here.
"""

from collections.abc import Callable
from typing import Any, Protocol, Self, TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview


class CipherState(Protocol):
    """ChaCha20-Poly1305 under Noise's counter nonce (Noise specification, 5.1 and 12.3).

    The counter starts at 0 and grows with every call that succeeds. `out` may be longer than what
    is written, and may start where the input starts (in place); no other overlap is allowed.
    Buffers are contiguous and of single bytes.
    """

    def __init__(self, key: bytes) -> None:
        """`key`: 32 bytes."""

    def seal_into(self, plaintext: Buffer, out: bytearray | memoryview, aad: bytes = b"") -> int:
        """Ciphertext and tag to the start of `out`; returns len(plaintext) + 16.

        Raises NonceExhausted before counter 2**64 - 1 would be used.
        """

    def open_into(self, ciphertext: Buffer, out: bytearray | memoryview, aad: bytes = b"") -> int:
        """The verified plaintext to the start of `out`; returns len(ciphertext) - 16.

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
    """The names edge.crypto exports from the backend it has picked."""

    BACKEND: str

    @property
    def CipherState(self) -> Callable[[bytes], CipherState]: ...

    @property
    def Ed25519Key(self) -> type[Ed25519Key]: ...

    def x25519_keypair(self) -> tuple[Any, bytes]:
        """A fresh private key, opaque and good for any number of exchanges, and its public one."""

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
        """Whether `signature` over `message` is good under a libp2p public key's Type and Data.

        What is accepted stands in edge.crypto.publickeys. Malformed input is False, never raised.
        """

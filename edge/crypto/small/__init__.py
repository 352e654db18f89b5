"""The backend for the static binary: a few functions of libsodium behind a small C extension.

`_primitives.c` is built into the binary by cross/. RSA and ECDSA, needed only for the identities of
some peers, once per handshake, are verified by the pure backend, which is loaded for the first such
peer.
"""

import hashlib
import os

from edge.crypto import publickeys
from edge.crypto.errors import CryptoError
from edge.crypto.small import _primitives
from edge.crypto.small._primitives import CipherState, hkdf2

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from edge.crypto.interface import Buffer

__all__ = [
    "BACKEND",
    "CipherState",
    "Ed25519Key",
    "hkdf2",
    "sha256",
    "verify",
    "x25519_from_seed",
    "x25519_keypair",
    "x25519_shared",
]

BACKEND = _primitives.LIBRARY


class Ed25519Key:
    """See edge.crypto.interface.Ed25519Key."""

    __slots__ = ("public", "seed")

    def __init__(self, seed: bytes) -> None:
        self.seed = seed
        self.public = _primitives.ed25519_public(seed)

    @classmethod
    def generate(cls) -> "Self":
        return cls(os.urandom(32))

    @classmethod
    def from_seed(cls, seed: bytes) -> "Self":
        if len(seed) != 32:
            raise CryptoError(f"an Ed25519 seed is 32 bytes, not {len(seed)}")
        return cls(bytes(seed))

    def sign(self, message: bytes) -> bytes:
        return _primitives.ed25519_sign(self.seed, self.public, message)


def x25519_keypair() -> "tuple[bytes, bytes]":
    return x25519_from_seed(os.urandom(32))


def x25519_from_seed(seed: bytes) -> "tuple[bytes, bytes]":
    if len(seed) != 32:
        raise CryptoError(f"an X25519 private key is 32 bytes, not {len(seed)}")
    return seed, _primitives.x25519_public(seed)


def x25519_shared(private: bytes, remote_public: bytes) -> bytes:
    if len(remote_public) != 32:
        raise CryptoError(f"an X25519 public key is 32 bytes, not {len(remote_public)}")
    shared = _primitives.x25519(private, remote_public)
    if shared is None:
        raise CryptoError("the peer's X25519 key is of small order")
    return shared


def sha256(data: "Buffer") -> bytes:
    return hashlib.sha256(data).digest()


def verify(key_type: int, key_data: bytes, message: bytes, signature: bytes) -> bool:
    if key_type != publickeys.ED25519:
        from edge.crypto import pure

        return pure.verify(key_type, key_data, message, signature)
    try:
        publickeys.check_ed25519(key_data, signature)
    except publickeys.MalformedKey:
        return False
    return _primitives.ed25519_verify(key_data, message, signature)

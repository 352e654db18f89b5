"""The backend in plain Python, for machines without a compiled one.

Portable: runs under CPython and MicroPython. Not constant time, see edge.crypto.
"""

import hashlib

from edge.crypto import publickeys
from edge.crypto.pure.chacha20poly1305 import CipherState
from edge.crypto.pure.curve25519 import (
    Ed25519Key,
    ed25519_verify,
    x25519_from_seed,
    x25519_keypair,
    x25519_shared,
)
from edge.crypto.pure.hkdf import hkdf2

TYPE_CHECKING = False
if TYPE_CHECKING:
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

BACKEND = "pure Python"


def sha256(data: "Buffer") -> bytes:
    return hashlib.sha256(data).digest()


def verify(key_type: int, key_data: bytes, message: bytes, signature: bytes) -> bool:
    try:
        return _verify(key_type, key_data, message, signature)
    except publickeys.MalformedKey:
        return False


def _verify(key_type: int, key: bytes, message: bytes, signature: bytes) -> bool:
    if key_type == publickeys.ED25519:
        publickeys.check_ed25519(key, signature)
        return ed25519_verify(key, message, signature)
    if key_type == publickeys.RSA:
        n, e, size = publickeys.parse_rsa(key)
        from edge.crypto.pure import rsa

        return rsa.verify(n, e, size, sha256(message), signature)
    if key_type == publickeys.SECP256K1:
        publickeys.check_secp256k1(key)
        curve, point = "secp256k1", key
    elif key_type == publickeys.ECDSA:
        curve, point = "P-256", publickeys.parse_ecdsa(key)
    else:
        return False
    r, s = publickeys.parse_ecdsa_signature(signature)
    from edge.crypto.pure import ecdsa

    return ecdsa.verify(curve, point, sha256(message), r, s)

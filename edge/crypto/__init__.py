"""Keys, signatures, Diffie-Hellman and AEAD: one interface, two native backends and a pure one.

The interface is defined in edge/crypto/interface.py. The native backend is PyCA cryptography, or
libsodium in the static binary; the first that can be imported is used, else the pure one. The
environment variable KWAAINET_CRYPTO=native or pure overrides this; a missing native backend is then
an error.

The pure backend is a fallback, some hundred times slower. Python's integers are not constant-time,
so precise timing of a handshake may reveal information about its keys. Portable: this file runs
under CPython and MicroPython.
"""

import os

from edge.crypto.errors import CryptoError, DecryptError, IdentityError, NonceExhausted
from edge.crypto.publickeys import ECDSA, ED25519, RSA, SECP256K1

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.crypto import native, pure, small
    from edge.crypto.interface import Backend
    from edge.crypto.native import (
        BACKEND,
        CipherState,
        Ed25519Key,
        hkdf2,
        sha256,
        verify,
        x25519_from_seed,
        x25519_keypair,
        x25519_shared,
    )
    from edge.crypto.native import X25519Private as X25519Private  # for annotations only

    _BACKENDS: tuple[Backend, Backend, Backend] = (
        native,
        small,
        pure,
    )  # compared by the type checker

__all__ = [
    "BACKEND",
    "ECDSA",
    "ED25519",
    "RSA",
    "SECP256K1",
    "CipherState",
    "CryptoError",
    "DecryptError",
    "Ed25519Key",
    "IdentityError",
    "NonceExhausted",
    "hkdf2",
    "sha256",
    "verify",
    "x25519_from_seed",
    "x25519_keypair",
    "x25519_shared",
]


def _pick() -> "Backend":
    getenv = getattr(os, "getenv", None)  # not available on MicroPython's boards
    wanted = getenv("KWAAINET_CRYPTO") if getenv else None
    if wanted not in (None, "", "native", "pure"):
        raise CryptoError(f"KWAAINET_CRYPTO is {wanted!r}; expected native or pure")
    if wanted != "pure":
        try:
            return _native()
        except ImportError as missing:
            if wanted == "native":
                raise CryptoError(
                    f"KWAAINET_CRYPTO is native, but {missing}; install cryptography 50 or newer"
                ) from None
    from edge.crypto import pure

    return pure


def _native() -> "Backend":
    """Import a native backend. Raises the ImportError of PyCA cryptography."""
    try:
        from edge.crypto import native

        return native
    except ImportError:
        try:
            from edge.crypto import small

            return small
        except ImportError:
            pass
        raise


if not TYPE_CHECKING:
    _backend = _pick()
    BACKEND = _backend.BACKEND
    CipherState = _backend.CipherState
    Ed25519Key = _backend.Ed25519Key
    hkdf2 = _backend.hkdf2
    sha256 = _backend.sha256
    verify = _backend.verify
    x25519_from_seed = _backend.x25519_from_seed
    x25519_keypair = _backend.x25519_keypair
    x25519_shared = _backend.x25519_shared

"""The backend on PyCA cryptography, that is, OpenSSL.

Primitives for all connections are imported from the library's extension module directly: its public
modules provide the same objects, but import every algorithm, which takes 1.3 MB of memory. RSA and
ECDSA, used only for some peers' keys, are imported for the first such peer.
"""

import hashlib
import hmac
from struct import pack_into

from cryptography.__about__ import __version__
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.bindings._rust import openssl

from edge.crypto import publickeys
from edge.crypto.errors import CryptoError, DecryptError, NonceExhausted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self, TypeAlias

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    from edge.crypto.interface import Buffer

    X25519Private: TypeAlias = X25519PrivateKey

BACKEND = f"cryptography {__version__} ({' '.join(openssl.openssl_version_text().split()[:2])})"

_TAG = 16
_LAST_COUNTER = (1 << 64) - 1  # reserved by Noise for rekeying
_ChaCha20Poly1305 = openssl.aead.ChaCha20Poly1305


class CipherState:
    """See edge.crypto.interface.CipherState."""

    __slots__ = ("_counter", "_nonce", "_open", "_seal")

    def __init__(self, key: bytes) -> None:
        if len(key) != 32:
            raise CryptoError(f"a cipher key is 32 bytes, not {len(key)}")
        aead = _ChaCha20Poly1305(key)
        self._seal = aead.encrypt_into
        self._open = aead.decrypt_into
        self._nonce = bytearray(12)
        self._counter = 0

    def seal_into(
        self, plaintext: "Buffer", out: "bytearray | memoryview", aad: bytes = b""
    ) -> int:
        counter = self._counter
        if counter == _LAST_COUNTER:
            raise NonceExhausted("all 2**64 - 1 counters of this key are used")
        size = len(plaintext) + _TAG
        if len(out) != size:
            out = memoryview(out)[:size]
        pack_into("<Q", self._nonce, 4, counter)
        self._seal(self._nonce, plaintext, aad, out)
        self._counter = counter + 1
        return size

    def open_into(
        self, ciphertext: "Buffer", out: "bytearray | memoryview", aad: bytes = b""
    ) -> int:
        counter = self._counter
        if counter == _LAST_COUNTER:
            raise NonceExhausted("all 2**64 - 1 counters of this key are used")
        size = len(ciphertext) - _TAG
        if size < 0:
            raise DecryptError(f"a ciphertext of {len(ciphertext)} bytes has no tag")
        if len(out) != size:
            out = memoryview(out)[:size]
        pack_into("<Q", self._nonce, 4, counter)
        try:
            self._open(self._nonce, ciphertext, aad, out)
        except InvalidTag:
            out[:] = bytes(size)  # OpenSSL has written unverified plaintext
            raise DecryptError("the ciphertext's tag does not match") from None
        self._counter = counter + 1
        return size


class Ed25519Key:
    """See edge.crypto.interface.Ed25519Key."""

    __slots__ = ("public", "seed", "sign")

    def __init__(self, private: "Ed25519PrivateKey") -> None:
        self.seed = private.private_bytes_raw()
        self.public = private.public_key().public_bytes_raw()
        self.sign = private.sign

    @classmethod
    def generate(cls) -> "Self":
        return cls(openssl.ed25519.generate_key())

    @classmethod
    def from_seed(cls, seed: bytes) -> "Self":
        if len(seed) != 32:
            raise CryptoError(f"an Ed25519 seed is 32 bytes, not {len(seed)}")
        return cls(openssl.ed25519.from_private_bytes(seed))


def x25519_keypair() -> "tuple[X25519Private, bytes]":
    private = openssl.x25519.generate_key()
    return private, private.public_key().public_bytes_raw()


def x25519_from_seed(seed: bytes) -> "tuple[X25519Private, bytes]":
    if len(seed) != 32:
        raise CryptoError(f"an X25519 private key is 32 bytes, not {len(seed)}")
    private = openssl.x25519.from_private_bytes(seed)
    return private, private.public_key().public_bytes_raw()


def x25519_shared(private: "X25519Private", remote_public: bytes) -> bytes:
    if len(remote_public) != 32:
        raise CryptoError(f"an X25519 public key is 32 bytes, not {len(remote_public)}")
    try:
        return private.exchange(openssl.x25519.from_public_bytes(remote_public))
    except ValueError:
        raise CryptoError("the peer's X25519 key is of small order") from None


def hkdf2(chaining_key: bytes, ikm: bytes) -> "tuple[bytes, bytes]":
    secret = hmac.digest(chaining_key, ikm, "sha256")
    first = hmac.digest(secret, b"\1", "sha256")
    return first, hmac.digest(secret, first + b"\2", "sha256")


def sha256(data: "Buffer") -> bytes:
    return hashlib.sha256(data).digest()


def verify(key_type: int, key_data: bytes, message: bytes, signature: bytes) -> bool:
    check = _VERIFIERS.get(key_type)
    if check is None:
        return False
    try:
        check(key_data, message, signature)
    except (InvalidSignature, ValueError):
        return False
    return True


# Each returns if the signature is valid, and raises InvalidSignature or ValueError otherwise.


def _verify_ed25519(key: bytes, message: bytes, signature: bytes) -> None:
    publickeys.check_ed25519(key, signature)
    openssl.ed25519.from_public_bytes(key).verify(signature, message)


def _verify_rsa(key: bytes, message: bytes, signature: bytes) -> None:
    n, e, _ = publickeys.parse_rsa(key)
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
    from cryptography.hazmat.primitives.hashes import SHA256

    RSAPublicNumbers(e, n).public_key().verify(signature, message, PKCS1v15(), SHA256())


def _verify_secp256k1(key: bytes, message: bytes, signature: bytes) -> None:
    publickeys.check_secp256k1(key)
    _verify_ec("secp256k1", key, message, signature)


def _verify_ecdsa(key: bytes, message: bytes, signature: bytes) -> None:
    _verify_ec("P-256", publickeys.parse_ecdsa(key), message, signature)


def _verify_ec(curve: str, point: bytes, message: bytes, signature: bytes) -> None:
    publickeys.parse_ecdsa_signature(signature)
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256

    curves: dict[str, type[ec.EllipticCurve]] = {"secp256k1": ec.SECP256K1, "P-256": ec.SECP256R1}
    key = ec.EllipticCurvePublicKey.from_encoded_point(curves[curve](), point)
    key.verify(signature, message, ec.ECDSA(SHA256()))


_VERIFIERS = {
    publickeys.RSA: _verify_rsa,
    publickeys.ED25519: _verify_ed25519,
    publickeys.SECP256K1: _verify_secp256k1,
    publickeys.ECDSA: _verify_ecdsa,
}

"""edge.crypto on the device: the part of its interface that edge.wire uses, over the ciphers of kw.

It is installed there as edge/crypto/__init__.py. What takes long calls `pause` between its steps: a
handshake is edge.wire's, and knows nothing of a loop that has circuits to move meanwhile. Who sets
`pause` sees to it that no second handshake begins inside it.

One difference from edge.crypto.interface: `Ed25519Key` signs in a time that depends on its key. A
device signs once, when it is provisioned, and nobody is there to measure.
"""

import os
from hashlib import sha256 as _sha256

from edge.crypto import publickeys
from edge.crypto.errors import CryptoError, DecryptError, IdentityError, NonceExhausted
from edge.crypto.publickeys import ECDSA, ED25519, RSA, SECP256K1
from kw import ed25519
from kw.aead import TAG, Aead
from kw.hkdf import hkdf2
from kw.x25519 import X25519

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
    "pause",
    "sha256",
    "verify",
    "x25519_from_seed",
    "x25519_keypair",
    "x25519_shared",
]

BACKEND = "viper"
_LAST_COUNTER = (1 << 64) - 1  # reserved by Noise for rekeying
_BASE = b"\x09" + bytes(31)
_UNSERVED = {SECP256K1: "secp256k1", ECDSA: "ECDSA"}


def pause():
    """Called between the steps of what takes long: replace it (`crypto.pause = loop.turn`)."""


def sha256(data):
    return _sha256(data).digest()


class CipherState:
    """See edge.crypto.interface.CipherState, and `aead` and `counter` for who works in pieces."""

    __slots__ = ("_counter", "aead")

    def __init__(self, key):
        if len(key) != 32:
            raise CryptoError("a cipher key is 32 bytes")
        self.aead = Aead(key)
        self._counter = 0

    def begin(self, seal, ad=b""):
        """Start the next message in pieces: then `aead.update()`, `aead.tag()` or `aead.check()`.

        The counter is used up, so after a wrong tag the connection has to end.
        """
        counter = self._counter
        if counter == _LAST_COUNTER:
            raise NonceExhausted("all 2**64 - 1 counters of this key are used")
        self.aead.begin(counter, seal, ad)
        self._counter = counter + 1

    @property
    def counter(self):
        """Of the next message."""
        return self._counter

    def seal_into(self, plaintext, out, aad=b""):
        size = len(plaintext)
        if len(out) < size + TAG:
            raise ValueError("the ciphertext does not fit")
        self.begin(True, aad)
        out[:size] = plaintext
        self.aead.update(out, 0, size)
        self.aead.tag(out, size)
        return size + TAG

    def open_into(self, ciphertext, out, aad=b""):
        size = len(ciphertext) - TAG
        if size < 0:
            raise DecryptError("a ciphertext has a tag")
        if len(out) < size:
            raise ValueError("the plaintext does not fit")
        self.begin(False, aad)
        tag = bytes(ciphertext[size:])
        out[:size] = ciphertext[:size]
        self.aead.update(out, 0, size)
        if not self.aead.check(tag, 0):
            self._counter -= 1
            for i in range(size):
                out[i] = 0
            raise DecryptError("the ciphertext's tag does not match")
        return size


def x25519_keypair():
    return x25519_from_seed(os.urandom(32))


def x25519_from_seed(seed):
    if len(seed) != 32:
        raise CryptoError("an X25519 private key is 32 bytes")
    return seed, _multiply(seed, _BASE)


def x25519_shared(private, remote_public):
    if len(remote_public) != 32:
        raise CryptoError("an X25519 public key is 32 bytes")
    shared = _multiply(private, remote_public)
    if shared == bytes(32):
        raise CryptoError("the peer's X25519 key is of small order")
    return shared


def _multiply(scalar, point):
    work = X25519(scalar, point)
    while not work.step():
        pause()
    return work.result()


class Ed25519Key:
    """See edge.crypto.interface.Ed25519Key."""

    __slots__ = ("public", "seed")

    def __init__(self, seed):
        if len(seed) != 32:
            raise CryptoError("an Ed25519 seed is 32 bytes")
        self.seed = seed
        self.public = ed25519.public(seed)

    @classmethod
    def generate(cls):
        return cls(os.urandom(32))

    @classmethod
    def from_seed(cls, seed):
        return cls(seed)

    def sign(self, message):
        return ed25519.sign(self.seed, message)


def verify(key_type, key_data, message, signature):
    """See edge.crypto.interface.Backend.verify.

    Raises RemoteProtocolError for a key on secp256k1 or P-256: a device would compute for a second,
    and no implementation of libp2p makes such a key unless it is told to.
    """
    try:
        work = _verification(key_type, key_data, message, signature)
    except publickeys.MalformedKey:
        return False
    while not work.step():
        pause()
    return work.ok


def _verification(key_type, key, message, signature):
    if key_type == ED25519:
        publickeys.check_ed25519(key, signature)
        return ed25519.Verify(key, message, signature)
    if key_type == RSA:
        from kw import rsa

        n, _, size = publickeys.parse_rsa(key)
        return rsa.Verify(n, size, sha256(message), signature)
    if key_type in _UNSERVED:
        from edge.wire.errors import RemoteProtocolError

        raise RemoteProtocolError(f"a key of kind {_UNSERVED[key_type]} is not served here")
    raise publickeys.MalformedKey("a key of an unknown kind")

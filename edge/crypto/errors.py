"""What can go wrong in edge.crypto. Portable: runs under CPython and MicroPython."""


class CryptoError(Exception):
    """Base of everything raised in edge.crypto."""


class DecryptError(CryptoError):
    """A ciphertext was cut short, altered, or sealed under another key or counter."""


class NonceExhausted(CryptoError):
    """A cipher state has used all its counters; only a new handshake helps."""


class IdentityError(CryptoError):
    """The node's key file cannot be used; the message names the file and what to do."""

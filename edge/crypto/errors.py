"""Errors of edge.crypto. Portable: runs under CPython and MicroPython."""


class CryptoError(Exception):
    """Base of everything raised in edge.crypto."""


class DecryptError(CryptoError):
    """The ciphertext is truncated, altered, or sealed with another key or counter."""


class NonceExhausted(CryptoError):
    """The cipher state has used all its counters; a new handshake is required."""


class IdentityError(CryptoError):
    """The node's key file is unusable; the message names the file and the remedy."""

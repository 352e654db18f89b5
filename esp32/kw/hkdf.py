"""HMAC-SHA256 (RFC 2104) and Noise's HKDF with two outputs (Noise specification, 4.3)."""

from hashlib import sha256

_pad = bytearray(64)


def _keyed(key, byte):
    for i in range(64):
        _pad[i] = (key[i] if i < len(key) else 0) ^ byte
    return sha256(_pad)


def _mac(key, message, last=b""):
    inner = _keyed(key, 0x36)
    inner.update(message)
    inner.update(last)
    outer = _keyed(key, 0x5C)
    outer.update(inner.digest())
    return outer.digest()


def hkdf2(chaining_key, material):
    """Two keys of 32 bytes from a chaining key of at most 64 bytes and `material`."""
    secret = _mac(chaining_key, material)
    first = _mac(secret, b"\1")
    return first, _mac(secret, first, b"\2")

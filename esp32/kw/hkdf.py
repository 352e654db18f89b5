"""HMAC-SHA256 (RFC 2104) and Noise's HKDF with two outputs (Noise specification, 4.3)."""

from hashlib import sha256


def _mac(key, message):
    key = key + bytes(64 - len(key))
    inner = sha256(bytes([byte ^ 0x36 for byte in key]))
    inner.update(message)
    outer = sha256(bytes([byte ^ 0x5C for byte in key]))
    outer.update(inner.digest())
    return outer.digest()


def hkdf2(chaining_key, material):
    """Two keys of 32 bytes from a chaining key of at most 64 bytes and `material`."""
    secret = _mac(chaining_key, material)
    first = _mac(secret, b"\1")
    return first, _mac(secret, first + b"\2")

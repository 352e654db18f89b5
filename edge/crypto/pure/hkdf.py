"""HMAC-SHA256 (RFC 2104) and Noise's HKDF (Noise specification, 4.3).

Portable: runs under CPython and MicroPython, which has no hmac module.
"""

import hashlib

_BLOCK = 64


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    if len(key) > _BLOCK:
        key = hashlib.sha256(key).digest()
    key = key + bytes(_BLOCK - len(key))
    inner = hashlib.sha256(bytes([byte ^ 0x36 for byte in key]))
    inner.update(message)
    outer = hashlib.sha256(bytes([byte ^ 0x5C for byte in key]))
    outer.update(inner.digest())
    return outer.digest()


def hkdf2(chaining_key: bytes, ikm: bytes) -> "tuple[bytes, bytes]":
    secret = hmac_sha256(chaining_key, ikm)
    first = hmac_sha256(secret, b"\1")
    return first, hmac_sha256(secret, first + b"\2")

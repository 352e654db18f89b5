"""Hivemind's protected records: an RSA key in the subkey, a signature by it in the value.

The owner's key stands in the subkey (or key) as `[owner:ssh-rsa ...]`, the signature somewhere in
the value as `[signature:...]`, in base64. What is signed is the packed tuple of key, subkey, value
without signature, and expiration, by RSASSA-PSS with SHA-256 (RFC 8017, 8.1) and the longest salt.

Source: RSASignatureValidator in hivemind/dht/crypto.py, RSAPublicKey in hivemind/utils/crypto.py
(hivemind 1.1.12). Stricter than these in one way: base64 without stray characters.
"""

from __future__ import annotations

from edge.crypto import pss
from edge.crypto.publickeys import RSA_EXPONENT
from edge.wire import multibase, packed
from edge.wire.errors import AddressError

_OWNER = b"[owner:"
_SIGNATURE = b"[signature:"
_TUPLE = 0x40
_SSH_RSA = b"ssh-rsa"
_BASE64 = multibase.BASE64URL[:-2] + "+/"
_MAX_TEXT = 1024  # characters of a key or a signature of 4096 bits, with some reserve


def is_protected(key: bytes, subkey: bytes) -> bool:
    """Whether an owner's key stands in `key` or `subkey`."""
    if _OWNER not in subkey and _OWNER not in key:
        return False
    return bool(_found(_OWNER, key) or _found(_OWNER, subkey))


def verify(key: bytes, subkey: bytes, value: bytes, expiration: float) -> bool:
    """Whether the one owner of a protected record has signed it."""
    owners = set(_found(_OWNER, key) + _found(_OWNER, subkey))
    signatures = _found(_SIGNATURE, value)
    if len(owners) != 1 or len(signatures) != 1:
        return False
    (signature,) = signatures
    bare = value.replace(_SIGNATURE + signature + b"]", b"", 1)
    signed = packed.dumps(packed.Extension(_TUPLE, packed.dumps([key, subkey, bare, expiration])))
    try:
        modulus = _modulus(_decoded(owners.pop()))
        return pss.verify(modulus, signed, _decoded(signature))
    except (AddressError, ValueError):
        return False


def _found(start: bytes, data: bytes) -> list[bytes]:
    """What stands between `start` and the next "]", on one line and not empty, for each `start`."""
    found = []
    pos = data.find(start)
    while pos >= 0:
        pos += len(start)
        end = data.find(b"]", pos + 1)
        if end < 0:
            break
        text = data[pos:end]
        if b"\n" not in text:
            found.append(text)
            pos = end
        pos = data.find(start, pos)
    return found


def _decoded(text: bytes) -> bytes:
    """The base64 in `text`, or in the second word of it."""
    if len(text) > _MAX_TEXT:
        raise ValueError("longer than a key or a signature")
    word = text.split(b" ")[1] if text.startswith(_SSH_RSA + b" ") else text
    return multibase.decode(word.decode("ascii").rstrip("="), _BASE64)


def _modulus(blob: bytes) -> int:
    """The modulus of an SSH public key (RFC 4253, 6.6). Raises ValueError."""
    parts = []
    pos = 0
    for _ in range(3):
        size = int.from_bytes(blob[pos : pos + 4], "big")
        parts.append(blob[pos + 4 : pos + 4 + size])
        pos += 4 + size
    name, exponent, modulus = parts
    if pos != len(blob) or name != _SSH_RSA or int.from_bytes(exponent, "big") != RSA_EXPONENT:
        raise ValueError("not an RSA key of SSH, or with another exponent")
    return int.from_bytes(modulus, "big")

"""Hivemind's protected records: an RSA key in the subkey, a signature by it in the value.

The owner's key stands in the subkey (or key) as `[owner:ssh-rsa ...]`, the signature somewhere in
the value as `[signature:...]`, in base64. What is signed is the packed tuple of key, subkey, value
without signature, and expiration, by RSASSA-PSS with SHA-256 (RFC 8017, 8.1) and the longest salt.

Source: RSASignatureValidator in hivemind/dht/crypto.py, RSAPublicKey in hivemind/utils/crypto.py
(hivemind 1.1.12). Stricter than these in one way: base64 without stray characters.
"""

from __future__ import annotations

from edge.crypto import sha256
from edge.crypto.publickeys import RSA_EXPONENT, RSA_MAX_BITS, RSA_MIN_BITS
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
        return _pss_holds(modulus, signed, _decoded(signature))
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
    n = int.from_bytes(modulus, "big")
    if not RSA_MIN_BITS <= n.bit_length() <= RSA_MAX_BITS or not n & 1 or modulus[0] > 0x7F:
        raise ValueError("RSA key out of bounds")
    return n


def _pss_holds(n: int, message: bytes, signature: bytes) -> bool:
    """RSASSA-PSS-VERIFY with SHA-256, MGF1 with the same and a salt of all that is left."""
    number = int.from_bytes(signature, "big")
    if len(signature) != (n.bit_length() + 7) // 8 or number >= n:
        return False
    bits = n.bit_length() - 1
    encoded = pow(number, RSA_EXPONENT, n).to_bytes((n.bit_length() + 7) // 8, "big")
    encoded = encoded[len(encoded) - (bits + 7) // 8 :]
    masked, digest, trailer = encoded[:-33], encoded[-33:-1], encoded[-1]
    spare = 8 * len(encoded) - bits
    if trailer != 0xBC or masked[0] >> (8 - spare):
        return False
    block = int.from_bytes(masked, "big") ^ int.from_bytes(_mask(digest, len(masked)), "big")
    block &= (1 << 8 * len(masked) - spare) - 1
    plain = block.to_bytes(len(masked), "big")
    return plain[0] == 1 and sha256(bytes(8) + sha256(message) + plain[1:]) == digest


def _mask(seed: bytes, size: int) -> bytes:
    """MGF1 (RFC 8017, B.2.1)."""
    blocks = [sha256(seed + count.to_bytes(4, "big")) for count in range(-(-size // 32))]
    return b"".join(blocks)[:size]

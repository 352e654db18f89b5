"""RSASSA-PSS verification (RFC 8017, 8.1.2) with SHA-256, MGF1 with the same, exponent 65537.

The salt is as long as it can be, which is what hivemind signs with. No backend is asked: one power
with a small exponent costs less than a key's way into a library. Portable.
"""

from edge.crypto import sha256
from edge.crypto.publickeys import RSA_EXPONENT, RSA_MAX_BITS, RSA_MIN_BITS

_TRAILER = 0xBC
_HASH = 32  # bytes


def verify(n: int, message: bytes, signature: bytes) -> bool:
    """Whether `signature` over `message` is valid under the modulus `n`, which anybody has made."""
    bits = n.bit_length()
    size = (bits + 7) // 8
    number = int.from_bytes(signature, "big")
    if not (RSA_MIN_BITS <= bits <= RSA_MAX_BITS and n & 1 and len(signature) == size):
        return False
    if number >= n:
        return False
    length = (bits - 1 + 7) // 8
    encoded = pow(number, RSA_EXPONENT, n).to_bytes(size, "big")[size - length :]
    masked, digest = encoded[: -_HASH - 1], encoded[-_HASH - 1 : -1]
    spare = 8 * length - (bits - 1)  # bits to the left that are zero
    if encoded[-1] != _TRAILER or masked[0] >> 8 - spare:
        return False
    mask = int.from_bytes(_mask(digest, len(masked)), "big")
    block = (int.from_bytes(masked, "big") ^ mask) & (1 << 8 * len(masked) - spare) - 1
    salt = block.to_bytes(len(masked), "big")
    return salt[0] == 1 and sha256(bytes(8) + sha256(message) + salt[1:]) == digest


def _mask(seed: bytes, size: int) -> bytes:
    """MGF1 (RFC 8017, B.2.1)."""
    blocks = [sha256(seed + count.to_bytes(4, "big")) for count in range(-(-size // _HASH))]
    return b"".join(blocks)[:size]

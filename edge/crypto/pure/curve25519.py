"""X25519 (RFC 7748) and Ed25519 (RFC 8032, 5.1) on Python's integers.

Portable: runs under CPython and MicroPython. Not constant time, see edge.crypto.
"""

import os

from edge.crypto.errors import CryptoError
from edge.crypto.pure.sha512 import sha512

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self, TypeAlias

    X25519Private: TypeAlias = bytes
    Point: TypeAlias = tuple[int, int, int, int]

_P = (1 << 255) - 19
_LOW_255 = (1 << 255) - 1
_A24 = 121665
_BASE_U = b"\x09" + bytes(31)

_L = (1 << 252) + 27742317777372353535851937790883648493  # the base point's order
_D = -121665 * pow(121666, _P - 2, _P) % _P
_SQRT_MINUS_1 = pow(2, (_P - 1) // 4, _P)


def x25519_keypair() -> "tuple[X25519Private, bytes]":
    return x25519_from_seed(os.urandom(32))


def x25519_from_seed(seed: bytes) -> "tuple[X25519Private, bytes]":
    if len(seed) != 32:
        raise CryptoError(f"an X25519 private key is 32 bytes, not {len(seed)}")
    return seed, _x25519(seed, _BASE_U)


def x25519_shared(private: "X25519Private", remote_public: bytes) -> bytes:
    if len(remote_public) != 32:
        raise CryptoError(f"an X25519 public key is 32 bytes, not {len(remote_public)}")
    shared = _x25519(private, remote_public)
    if shared == bytes(32):
        raise CryptoError("the peer's X25519 key is of small order")
    return shared


def _clamp(scalar: bytes) -> int:
    return int.from_bytes(scalar, "little") & ((1 << 254) - 8) | 1 << 254


def _x25519(scalar: bytes, u: bytes) -> bytes:
    """The ladder of RFC 7748, section 5, with the names used there."""
    k = _clamp(scalar)
    x1 = int.from_bytes(u, "little") & _LOW_255
    x2, z2, x3, z3 = 1, 0, x1, 1
    swapped = 0
    for bit in range(254, -1, -1):
        k_bit = k >> bit & 1
        if swapped != k_bit:
            x2, z2, x3, z3 = x3, z3, x2, z2
        swapped = k_bit
        a, b = x2 + z2, x2 - z2
        aa, bb = a * a % _P, b * b % _P
        e = aa - bb
        da, cb = (x3 - z3) * a % _P, (x3 + z3) * b % _P
        x3, z3 = (da + cb) ** 2 % _P, x1 * (da - cb) ** 2 % _P
        x2, z2 = aa * bb % _P, e * (aa + _A24 * e) % _P
    if swapped:
        x2, z2 = x3, z3
    return (x2 * pow(z2, _P - 2, _P) % _P).to_bytes(32, "little")


class Ed25519Key:
    """See edge.crypto.interface.Ed25519Key."""

    __slots__ = ("_prefix", "_scalar", "public", "seed")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != 32:
            raise CryptoError(f"an Ed25519 seed is 32 bytes, not {len(seed)}")
        expanded = sha512(seed)
        self.seed = bytes(seed)
        self._scalar = _clamp(expanded[:32])
        self._prefix = expanded[32:]
        self.public = _compress(_multiply(self._scalar, _BASE))

    @classmethod
    def generate(cls) -> "Self":
        return cls(os.urandom(32))

    @classmethod
    def from_seed(cls, seed: bytes) -> "Self":
        return cls(seed)

    def sign(self, message: bytes) -> bytes:
        r = _scalar(self._prefix, message)
        big_r = _compress(_multiply(r, _BASE))
        s = (r + _scalar(big_r, self.public, message) * self._scalar) % _L
        return big_r + s.to_bytes(32, "little")


def ed25519_verify(key: bytes, message: bytes, signature: bytes) -> bool:
    """Verify; `key` and `signature` have passed edge.crypto.publickeys.check_ed25519.

    Cofactorless, as in OpenSSL: R is compared by its bytes.
    """
    big_r, s = signature[:32], int.from_bytes(signature[32:], "little")
    point = _decompress(key)
    if s >= _L or point is None:
        return False
    x, y, z, t = point
    minus_a = (_P - x, y, z, _P - t)
    k = _scalar(big_r, key, message)
    return _compress(_add(_multiply(s, _BASE), _multiply(k, minus_a))) == big_r


def _scalar(*parts: bytes) -> int:
    return int.from_bytes(sha512(b"".join([bytes(part) for part in parts])), "little") % _L


# Points are (X, Y, Z, T) with x = X/Z, y = Y/Z, x*y = T/Z; RFC 8032, 5.1.4, with the names used
# there.


def _add(p: "Point", q: "Point") -> "Point":
    x1, y1, z1, t1 = p
    x2, y2, z2, t2 = q
    a, b = (y1 - x1) * (y2 - x2) % _P, (y1 + x1) * (y2 + x2) % _P
    c, d = 2 * t1 * t2 * _D % _P, 2 * z1 * z2 % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _double(p: "Point") -> "Point":
    x1, y1, z1, _ = p
    a, b = x1 * x1 % _P, y1 * y1 % _P
    c = 2 * z1 * z1 % _P
    h = a + b
    e = h - (x1 + y1) ** 2 % _P
    g = a - b
    f = c + g
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _multiply(scalar: int, point: "Point") -> "Point":
    result = (0, 1, 1, 0)
    for bit in range(255, -1, -1):
        result = _double(result)
        if scalar >> bit & 1:
            result = _add(result, point)
    return result


def _compress(point: "Point") -> bytes:
    x, y, z, _ = point
    inverse = pow(z, _P - 2, _P)
    x, y = x * inverse % _P, y * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _decompress(data: bytes) -> "Point | None":
    """Decompress a point (RFC 8032, 5.1.3); None if no point has this y."""
    encoded = int.from_bytes(data, "little")
    y, sign = encoded & _LOW_255, encoded >> 255
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    x = u * v**3 * pow(u * v**7 % _P, (_P - 5) // 8, _P) % _P
    if v * x * x % _P != u:
        x = x * _SQRT_MINUS_1 % _P
    if v * x * x % _P != u:
        return None
    if x & 1 != sign:
        x = _P - x
    return x, y, 1, x * y % _P


_base = _decompress((4 * pow(5, _P - 2, _P) % _P).to_bytes(32, "little"))
assert _base is not None
_BASE = _base

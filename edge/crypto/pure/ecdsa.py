"""ECDSA verification with SHA-256 (FIPS 186-5, 6.4.2) on short Weierstrass curves (SEC 2).

Portable: runs under CPython and MicroPython.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Point: TypeAlias = tuple[
        int, int, int
    ]  # x = X/Z**2, y = Y/Z**3; Z = 0 is the point at infinity


class _Curve:
    """y**2 = x**3 + a*x + b modulo p, with a base point g of prime order n."""

    __slots__ = ("a", "b", "g", "n", "p")

    def __init__(self, p: int, a: int, b: int, n: int, gx: int, gy: int) -> None:
        self.p, self.a, self.b, self.n, self.g = p, a, b, n, (gx, gy, 1)


_CURVES = {
    "secp256k1": _Curve(
        (1 << 256) - (1 << 32) - 977,
        0,
        7,
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141,
        0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
        0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
    ),
    "P-256": _Curve(
        (1 << 256) - (1 << 224) + (1 << 192) + (1 << 96) - 1,
        -3,
        0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
        0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
        0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
        0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    ),
}


def verify(curve_name: str, encoded: bytes, digest: bytes, r: int, s: int) -> bool:
    """Whether (r, s) is a signature of `digest`, at most as long as the order, under `encoded`."""
    curve = _CURVES[curve_name]
    n = curve.n
    if not (0 < r < n and 0 < s < n):
        return False
    point = _decode(curve, encoded)
    if point is None:
        return False
    w = pow(s, n - 2, n)
    u1, u2 = int.from_bytes(digest, "big") * w % n, r * w % n
    x, _, z = _double_multiply(curve, u1, u2, point)
    p = curve.p
    return x * pow(z, 2 * (p - 2), p) % p % n == r  # 0 at infinity, and r is not 0


def _decode(curve: _Curve, encoded: bytes) -> "Point | None":
    """Decode a point, compressed or not; None if it is not on the curve (SEC 1, 2.3.4)."""
    p = curve.p
    size = (len(encoded) - 1) // (2 if encoded[0] == 4 else 1)
    x = int.from_bytes(encoded[1 : 1 + size], "big")
    square = (x * x * x + curve.a * x + curve.b) % p
    if encoded[0] == 4:
        y = int.from_bytes(encoded[1 + size :], "big")
    else:
        y = pow(square, (p + 1) // 4, p)  # both primes are 3 modulo 4
        if y & 1 != encoded[0] & 1:
            y = p - y
    if x >= p or y >= p or y * y % p != square:
        return None
    return x, y, 1


def _double_multiply(curve: _Curve, u1: int, u2: int, q: "Point") -> "Point":
    """Compute u1 * G + u2 * Q in one pass (Shamir's trick)."""
    both = _add(curve, curve.g, q)
    result = (1, 1, 0)
    for bit in range(len(bin(curve.n)) - 3, -1, -1):
        result = _double(curve, result)
        choice = (u1 >> bit & 1) | (u2 >> bit & 1) << 1
        if choice:
            result = _add(curve, result, (curve.g, q, both)[choice - 1])
    return result


def _double(curve: _Curve, point: "Point") -> "Point":
    x, y, z = point
    p = curve.p
    yy = y * y % p
    s = 4 * x * yy % p
    m = (3 * x * x + curve.a * pow(z, 4, p)) % p
    x3 = (m * m - 2 * s) % p
    return x3, (m * (s - x3) - 8 * yy * yy) % p, 2 * y * z % p


def _add(curve: _Curve, left: "Point", right: "Point") -> "Point":
    x1, y1, z1 = left
    x2, y2, z2 = right
    if z1 == 0:
        return right
    if z2 == 0:
        return left
    p = curve.p
    zz1, zz2 = z1 * z1 % p, z2 * z2 % p
    u1, s1 = x1 * zz2 % p, y1 * zz2 * z2 % p
    h, r = (x2 * zz1 - u1) % p, (y2 * zz1 * z1 - s1) % p
    if h == 0:
        return (1, 1, 0) if r else _double(curve, left)
    hh = h * h % p
    hhh, v = h * hh % p, u1 * hh % p
    x3 = (r * r - hhh - 2 * v) % p
    return x3, (r * (v - x3) - s1 * hhh) % p, h * z1 * z2 % p

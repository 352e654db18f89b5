"""X25519 (RFC 7748, section 5) in steps, so that a relay goes on between them."""

_P = (1 << 255) - 19
_BASE = b"\x09" + bytes(31)
_BITS = 5  # of the ladder in each step


class X25519:
    """The shared secret of the private key `scalar` and the public key `point`, 32 bytes each."""

    def __init__(self, scalar, point):
        if len(scalar) != 32 or len(point) != 32:
            raise ValueError("keys are 32 bytes")
        self._k = int.from_bytes(scalar, "little") & ((1 << 254) - 8) | 1 << 254
        self._x1 = x1 = int.from_bytes(point, "little") & ((1 << 255) - 1)
        self._at = 255
        self._swapped = 0
        self._points = (1, 0, x1, 1)

    def step(self):
        """Do a part of the work; True when all is done."""
        x1, k, swapped = self._x1, self._k, self._swapped
        x2, z2, x3, z3 = self._points
        for _ in range(min(_BITS, self._at)):
            self._at -= 1
            bit = k >> self._at & 1
            if swapped != bit:
                x2, z2, x3, z3 = x3, z3, x2, z2
            swapped = bit
            a, b = x2 + z2, x2 - z2
            aa, bb = a * a % _P, b * b % _P
            e = aa - bb
            da, cb = (x3 - z3) * a % _P, (x3 + z3) * b % _P
            x3, z3 = (da + cb) ** 2 % _P, x1 * (da - cb) ** 2 % _P
            x2, z2 = aa * bb % _P, e * (aa + 121665 * e) % _P
        self._points = (x2, z2, x3, z3)
        self._swapped = swapped
        return self._at == 0

    def result(self):
        """The 32 bytes, after the last step. All zeros: the point was of small order."""
        x2, z2 = self._points[2:] if self._swapped else self._points[:2]
        return (x2 * pow(z2, _P - 2, _P) % _P).to_bytes(32, "little")


def shared(scalar, point):
    """All steps at once."""
    work = X25519(scalar, point)
    while not work.step():
        pass
    return work.result()


def public(scalar):
    """The public key of a private one."""
    return shared(scalar, _BASE)

"""Ed25519 (RFC 8032, 5.1): verification in steps, and signing for provisioning."""

from kw.sha import sha512

_P = (1 << 255) - 19
_L = (1 << 252) + 27742317777372353535851937790883648493
_D = 37095705934669439343138083508754565189542113879843219016388785533085940283555
_SQRT_MINUS_1 = 19681161376707505956807079304988542015446066515923890162744021073123829784752
_BASE = (
    15112221349535400772501151409588531511454012693041857206046113283949847762202,
    46316835694926478169428394003475163141307993866256225615783033603165251855960,
)
_BITS = 4  # of the double multiplication in each step


class Verify:
    """Whether `signature` over `message` is valid under `public`: `ok`, after the last step.

    Cofactorless, as in OpenSSL: R is compared by its bytes. Of small orders only what
    edge.crypto.publickeys refuses is refused, by the caller.
    """

    def __init__(self, public, message, signature):
        self.ok = False
        self._at = 0
        point = _decompress(public) if len(public) == 32 and len(signature) == 64 else None
        s = int.from_bytes(signature[32:], "little")
        if point is None or s >= _L:
            return
        self._r = bytes(signature[:32])
        self._s, self._k = s, _reduced(self._r, public, message)
        base, minus = _affine(*_BASE), _affine(_P - point[0], point[1])
        self._table = (base, minus, _add(base, minus))
        self._sum = (0, 1, 1, 0)
        self._at = 253

    def step(self):
        """Do a part of the work; True when all is done."""
        if self._at == 0:
            return True
        total = self._sum
        for _ in range(min(_BITS, self._at)):
            self._at -= 1
            total = _double(total)
            choice = self._s >> self._at & 1 | (self._k >> self._at & 1) << 1
            if choice:
                total = _add(total, self._table[choice - 1])
        self._sum = total
        if self._at == 0:
            self.ok = _compress(total) == self._r
        return self._at == 0


def verify(public, message, signature):
    """All steps at once."""
    work = Verify(public, message, signature)
    while not work.step():
        pass
    return work.ok


def public(seed):
    """The public key of a seed of 32 bytes."""
    return _compress(_multiply(_scalar(sha512(seed))))


def sign(seed, message):
    """The signature, 64 bytes. For provisioning: it takes long, and its time depends on the key."""
    expanded = sha512(seed)
    key, scalar = public(seed), _scalar(expanded)
    r = _reduced(expanded[32:], message)
    point = _compress(_multiply(r))
    s = (r + _reduced(point, key, message) * scalar) % _L
    return point + s.to_bytes(32, "little")


def _scalar(expanded):
    return int.from_bytes(expanded[:32], "little") & ((1 << 254) - 8) | 1 << 254


def _reduced(*parts):
    return int.from_bytes(sha512(*parts), "little") % _L


def _affine(x, y):
    return x, y, 1, x * y % _P


def _add(p, q):
    x1, y1, z1, t1 = p
    x2, y2, z2, t2 = q
    a, b = (y1 - x1) * (y2 - x2) % _P, (y1 + x1) * (y2 + x2) % _P
    c, d = 2 * t1 * t2 * _D % _P, 2 * z1 * z2 % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _double(p):
    x1, y1, z1, _ = p
    a, b = x1 * x1 % _P, y1 * y1 % _P
    c = 2 * z1 * z1 % _P
    h = a + b
    e = h - (x1 + y1) ** 2 % _P
    g = a - b
    f = c + g
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _multiply(scalar):
    total, base = (0, 1, 1, 0), _affine(*_BASE)
    for bit in range(254, -1, -1):
        total = _double(total)
        if scalar >> bit & 1:
            total = _add(total, base)
    return total


def _compress(point):
    x, y, z, _ = point
    inverse = pow(z, _P - 2, _P)
    x, y = x * inverse % _P, y * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _decompress(data):
    """The point (x, y) (RFC 8032, 5.1.3); None if no point has this y."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    x = u * v**3 * pow(u * v**7 % _P, (_P - 5) // 8, _P) % _P
    if v * x * x % _P != u:
        x = x * _SQRT_MINUS_1 % _P
    if y >= _P or v * x * x % _P != u or (x == 0 and sign):
        return None
    return (_P - x if x & 1 != sign else x), y

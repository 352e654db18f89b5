"""X25519 (RFC 7748, section 5) in steps of about a millisecond: a relay goes on between them.

No branch and no address depends on a secret; what Python does between two programs takes the same
time for a bit of 0 as for one of 1, as far as MicroPython's small integers do.
"""

from kw import field25519 as field
from kw._programs import X25519_LADDER, X25519_LAST, X25519_QUOTIENT

_BASE = b"\x09" + bytes(31)
_X1, _X2, _Z2, _X3, _Z3, _A24 = range(6)
_BITS = 4  # of the ladder in each step


class X25519:
    """The shared secret of the private key `scalar` and the public key `point`, 32 bytes each."""

    __slots__ = ("_parts",)

    def __init__(self, scalar, point):
        if len(scalar) != 32 or len(point) != 32:
            raise ValueError("keys are 32 bytes")
        field.take(self)
        k = field.SCALAR
        k[:] = scalar
        k[0] &= 248
        k[31] = k[31] & 127 | 64
        for register, value in ((_X2, 1), (_Z2, 0), (_Z3, 1), (_A24, 121665)):
            field.number(register, value)
        field.load(_X1, point)
        field.load(_X3, point)
        self._parts = self._run()

    def step(self):
        """Do a part of the work; True when all is done."""
        field.check(self)
        return next(self._parts, True)

    def result(self):
        """The 32 bytes, once, after the last step. All zeros: the point was of small order."""
        field.check(self)
        field.take(None)
        return field.store(_X2)

    def _run(self):
        (ladder,), (last,) = X25519_LADDER, X25519_LAST
        k = field.SCALAR
        swapped = 0
        for at in range(254, -1, -1):
            bit = k[at >> 3] >> (at & 7) & 1
            field.run(ladder, swapped ^ bit)
            swapped = bit
            if at % _BITS == 0:
                yield False
        field.run(last, swapped)
        for part in X25519_QUOTIENT:
            field.run(part)
            yield False
        for i in range(32):
            k[i] = 0


def shared(scalar, point):
    """All steps at once."""
    return field.finish(X25519(scalar, point)).result()


def public(scalar):
    """The public key of a private one."""
    return shared(scalar, _BASE)

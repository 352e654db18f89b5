"""Ed25519 (RFC 8032, 5.1): verification in steps of a few milliseconds, and signing.

A device signs when it is provisioned, and nobody is there to measure: the points are computed
without a branch on a secret, but the last sum, modulo the group's order, by Python's integers.
"""

from kw import _programs as programs
from kw import field25519 as field
from kw.sha import sha512

_P = (1 << 255) - 19
_L = (1 << 252) + 27742317777372353535851937790883648493
_D = 37095705934669439343138083508754565189542113879843219016388785533085940283555
_SQRT_MINUS_1 = 19681161376707505956807079304988542015446066515923890162744021073123829784752
_BASE_X = 15112221349535400772501151409588531511454012693041857206046113283949847762202
_BASE_Y = 46316835694926478169428394003475163141307993866256225615783033603165251855960
_X, _Y, _Z = range(3)
_A, _G, _H, _ZERO, _ONE, _D_ = 4, 10, 11, 12, 13, 14
_BITS = 2  # of the double multiplication in each step


class Verify:
    """Whether `signature` over `message` is valid under `public`: `ok`, after the last step.

    Cofactorless, as in OpenSSL: R is compared by its bytes. Of small orders only what
    edge.crypto.publickeys refuses is refused, by the caller.
    """

    __slots__ = ("_parts", "ok")

    def __init__(self, public, message, signature):
        field.take(self)
        self.ok = False
        self._parts = self._run(public, message, signature)

    def step(self):
        """Do a part of the work; True when all is done."""
        field.check(self)
        return next(self._parts, True)

    def _run(self, public, message, signature):
        if len(public) != 32 or len(signature) != 64:
            return
        s = int.from_bytes(signature[32:], "little")
        y = int.from_bytes(public, "little") & ((1 << 255) - 1)
        if s >= _L or y >= _P:
            return
        k = _reduced(signature[:32], public, message).to_bytes(32, "little")
        s = signature[32:]
        yield False
        _constants()
        _point(_BASE_X, _BASE_Y)
        _run(programs.ED25519_TABLE_BASE)
        field.load(_Y, public)
        for part in programs.ED25519_DECOMPRESS:
            field.run(part)
            yield False
        if not _negated(public[31] >> 7):
            return
        _run(programs.ED25519_AFFINE)
        _run(programs.ED25519_TABLE_KEY)
        _run(programs.ED25519_ADD_BASE)
        _run(programs.ED25519_TABLE_BOTH)
        _run(programs.ED25519_NEUTRAL)
        adds = (programs.ED25519_ADD_BASE, programs.ED25519_ADD_KEY, programs.ED25519_ADD_BOTH)
        for at in range(252, -1, -1):
            _run(programs.ED25519_DOUBLE)
            choice = s[at >> 3] >> (at & 7) & 1 | (k[at >> 3] >> (at & 7) & 1) << 1
            if choice:
                _run(adds[choice - 1])
            if at % _BITS == 0:
                yield False
        for part in programs.ED25519_QUOTIENTS:
            field.run(part)
            yield False
        self.ok = _encoded() == bytes(signature[:32])


def verify(public, message, signature):
    """All steps at once."""
    return field.finish(Verify(public, message, signature)).ok


def public(seed):
    """The public key of a seed of 32 bytes."""
    return _multiplied(_clamped(sha512(seed)))


def sign(seed, message):
    """The signature, 64 bytes."""
    expanded = sha512(seed)
    scalar = _clamped(expanded)
    key = _multiplied(scalar)
    r = _reduced(expanded[32:], message)
    point = _multiplied(r)
    s = (r + _reduced(point, key, message) * scalar) % _L
    return point + s.to_bytes(32, "little")


def _clamped(expanded):
    return int.from_bytes(expanded[:32], "little") & ((1 << 254) - 8) | 1 << 254


def _reduced(*parts):
    return int.from_bytes(sha512(*parts), "little") % _L


def _run(program):
    for part in program:
        field.run(part)


def _constants():
    for register, value in ((_ZERO, 0), (_ONE, 1), (_D_, _D)):
        field.number(register, value)


def _point(x, y):
    field.number(_X, x)
    field.number(_Y, y)
    _run(programs.ED25519_AFFINE)


def _negated(sign):
    """Make x that of minus the point, if there is one with this y (RFC 8032, 5.1.3)."""
    zero = bytes(32)
    if field.store(_H) != zero:
        if field.store(_G) != zero:
            return False
        field.number(_A, _SQRT_MINUS_1)
        _run(programs.ED25519_TIMES_A)
    x = field.store(_X)
    if sign and x == zero:
        return False
    if x[0] & 1 == sign:
        _run(programs.ED25519_NEGATE)
    return True


def _encoded():
    """The point's y with the sign of x, after QUOTIENTS."""
    sign = field.store(_X)[0] & 1
    y = bytearray(field.store(_Y))
    y[31] |= sign << 7
    return bytes(y)


def _multiplied(scalar):
    """The base point times `scalar`, encoded. Both sums are made of each bit, and one is chosen."""
    field.take(None)
    _constants()
    _point(_BASE_X, _BASE_Y)
    _run(programs.ED25519_TABLE_BASE)
    _run(programs.ED25519_NEUTRAL)
    (choose,) = programs.ED25519_CHOOSE
    for at in range(254, -1, -1):
        _run(programs.ED25519_DOUBLE)
        _run(programs.ED25519_ADD_BASE_ASIDE)
        field.run(choose, scalar >> at & 1)
    _run(programs.ED25519_QUOTIENTS)
    return _encoded()

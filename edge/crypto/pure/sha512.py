"""SHA-512 (FIPS 180-4), for Ed25519 if hashlib does not have it. Portable."""

import hashlib
from struct import unpack_from

_MASK = (1 << 64) - 1


def _root(value: int, power: int) -> int:
    """The largest integer whose `power`-th power is at most `value`."""
    root = 0
    for bit in range(68, -1, -1):
        if (root | 1 << bit) ** power <= value:
            root |= 1 << bit
    return root


def _constants() -> "tuple[list[int], list[int]]":
    """Initial hash and round constants: fractional parts of the square and cube roots of primes."""
    primes: list[int] = []
    candidate = 2
    while len(primes) < 80:
        if all(candidate % prime for prime in primes):
            primes.append(candidate)
        candidate += 1
    initial = [_root(prime << 128, 2) & _MASK for prime in primes[:8]]
    return initial, [_root(prime << 192, 3) & _MASK for prime in primes]


def _rotate(word: int, count: int) -> int:
    return (word >> count | word << (64 - count)) & _MASK


class _Sha512:
    def __init__(self) -> None:
        self._initial, self._round = _constants()

    def __call__(self, data: bytes) -> bytes:
        padding = b"\x80" + bytes((111 - len(data)) % 128) + (len(data) * 8).to_bytes(16, "big")
        padded = data + padding
        state = list(self._initial)
        for pos in range(0, len(padded), 128):
            self._compress(state, padded, pos)
        return b"".join([word.to_bytes(8, "big") for word in state])

    def _compress(self, state: "list[int]", data: bytes, pos: int) -> None:
        w = list(unpack_from(">16Q", data, pos))
        for i in range(16, 80):
            x, y = w[i - 15], w[i - 2]
            s0 = _rotate(x, 1) ^ _rotate(x, 8) ^ x >> 7
            s1 = _rotate(y, 19) ^ _rotate(y, 61) ^ y >> 6
            w.append((w[i - 16] + s0 + w[i - 7] + s1) & _MASK)
        a, b, c, d, e, f, g, h = state
        for i in range(80):
            s1 = _rotate(e, 14) ^ _rotate(e, 18) ^ _rotate(e, 41)
            t1 = h + s1 + (e & f ^ (e ^ _MASK) & g) + self._round[i] + w[i]
            s0 = _rotate(a, 28) ^ _rotate(a, 34) ^ _rotate(a, 39)
            t2 = s0 + (a & b ^ a & c ^ b & c)
            h, g, f, e, d, c, b, a = g, f, e, (d + t1) & _MASK, c, b, a, (t1 + t2) & _MASK
        for i, word in enumerate((a, b, c, d, e, f, g, h)):
            state[i] = (state[i] + word) & _MASK


def _native(data: bytes) -> bytes:
    return hashlib.sha512(data).digest()


sha512 = _native if hasattr(hashlib, "sha512") else _Sha512()

"""kw/_sha512.py: SHA-512's constants and its compression (FIPS 180-4, 4.2.3 and 6.4.2).

A word of 64 bits is four limbs of 16, the lowest first, so that no sum exceeds a device's word.
What a device hashes is short: the kernel is written to be small.
"""

from __future__ import annotations

from math import isqrt

TEXT = '''\
"""SHA-512 (FIPS 180-4). Written by esp32/kernels/sha512.py: do not edit."""

import micropython

BYTES = 264  # of a state: eight words, and what the compression needs
{tables}

@micropython.viper
def start(state: ptr16, initial: ptr8):
    """Set a state to INITIAL."""
    i = 0
    while i < 32:
        n = (i & 28) * 2 + 6 - (i & 3) * 2
        state[i] = (initial[n] << 8) | initial[n + 1]
        i += 1


@micropython.viper
def compress(state: ptr16, block: ptr8, rounds: ptr8):
    """Take a block of 128 bytes into a state; `rounds` is ROUNDS."""
    # The words 0 to 7 are a to h, those from 8 on the last of the schedule, the newest first.
    # A round moves all of them one up.
    moved = ptr32(int(state) + 64)
    i = 0
    while i < 16:
        moved[i] = ptr32(state)[i]
        i += 1
    k = 6
    while k < 646:
        i = 48
        while i:
            i -= 1
            moved[i + 2] = moved[i]
        carry_w = carry_1 = carry_e = carry_a = 0
        j = 0
        while j < 4:
            p0 = ptr16(int(moved) + j * 2)
            p1 = ptr16(int(moved) + (j + 1 & 3) * 2)
            p2 = ptr16(int(moved) + (j + 2 & 3) * 2)
            p3 = ptr16(int(moved) + (j + 3 & 3) * 2)
            # T1 = h + S1(e) + Ch(e, f, g) + K + W
            t = carry_1 + p0[{h}] + (p0[{g}] ^ (p0[{e}] & (p0[{f}] ^ p0[{g}])))
            t = t + (({big_1}) & 65535)
            t = t + ((rounds[k] << 8) | rounds[k + 1])
            if k < 128:
                w = (block[k] << 8) | block[k + 1]
            else:
                w = {small_0}
                v = {small_1}
                if j < 3:  # a rotation has those bits in any case, a shift only from a limb above
                    w = w ^ (p1[{w15}] << 9)
                    v = v ^ (p1[{w2}] << 10)
                w = carry_w + (w & 65535) + (v & 65535) + p0[{w7}] + p0[{w16}]
                carry_w = w >> 16
            p0[{h}] = w
            t = t + (w & 65535)
            carry_1 = t >> 16
            t = t & 65535
            # e = d + T1
            carry_e = carry_e + p0[{d}] + t
            p0[{d}] = carry_e
            carry_e = carry_e >> 16
            # a = T1 + S0(a) + Maj(a, b, c)
            t = t + carry_a + ((p0[{a}] & p0[{b}]) | (p0[{c}] & (p0[{a}] | p0[{b}])))
            t = t + (({big_0}) & 65535)
            p0[0] = t
            carry_a = t >> 16
            k -= 2
            j += 1
        k += 16
    i = 0
    while i < 32:
        if i & 3 == 0:
            t = 0
        t = t + state[i] + ptr16(moved)[i]
        state[i] = t
        t = t >> 16
        i += 1
'''


def primes(count: int) -> list[int]:
    """The first `count` primes."""
    found: list[int] = []
    number = 2
    while len(found) < count:
        if all(number % prime for prime in found):
            found.append(number)
        number += 1
    return found


def cube_root(value: int) -> int:
    """The largest integer whose cube is at most `value`."""
    root = 0
    for bit in range(value.bit_length() // 3 + 1, -1, -1):
        if (root | 1 << bit) ** 3 <= value:
            root |= 1 << bit
    return root


def table(name: str, words: list[int]) -> str:
    """A constant with the lower 64 bits of the words, as FIPS 180-4 prints them."""
    digits = [f"{word & (1 << 64) - 1:016x}" for word in words]
    lines = ["".join(digits[i : i + 5]) for i in range(0, len(digits), 5)]
    escaped = ["".join([f"\\x{line[i : i + 2]}" for i in range(0, len(line), 2)]) for line in lines]
    return f"{name} = (\n" + "".join([f'    b"{line}"\n' for line in escaped]) + ")"


def word(number: int) -> int:
    """The place of a word's limb."""
    return 4 * number


def rotated(number: int, count: int) -> str:
    """A limb of a word rotated to the right; its upper bits are rubbish."""
    limbs, bits = divmod(count, 16)
    low, high = f"p{limbs}[{word(number)}]", f"p{(limbs + 1) % 4}[{word(number)}]"
    return f"(({low} >> {bits}) | ({high} << {16 - bits}))"


def text() -> str:
    """The file's text."""
    a, e, h = 1, 5, 8  # after all have moved
    w2, w15 = h + 2, h + 15
    sums = {
        "big_0": " ^ ".join([rotated(a, count) for count in (28, 34, 39)]),
        "big_1": " ^ ".join([rotated(e, count) for count in (14, 18, 41)]),
        "small_0": f"{rotated(w15, 1)} ^ {rotated(w15, 8)} ^ (p0[{word(w15)}] >> 7)",
        "small_1": f"{rotated(w2, 19)} ^ {rotated(w2, 61)} ^ (p0[{word(w2)}] >> 6)",
    }
    places = {name: a + number for number, name in enumerate("abcdefgh")}
    places |= {"w2": w2, "w7": h + 7, "w15": w15, "w16": h + 16}
    tables = [
        table("INITIAL", [isqrt(prime << 128) for prime in primes(8)]),
        table("ROUNDS", [cube_root(prime << 192) for prime in primes(80)]),
    ]
    numbers = {name: word(place) for name, place in places.items()}
    return TEXT.format(tables="\n".join(tables) + "\n", **sums, **numbers)

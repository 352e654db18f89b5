"""kw/_field25519.py: arithmetic modulo 2^255 - 19, in twenty limbs of 13 bits.

The kernel runs programs: a ladder's step of X25519, a sum of two points of Ed25519, an inversion.
They are written down in kw/x25519.py and kw/ed25519.py, in the names of the RFCs, and each is one
call. So the multiplication is there once, and a call's overhead does not count.
"""

from __future__ import annotations

LIMBS = 20
BITS = 13
MASK = (1 << BITS) - 1
WORD = (1 << 32) - 1
P = (1 << 255) - 19
FOLD = 19 << BITS * LIMBS - 255  # 2^260 modulo p
SUBTRACTED = [2 * (MASK + 1 - FOLD), *[2 * MASK] * (LIMBS - 1)]  # a multiple of p, in limbs

TEXT = '''\
"""Arithmetic modulo 2^255 - 19. Written by esp32/kernels/field25519.py: do not edit."""

import micropython

# A file of registers: 30 of 20 words each, a number in limbs of 13 bits. Behind them, columns.
REGISTERS = 30
WORDS = 20 * REGISTERS + 41

# An instruction is four bytes: what to do, and three registers, of result and operands.
SWAP, ADD, SUBTRACT, MULTIPLY = range(4)  # MULTIPLY + n: and square the result n times


@micropython.viper
def run(u: uint, p: ptr32, file: ptr32, program: ptr8, size: int, swap: int):
    """Run a program of `size` bytes. SWAP swaps if `swap` is 1, and not if it is 0; the time is the
    same, as the time of all this is independent of the numbers. `u` and `p`: 0."""
    columns = ptr32(int(file) + {columns})
    pc = 0
    while pc < size:
        what = program[pc]
        o = ptr32(int(file) + program[pc + 1] * 80)
        a = ptr32(int(file) + program[pc + 2] * 80)
        b = ptr32(int(file) + program[pc + 3] * 80)
        pc += 4
        if what == 0:
            n = 0 - swap
            i = 4
            while i:
{swap}
                o = ptr32(int(o) + 20)
                a = ptr32(int(a) + 20)
                i -= 1
            continue
        while True:
            i = 4
            u = uint(0)
            if what == 1:
                while i:
{add}
                    a = ptr32(int(a) + 20)
                    b = ptr32(int(b) + 20)
                    o = ptr32(int(o) + 20)
                    i -= 1
            elif what == 2:
                n = {first}
                while i:
{subtract}
                    a = ptr32(int(a) + 20)
                    b = ptr32(int(b) + 20)
                    o = ptr32(int(o) + 20)
                    i -= 1
            else:
                p = columns
{load}
{clear}
                i = int(a) + 80
                while int(a) != i:
                    u = uint(a[0])
{row}
                    a = ptr32(int(a) + 4)
                    p = ptr32(int(p) + 4)
                u = uint(0)
{carry}
                p[19] = u >> 13
                p = columns
                u = uint(0)
                i = 4
                while i:
{fold}
                    p = ptr32(int(p) + 20)
                    o = ptr32(int(o) + 20)
                    i -= 1
            o = ptr32(int(o) - 80)
            u = uint(o[0]) + (u >> 13) * uint({by})
            o[0] = u & 8191
            u = uint(o[1]) + (u >> 13)
            o[1] = u & 8191
            o[2] = o[2] + (u >> 13)
            if what < 4:
                break
            what -= 1
            a = o
            b = o


@micropython.viper
def load(file: ptr32, number: int, data: ptr8):
    """Set the register `number` to what 32 bytes say, without their last bit."""
    register = ptr32(int(file) + number * 80)
    i = 0
    n = 0
    c = 0
    k = 0
    while i < 20:
        if n < 13 and k < 32:
            c |= data[k] << n
            n += 8
            k += 1
            continue
        register[i] = c & 8191
        c = c >> 13
        n -= 13
        i += 1
    register[19] = register[19] & 255


@micropython.viper
def store(file: ptr32, number: int, into: ptr8):
    """Reduce the register `number`, and write it as 32 bytes. No branch depends on it."""
    register = ptr32(int(file) + number * 80)
    n = 3
    c = 0
    while n:
        c = register[19] >> 8
        register[19] = register[19] & 255
        c = c * 19
        if n == 1:
            c = 19  # the last bit of the sum tells whether the number reaches p
        i = 0
        while i < 20:
            c = c + register[i]
            if n > 1:
                register[i] = c & 8191
                c = c >> 13
            elif i < 19:
                c = c >> 13
            i += 1
        if n > 1:
            register[19] = register[19] + (c << 13)
        n -= 1
    c = (c >> 8) * 19
    i = 0
    while i < 20:
        c = c + register[i]
        register[i] = c & 8191
        c = c >> 13
        i += 1
    register[19] = register[19] & 255
    c = 0
    n = 0
    i = 0
    k = 0
    while i < 32:
        if n < 8 and k < 20:
            c |= register[k] << n
            n += 13
            k += 1
        into[i] = c
        c = c >> 8
        n -= 8
        i += 1
'''


def prove() -> None:
    """That no sum exceeds a word of 32 bits, from the largest limbs that each step leaves."""
    most = [MASK] * LIMBS  # of a register's limbs
    most[2] += 64
    columns = [
        sum([most[i] * most[k - i] for i in range(LIMBS) if 0 <= k - i < LIMBS])
        for k in range(2 * LIMBS - 1)
    ]
    assert max(columns) + (WORD >> BITS) <= WORD
    top = most[-1] * most[-1] + (WORD >> BITS) >> BITS
    assert max(columns) + FOLD * top + (WORD >> BITS) <= WORD
    wrapped = FOLD * (WORD >> BITS) + MASK
    assert wrapped <= WORD
    assert (wrapped >> BITS) + MASK >> BITS <= 64
    assert sum([limb << BITS * i for i, limb in enumerate(SUBTRACTED)]) % P == 0
    assert all(most[i] <= limb for i, limb in enumerate(SUBTRACTED))


def five(*lines: str) -> list[str]:
    """The lines for limbs 0 to 4: # is the limb, #+ the one 20 above."""
    return [
        line.replace("#+", str(k + LIMBS)).replace("#", str(k)) for k in range(5) for line in lines
    ]


def text() -> str:
    """The file's text."""
    prove()
    last = LIMBS - 1
    subtract = five("u = (u >> 13) + uint(a[#]) + uint(n) - uint(b[#])", "o[#] = u & 8191")
    subtract.insert(1, f"n = {SUBTRACTED[1]}")
    row = [f"p[{k}] = b{k} * u + uint(p[{k}])" for k in range(last)]
    carry = ["u = (u >> 13) + uint(p[#])", "p[#] = u & 8191"]
    fold = f"u = (u >> 13) + uint(p[#]) + uint(p[#+]) * uint({FOLD})"
    blocks = {
        "swap": (16, five("c = (o[#] ^ a[#]) & n", "o[#] = o[#] ^ c", "a[#] = a[#] ^ c")),
        "add": (20, five("u = (u >> 13) + uint(a[#]) + uint(b[#])", "o[#] = u & 8191")),
        "subtract": (20, subtract),
        "load": (16, [f"b{k} = uint(b[{k}])" for k in range(LIMBS)]),
        "clear": (16, [f"p[{k}] = 0" for k in range(last)]),
        "row": (20, [*row, f"p[{last}] = b{last} * u"]),
        "carry": (16, [line.replace("#", str(k)) for k in range(last) for line in carry]),
        "fold": (20, five(fold, "o[#] = u & 8191")),
    }
    parts = {
        name: "\n".join([" " * indent + line for line in lines])
        for name, (indent, lines) in blocks.items()
    }
    numbers = {"columns": 80 * 30, "by": FOLD, "first": SUBTRACTED[0]}
    return TEXT.format(**parts, **numbers)

"""kw/_poly1305.py: Poly1305 (RFC 8439, 2.5) in ten limbs of 13 bits."""

from __future__ import annotations

LIMBS = 10
BITS = 13
MASK = (1 << BITS) - 1
WORD = (1 << 32) - 1
CLAMP = 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF

HEAD = '''\
"""The AEAD's Poly1305 (RFC 8439, 2.5). Written by esp32/kernels/poly1305.py: do not edit."""

import micropython

# The words of a state: r, the sum and s in limbs of 13 bits, a block in pieces, its length.
PAD = 20
BLOCK = 30
HELD = 34
WORDS = 35


@micropython.viper
def absorb(t: uint, u: uint, state: ptr32, buf: ptr8, at: int, end: int):
    """Add the blocks of 16 bytes in buf[at:end] and what was held; hold the rest. `t`, `u`: 0."""
'''

LOOP = """\
    block = ptr8(int(state) + 120)
    held = state[34]
    while at < end:
        words = ptr32(int(buf) + at)
        n = (int(buf) + at) & 3
        if n | held or end - at < 16:
            n = 16 - held
            if n > end - at:
                n = end - at
            while n:
                block[held] = buf[at]
                held += 1
                at += 1
                n -= 1
            if held < 16:
                continue
            held = 0
            words = ptr32(int(block))
        else:
            at += 16
"""

TAIL = '''

@micropython.viper
def start(state: ptr32, key: ptr8):
    """Take the one-time key of 32 bytes: r, which is clamped, and s."""
    block = ptr8(int(state) + 120)
    part = 0
    while part < 2:
        i = 0
        while i < 16:
            block[i] = key[16 * part + i]
            i += 1
        if part == 0:
            i = 0
            while i < 16:
                block[i + 3] = block[i + 3] & 15
                if i:
                    block[i] = block[i] & 252
                i += 4
        i = 0
        while i < 10:
            n = (i * 13) >> 3
            w = block[n] | (block[n + 1] << 8)
            if i < 9:
                w |= block[n + 2] << 16
            state[20 * part + i] = (w >> ((i * 13) & 7)) & 8191
            state[10 + i] = 0
            i += 1
        part += 1
    state[34] = 0


@micropython.viper
def finish(state: ptr32, into: ptr8, at: int):
    """Write the tag to into[at : at + 16]. Nothing is held. No branch depends on the sum."""
    h = ptr32(int(state) + 40)
    n = 3
    while n:
        c = 0
        if n == 1:  # h is below 2^130 now: c becomes 1 if it is not below p, which is 5 less
            c = 5
        i = 0
        while i < 10:
            c = c + h[i]
            if n > 1:
                h[i] = c & 8191
            c = c >> 13
            i += 1
        if n > 1:
            h[0] = h[0] + c * 5
        n -= 1
    c = c * 5
    i = 0
    while i < 10:
        c = c + h[i] + state[20 + i]
        h[i] = c & 8191
        c = c >> 13
        i += 1
    c = 0
    n = 0
    i = 0
    while i < 16:
        if n < 8:
            c |= h[0] << n
            h = ptr32(int(h) + 4)
            n += 13
        into[at + i] = c
        c = c >> 8
        n -= 8
        i += 1


@micropython.viper
def differ(a: ptr8, b: ptr8, at: int, size: int) -> int:
    """Not 0 if a[:size] and b[at : at + size] differ; the time does not tell where."""
    c = 0
    i = 0
    while i < size:
        c |= a[i] ^ b[at + i]
        i += 1
    return c
'''


def limit_r(i: int) -> int:
    """The largest value of limb i of a clamped r."""
    return CLAMP >> BITS * i & MASK


def limit_h(i: int) -> int:
    """The largest value of the accumulator's limb i with a block added."""
    block = MASK if i < LIMBS - 1 else (1 << 12) - 1
    after = MASK + (5 * (WORD >> BITS) + MASK >> BITS if i == 1 else 0)
    return after + block


def load() -> list[str]:
    """Add a block, with the bit above it, to the accumulator."""
    lines = ["w = words[0]"]
    for i in range(LIMBS):
        word, shift = divmod(BITS * i, 32)
        bits = min(32 - shift, BITS)
        part = f"((w >> {shift}) & {(1 << bits) - 1})" if shift else f"(w & {(1 << bits) - 1})"
        if bits < BITS and word < 3:
            lines.append(f"n = {part}")
            lines.append(f"w = words[{word + 1}]")
            high = ((1 << BITS - bits) - 1) << bits
            part = f"(n | ((w << {bits}) & {high}))"
        if i == LIMBS - 1:
            part = f"({part} | {1 << bits})"
        lines.append(f"h{i} = h{i} + uint({part})")
    return lines


def column(k: int) -> tuple[list[str], int]:
    """Add the products of column k to t; the sum's limit."""
    lines, limit = [], 0
    for i in range(LIMBS):
        j = k - i
        factor = f"r{j}" if j >= 0 else f"s{j + LIMBS}"
        lines += [f"u = h{i}", f"t = {factor} * u + t"]
        limit += limit_h(i) * limit_r(j % LIMBS) * (1 if j >= 0 else 5)
    return lines, limit


def first_column() -> tuple[list[str], int]:
    """Column 0. Its sum would not fit, so the carry is taken out before it is made five-fold."""
    lines, wrapped = ["t = uint(0)"], 0
    for i in range(1, LIMBS):
        lines += [f"u = h{i}", f"t = r{LIMBS - i} * u + t"]
        wrapped += limit_h(i) * limit_r(LIMBS - i)
    assert wrapped <= WORD
    lines += ["c = (t >> 13) * uint(5)", "t = (t & 8191) * uint(5)", "u = h0", "t = r0 * u + t"]
    carry = (wrapped >> BITS) * 5
    limit = MASK * 5 + limit_h(0) * limit_r(0)
    lines += ["g0 = t & 8191", "t = (t >> 13) + c"]
    return lines, (limit >> BITS) + carry


def multiply() -> list[str]:
    """The lines of h = h * r modulo 2^130 - 5, up to a carry that limb 1 keeps."""
    lines, carry = first_column()
    for k in range(1, LIMBS):
        terms, limit = column(k)
        assert limit + carry <= WORD, (k, limit + carry)
        carry = limit + carry >> BITS
        lines += [*terms, f"g{k} = t & 8191", "t = t >> 13"]
    lines += ["t = t * uint(5) + g0", "h0 = t & 8191", "h1 = (t >> 13) + g1"]
    return lines + [f"h{i} = g{i}" for i in range(2, LIMBS)]


def text() -> str:
    """The file's text."""
    setup = [f"r{i} = uint(state[{i}])" for i in range(LIMBS)]
    setup += [f"s{i} = r{i} * uint(5)" for i in range(2, LIMBS)]
    setup += [f"h{i} = uint(state[{LIMBS + i}])" for i in range(LIMBS)]
    done = [f"state[{LIMBS + i}] = h{i}" for i in range(LIMBS)] + ["state[34] = held"]
    return (
        HEAD
        + "".join([f"    {line}\n" for line in setup])
        + LOOP
        + "".join([f"        {line}\n" for line in load() + multiply()])
        + "".join([f"    {line}\n" for line in done])
        + TAIL
    )

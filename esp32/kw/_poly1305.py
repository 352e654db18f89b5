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
    r0 = uint(state[0])
    r1 = uint(state[1])
    r2 = uint(state[2])
    r3 = uint(state[3])
    r4 = uint(state[4])
    r5 = uint(state[5])
    r6 = uint(state[6])
    r7 = uint(state[7])
    r8 = uint(state[8])
    r9 = uint(state[9])
    s2 = r2 * uint(5)
    s3 = r3 * uint(5)
    s4 = r4 * uint(5)
    s5 = r5 * uint(5)
    s6 = r6 * uint(5)
    s7 = r7 * uint(5)
    s8 = r8 * uint(5)
    s9 = r9 * uint(5)
    h0 = uint(state[10])
    h1 = uint(state[11])
    h2 = uint(state[12])
    h3 = uint(state[13])
    h4 = uint(state[14])
    h5 = uint(state[15])
    h6 = uint(state[16])
    h7 = uint(state[17])
    h8 = uint(state[18])
    h9 = uint(state[19])
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
        w = words[0]
        h0 = h0 + uint((w & 8191))
        h1 = h1 + uint(((w >> 13) & 8191))
        n = ((w >> 26) & 63)
        w = words[1]
        h2 = h2 + uint((n | ((w << 6) & 8128)))
        h3 = h3 + uint(((w >> 7) & 8191))
        n = ((w >> 20) & 4095)
        w = words[2]
        h4 = h4 + uint((n | ((w << 12) & 4096)))
        h5 = h5 + uint(((w >> 1) & 8191))
        h6 = h6 + uint(((w >> 14) & 8191))
        n = ((w >> 27) & 31)
        w = words[3]
        h7 = h7 + uint((n | ((w << 5) & 8160)))
        h8 = h8 + uint(((w >> 8) & 8191))
        h9 = h9 + uint((((w >> 21) & 2047) | 2048))
        t = uint(0)
        u = h1
        t = r9 * u + t
        u = h2
        t = r8 * u + t
        u = h3
        t = r7 * u + t
        u = h4
        t = r6 * u + t
        u = h5
        t = r5 * u + t
        u = h6
        t = r4 * u + t
        u = h7
        t = r3 * u + t
        u = h8
        t = r2 * u + t
        u = h9
        t = r1 * u + t
        c = (t >> 13) * uint(5)
        t = (t & 8191) * uint(5)
        u = h0
        t = r0 * u + t
        g0 = t & 8191
        t = (t >> 13) + c
        u = h0
        t = r1 * u + t
        u = h1
        t = r0 * u + t
        u = h2
        t = s9 * u + t
        u = h3
        t = s8 * u + t
        u = h4
        t = s7 * u + t
        u = h5
        t = s6 * u + t
        u = h6
        t = s5 * u + t
        u = h7
        t = s4 * u + t
        u = h8
        t = s3 * u + t
        u = h9
        t = s2 * u + t
        g1 = t & 8191
        t = t >> 13
        u = h0
        t = r2 * u + t
        u = h1
        t = r1 * u + t
        u = h2
        t = r0 * u + t
        u = h3
        t = s9 * u + t
        u = h4
        t = s8 * u + t
        u = h5
        t = s7 * u + t
        u = h6
        t = s6 * u + t
        u = h7
        t = s5 * u + t
        u = h8
        t = s4 * u + t
        u = h9
        t = s3 * u + t
        g2 = t & 8191
        t = t >> 13
        u = h0
        t = r3 * u + t
        u = h1
        t = r2 * u + t
        u = h2
        t = r1 * u + t
        u = h3
        t = r0 * u + t
        u = h4
        t = s9 * u + t
        u = h5
        t = s8 * u + t
        u = h6
        t = s7 * u + t
        u = h7
        t = s6 * u + t
        u = h8
        t = s5 * u + t
        u = h9
        t = s4 * u + t
        g3 = t & 8191
        t = t >> 13
        u = h0
        t = r4 * u + t
        u = h1
        t = r3 * u + t
        u = h2
        t = r2 * u + t
        u = h3
        t = r1 * u + t
        u = h4
        t = r0 * u + t
        u = h5
        t = s9 * u + t
        u = h6
        t = s8 * u + t
        u = h7
        t = s7 * u + t
        u = h8
        t = s6 * u + t
        u = h9
        t = s5 * u + t
        g4 = t & 8191
        t = t >> 13
        u = h0
        t = r5 * u + t
        u = h1
        t = r4 * u + t
        u = h2
        t = r3 * u + t
        u = h3
        t = r2 * u + t
        u = h4
        t = r1 * u + t
        u = h5
        t = r0 * u + t
        u = h6
        t = s9 * u + t
        u = h7
        t = s8 * u + t
        u = h8
        t = s7 * u + t
        u = h9
        t = s6 * u + t
        g5 = t & 8191
        t = t >> 13
        u = h0
        t = r6 * u + t
        u = h1
        t = r5 * u + t
        u = h2
        t = r4 * u + t
        u = h3
        t = r3 * u + t
        u = h4
        t = r2 * u + t
        u = h5
        t = r1 * u + t
        u = h6
        t = r0 * u + t
        u = h7
        t = s9 * u + t
        u = h8
        t = s8 * u + t
        u = h9
        t = s7 * u + t
        g6 = t & 8191
        t = t >> 13
        u = h0
        t = r7 * u + t
        u = h1
        t = r6 * u + t
        u = h2
        t = r5 * u + t
        u = h3
        t = r4 * u + t
        u = h4
        t = r3 * u + t
        u = h5
        t = r2 * u + t
        u = h6
        t = r1 * u + t
        u = h7
        t = r0 * u + t
        u = h8
        t = s9 * u + t
        u = h9
        t = s8 * u + t
        g7 = t & 8191
        t = t >> 13
        u = h0
        t = r8 * u + t
        u = h1
        t = r7 * u + t
        u = h2
        t = r6 * u + t
        u = h3
        t = r5 * u + t
        u = h4
        t = r4 * u + t
        u = h5
        t = r3 * u + t
        u = h6
        t = r2 * u + t
        u = h7
        t = r1 * u + t
        u = h8
        t = r0 * u + t
        u = h9
        t = s9 * u + t
        g8 = t & 8191
        t = t >> 13
        u = h0
        t = r9 * u + t
        u = h1
        t = r8 * u + t
        u = h2
        t = r7 * u + t
        u = h3
        t = r6 * u + t
        u = h4
        t = r5 * u + t
        u = h5
        t = r4 * u + t
        u = h6
        t = r3 * u + t
        u = h7
        t = r2 * u + t
        u = h8
        t = r1 * u + t
        u = h9
        t = r0 * u + t
        g9 = t & 8191
        t = t >> 13
        t = t * uint(5) + g0
        h0 = t & 8191
        h1 = (t >> 13) + g1
        h2 = g2
        h3 = g3
        h4 = g4
        h5 = g5
        h6 = g6
        h7 = g7
        h8 = g8
        h9 = g9
    state[10] = h0
    state[11] = h1
    state[12] = h2
    state[13] = h3
    state[14] = h4
    state[15] = h5
    state[16] = h6
    state[17] = h7
    state[18] = h8
    state[19] = h9
    state[34] = held


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

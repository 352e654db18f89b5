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
    columns = ptr32(int(file) + 2400)
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
                c = (o[0] ^ a[0]) & n
                o[0] = o[0] ^ c
                a[0] = a[0] ^ c
                c = (o[1] ^ a[1]) & n
                o[1] = o[1] ^ c
                a[1] = a[1] ^ c
                c = (o[2] ^ a[2]) & n
                o[2] = o[2] ^ c
                a[2] = a[2] ^ c
                c = (o[3] ^ a[3]) & n
                o[3] = o[3] ^ c
                a[3] = a[3] ^ c
                c = (o[4] ^ a[4]) & n
                o[4] = o[4] ^ c
                a[4] = a[4] ^ c
                o = ptr32(int(o) + 20)
                a = ptr32(int(a) + 20)
                i -= 1
            continue
        while True:
            i = 4
            u = uint(0)
            if what == 1:
                while i:
                    u = (u >> 13) + uint(a[0]) + uint(b[0])
                    o[0] = u & 8191
                    u = (u >> 13) + uint(a[1]) + uint(b[1])
                    o[1] = u & 8191
                    u = (u >> 13) + uint(a[2]) + uint(b[2])
                    o[2] = u & 8191
                    u = (u >> 13) + uint(a[3]) + uint(b[3])
                    o[3] = u & 8191
                    u = (u >> 13) + uint(a[4]) + uint(b[4])
                    o[4] = u & 8191
                    a = ptr32(int(a) + 20)
                    b = ptr32(int(b) + 20)
                    o = ptr32(int(o) + 20)
                    i -= 1
            elif what == 2:
                n = 15168
                while i:
                    u = (u >> 13) + uint(a[0]) + uint(n) - uint(b[0])
                    n = 16382
                    o[0] = u & 8191
                    u = (u >> 13) + uint(a[1]) + uint(n) - uint(b[1])
                    o[1] = u & 8191
                    u = (u >> 13) + uint(a[2]) + uint(n) - uint(b[2])
                    o[2] = u & 8191
                    u = (u >> 13) + uint(a[3]) + uint(n) - uint(b[3])
                    o[3] = u & 8191
                    u = (u >> 13) + uint(a[4]) + uint(n) - uint(b[4])
                    o[4] = u & 8191
                    a = ptr32(int(a) + 20)
                    b = ptr32(int(b) + 20)
                    o = ptr32(int(o) + 20)
                    i -= 1
            else:
                p = columns
                b0 = uint(b[0])
                b1 = uint(b[1])
                b2 = uint(b[2])
                b3 = uint(b[3])
                b4 = uint(b[4])
                b5 = uint(b[5])
                b6 = uint(b[6])
                b7 = uint(b[7])
                b8 = uint(b[8])
                b9 = uint(b[9])
                b10 = uint(b[10])
                b11 = uint(b[11])
                b12 = uint(b[12])
                b13 = uint(b[13])
                b14 = uint(b[14])
                b15 = uint(b[15])
                b16 = uint(b[16])
                b17 = uint(b[17])
                b18 = uint(b[18])
                b19 = uint(b[19])
                p[0] = 0
                p[1] = 0
                p[2] = 0
                p[3] = 0
                p[4] = 0
                p[5] = 0
                p[6] = 0
                p[7] = 0
                p[8] = 0
                p[9] = 0
                p[10] = 0
                p[11] = 0
                p[12] = 0
                p[13] = 0
                p[14] = 0
                p[15] = 0
                p[16] = 0
                p[17] = 0
                p[18] = 0
                i = int(a) + 80
                while int(a) != i:
                    u = uint(a[0])
                    p[0] = b0 * u + uint(p[0])
                    p[1] = b1 * u + uint(p[1])
                    p[2] = b2 * u + uint(p[2])
                    p[3] = b3 * u + uint(p[3])
                    p[4] = b4 * u + uint(p[4])
                    p[5] = b5 * u + uint(p[5])
                    p[6] = b6 * u + uint(p[6])
                    p[7] = b7 * u + uint(p[7])
                    p[8] = b8 * u + uint(p[8])
                    p[9] = b9 * u + uint(p[9])
                    p[10] = b10 * u + uint(p[10])
                    p[11] = b11 * u + uint(p[11])
                    p[12] = b12 * u + uint(p[12])
                    p[13] = b13 * u + uint(p[13])
                    p[14] = b14 * u + uint(p[14])
                    p[15] = b15 * u + uint(p[15])
                    p[16] = b16 * u + uint(p[16])
                    p[17] = b17 * u + uint(p[17])
                    p[18] = b18 * u + uint(p[18])
                    p[19] = b19 * u
                    a = ptr32(int(a) + 4)
                    p = ptr32(int(p) + 4)
                u = uint(0)
                u = (u >> 13) + uint(p[0])
                p[0] = u & 8191
                u = (u >> 13) + uint(p[1])
                p[1] = u & 8191
                u = (u >> 13) + uint(p[2])
                p[2] = u & 8191
                u = (u >> 13) + uint(p[3])
                p[3] = u & 8191
                u = (u >> 13) + uint(p[4])
                p[4] = u & 8191
                u = (u >> 13) + uint(p[5])
                p[5] = u & 8191
                u = (u >> 13) + uint(p[6])
                p[6] = u & 8191
                u = (u >> 13) + uint(p[7])
                p[7] = u & 8191
                u = (u >> 13) + uint(p[8])
                p[8] = u & 8191
                u = (u >> 13) + uint(p[9])
                p[9] = u & 8191
                u = (u >> 13) + uint(p[10])
                p[10] = u & 8191
                u = (u >> 13) + uint(p[11])
                p[11] = u & 8191
                u = (u >> 13) + uint(p[12])
                p[12] = u & 8191
                u = (u >> 13) + uint(p[13])
                p[13] = u & 8191
                u = (u >> 13) + uint(p[14])
                p[14] = u & 8191
                u = (u >> 13) + uint(p[15])
                p[15] = u & 8191
                u = (u >> 13) + uint(p[16])
                p[16] = u & 8191
                u = (u >> 13) + uint(p[17])
                p[17] = u & 8191
                u = (u >> 13) + uint(p[18])
                p[18] = u & 8191
                p[19] = u >> 13
                p = columns
                u = uint(0)
                i = 4
                while i:
                    u = (u >> 13) + uint(p[0]) + uint(p[20]) * uint(608)
                    o[0] = u & 8191
                    u = (u >> 13) + uint(p[1]) + uint(p[21]) * uint(608)
                    o[1] = u & 8191
                    u = (u >> 13) + uint(p[2]) + uint(p[22]) * uint(608)
                    o[2] = u & 8191
                    u = (u >> 13) + uint(p[3]) + uint(p[23]) * uint(608)
                    o[3] = u & 8191
                    u = (u >> 13) + uint(p[4]) + uint(p[24]) * uint(608)
                    o[4] = u & 8191
                    p = ptr32(int(p) + 20)
                    o = ptr32(int(o) + 20)
                    i -= 1
            o = ptr32(int(o) - 80)
            u = uint(o[0]) + (u >> 13) * uint(608)
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

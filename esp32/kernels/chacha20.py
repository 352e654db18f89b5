"""kw/_chacha20.py: the ChaCha20 stream of RFC 8439, 2.3 and 2.4."""

from __future__ import annotations

ROUNDS = (
    (0, 4, 8, 12),
    (1, 5, 9, 13),
    (2, 6, 10, 14),
    (3, 7, 11, 15),
    (0, 5, 10, 15),
    (1, 6, 11, 12),
    (2, 7, 8, 13),
    (3, 4, 9, 14),
)

HEAD = '''\
"""ChaCha20 (RFC 8439, 2.4). Written by esp32/kernels/chacha20.py: do not edit."""

import micropython

# The words of a state: the 16 of RFC 8439, 2.3; a block of the stream; how much of it is used.
STREAM = 16
USED = 32
WORDS = 33


@micropython.viper
def xor(b: int, d: int, state: ptr32, buf: ptr8, at: int, end: int):
    """XOR the stream's next bytes into buf[at:end]. `b` and `d`: 0."""
    stream = ptr8(int(state) + 64)
    used = state[32]
    while at < end:
        if used == 64:
'''

TAIL = """\
            state[12] = state[12] + 1
            used = 0
        n = 64 - used
        if n > end - at:
            n = end - at
        i = (int(buf) + at) & 3
        if n == 64 and i == 0:
            words = ptr32(int(buf) + at)
{whole}
        else:
            i = 0
            while i < n:
                buf[at + i] = buf[at + i] ^ stream[used + i]
                i += 1
        at += n
        used += n
    state[32] = used
"""


def half(a: str, b: str, d: str, into: str, count: int) -> list[str]:
    """The lines of a += b; into = (d ^ a) <<< count.

    The shift to the left is a product, which is one instruction less.
    """
    rest = 32 - count
    low = (1 << count) - 1
    return [
        f"{a} = {a} + {b}",
        f"{into} = {a} ^ {d}",
        f"{into} = ({into} * {1 << count}) | (({into} >> {rest}) & {low})",
    ]


def quarter_round(a: int, b: int, c: int, d: int) -> list[str]:
    """RFC 8439, 2.1, with b and d in registers."""
    lines = [f"b = x{b}", f"d = x{d}"]
    for count_d, count_b in ((16, 12), (8, 7)):
        lines += half(f"x{a}", "b", "d", "d", count_d)
        lines += half(f"x{c}", "d", "b", "b", count_b)
    return [*lines, f"x{b} = b", f"x{d} = d"]


def text() -> str:
    """The file's text."""
    lines = [f"x{i} = state[{i}]" for i in range(16)]
    lines += ["i = 10", "while i:"]
    lines += ["    " + line for quarters in ROUNDS for line in quarter_round(*quarters)]
    lines += ["    i -= 1"]
    lines += [f"state[{16 + i}] = x{i} + state[{i}]" for i in range(16)]
    block = "".join([" " * 12 + line + "\n" for line in lines])
    whole = [f"words[{i}] = words[{i}] ^ state[{16 + i}]" for i in range(16)]
    return HEAD + block + TAIL.format(whole="\n".join([" " * 12 + line for line in whole]))

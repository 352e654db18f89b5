"""kw/_programs.py: the formulas of X25519 and Ed25519, for kw/_field25519.py to run.

A line is `o = a + b`, `o = a - b`, `o = a * b`, `o = a ** 2^n`, or `a <> b`, which swaps both if
the caller says so. A line of dots ends a part: what takes long is run a part at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

SWAP, ADD, SUBTRACT, MULTIPLY = range(4)
OPERATIONS = {"<>": SWAP, "+": ADD, "-": SUBTRACT, "*": MULTIPLY}


@dataclass
class Family:
    """Programs on one set of registers, which are numbered as they are named here."""

    names: str
    aliases: dict[str, str]
    programs: dict[str, str]


# z to the power of 2^250 - 1, in t1; t0 is z^11. The chain is that of Bernstein's reference.
POWER = """
t0 = z ** 2^1
t1 = t0 ** 2^2
t1 = z * t1
t0 = t0 * t1
t2 = t0 ** 2^1
t1 = t1 * t2
t2 = t1 ** 2^5
t1 = t2 * t1
t2 = t1 ** 2^10
t2 = t2 * t1
t3 = t2 ** 2^20
t2 = t3 * t2
t2 = t2 ** 2^10
t1 = t2 * t1
......
t2 = t1 ** 2^50
t2 = t2 * t1
......
t3 = t2 ** 2^100
t2 = t3 * t2
......
t2 = t2 ** 2^50
t1 = t2 * t1
"""
# 1 / z, which is z^(2^255 - 21), in t1
INVERT = POWER + "t1 = t1 ** 2^5\nt1 = t1 * t0\n"

# RFC 7748, section 5, with two steps of it named after what they begin with
X25519 = Family(
    "x1 x2 z2 x3 z3 a24 A AA B BB E C D",
    {"z": "z2", "t0": "A", "t1": "B", "t2": "C", "t3": "D"},
    {
        "LADDER": """
x2 <> x3
z2 <> z3
A = x2 + z2
AA = A ** 2^1
B = x2 - z2
BB = B ** 2^1
E = AA - BB
C = x3 + z3
D = x3 - z3
D = D * A
C = C * B
x3 = D + C
x3 = x3 ** 2^1
z3 = D - C
z3 = z3 ** 2^1
z3 = x1 * z3
x2 = AA * BB
z2 = a24 * E
z2 = AA + z2
z2 = E * z2
""",
        "LAST": "x2 <> x3\nz2 <> z3",
        "QUOTIENT": INVERT + "x2 = x2 * t1",
    },
)

# RFC 8032, 5.1.4. A point of the table is held as y - x, y + x, 2dt and 2z.
DOUBLE = """
A = X ** 2^1
B = Y ** 2^1
C = Z ** 2^1
C = C + C
H = A + B
E = X + Y
E = E ** 2^1
E = H - E
G = A - B
F = C + G
"""
ADD_POINT = """
A = Y - X
A = A * {0}m
B = Y + X
B = B * {0}p
C = T * {0}t
D = Z * {0}z
E = B - A
F = D - C
G = D + C
H = B + A
"""
RESULT = """
{0} = E * F
{1} = G * H
{3} = E * H
{2} = F * G
"""
TABLE = """
{0}m = Y - X
{0}p = Y + X
{0}t = T * d
{0}t = {0}t + {0}t
{0}z = Z + Z
"""
POINT = ("X", "Y", "Z", "T")
OTHER = ("nm", "np", "nt", "nz")  # another point, where the table is not needed
ED25519 = Family(
    "X Y Z T A B C D E F G H zero one d gm gp gt gz nm np nt nz sm sp st sz",
    {"t0": "A", "t1": "B", "t2": "C", "t3": "D"},
    {
        "DOUBLE": DOUBLE + RESULT.format(*POINT),
        "ADD_BASE": ADD_POINT.format("g") + RESULT.format(*POINT),
        "ADD_KEY": ADD_POINT.format("n") + RESULT.format(*POINT),
        "ADD_BOTH": ADD_POINT.format("s") + RESULT.format(*POINT),
        "TABLE_BASE": TABLE.format("g"),
        "TABLE_KEY": TABLE.format("n"),
        "TABLE_BOTH": TABLE.format("s"),
        "ADD_BASE_ASIDE": ADD_POINT.format("g") + RESULT.format(*OTHER),
        "CHOOSE": "\n".join([f"{a} <> {b}" for a, b in zip(POINT, OTHER, strict=True)]),
        "AFFINE": "Z = one + zero\nT = X * Y",
        "NEUTRAL": "X = zero + zero\nY = one + zero\nZ = one + zero\nT = zero + zero",
        "NEGATE": "X = zero - X",
        "TIMES_A": "X = X * A",
        # RFC 8032, 5.1.3: u in E, v in F; then x = u v^3 (u v^7)^((p-5)/8), v x^2 - u and v x^2 + u
        "DECOMPRESS": """
E = Y ** 2^1
F = d * E
E = E - one
F = F + one
G = F ** 2^1
G = G * F
H = G ** 2^1
H = H * F
H = H * E
"""
        + POWER.replace("z", "H")
        + """
t1 = t1 ** 2^2
t1 = t1 * H
X = E * G
X = X * t1
G = X ** 2^1
G = G * F
H = G - E
G = G + E
""",
        "QUOTIENTS": INVERT.replace("z", "Z") + "X = X * t1\nY = Y * t1",
    },
)


def assemble(text: str, registers: dict[str, int]) -> list[bytes]:
    """The program's parts."""
    parts = [b""]
    for line in filter(None, text.strip().split("\n")):
        if line.strip(".") == "":
            parts.append(b"")
        else:
            parts[-1] += _instruction(line.split(), registers)
    return parts


def _instruction(words: list[str], registers: dict[str, int]) -> bytes:
    if words[1] == "<>":
        first, second = registers[words[0]], registers[words[2]]
        return bytes((SWAP, first, second, 0))
    result, _, left, operation, right = words
    if operation == "**":
        squarings = int(right.removeprefix("2^"))
        operand = registers[left]
        return bytes((MULTIPLY + squarings - 1, registers[result], operand, operand))
    return bytes((OPERATIONS[operation], *[registers[name] for name in (result, left, right)]))


def _literal(data: bytes) -> str:
    return 'b"' + "".join([f"\\x{byte:02x}" for byte in data]) + '"'


def _constants(name: str, family: Family) -> Iterator[str]:
    registers = {register: number for number, register in enumerate(family.names.split())}
    yield f"# {name}: {family.names}"
    registers |= {alias: registers[register] for alias, register in family.aliases.items()}
    for program, text in family.programs.items():
        yield f"{name}_{program} = ("
        for part in assemble(text, registers):
            yield "    ("
            yield from [f"        {_literal(part[at : at + 20])}" for at in range(0, len(part), 20)]
            yield "    ),"
        yield ")"


def text() -> str:
    """The file's text."""
    head = (
        '"""Programs for kw/_field25519.py. Written by esp32/kernels/programs.py: do not edit."""\n'
    )
    return "\n".join([head, *_constants("X25519", X25519), "", *_constants("ED25519", ED25519), ""])

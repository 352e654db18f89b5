"""Runs the machine code that mpy-cross makes of viper functions for the ESP32, and counts it.

A function's code is translated to Python, one statement for each instruction, and run on a memory
of its own: the values are those that an ESP32 computes, and so is the number of instructions. Only
what viper emits is known, and what would trap there raises here: unaligned words above all.

Source: Xtensa Instruction Set Architecture reference manual, with the windowed option.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

from esp32 import mpy

_CODE, _TABLE, _STACK, _HEAP = 0x1000, 0x8000, 0x10000, 0x10000
_SIZE = 0x40000
_CONVERSIONS = (3, 4)  # between objects and numbers, in mp_fun_table: here they are the same
_CHECKS_ARGUMENTS = 44
_WORD = 0xFFFFFFFF


class Trap(Exception):
    """The processor would not have gone on."""


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> bits - 1 & 1 else value


class _Decoder:
    """The statement of the instruction at `pc`; `size`, and where it may go instead of on."""

    def __init__(self, code: bytes, pc: int) -> None:
        b0, b1, self.b2 = (*code[pc : pc + 3], 0, 0)[:3]
        self.code, self.pc = code, pc
        self.t, self.s, self.r = b0 >> 4, b1 & 15, b1 >> 4
        self.op0, self.op1, self.op2 = b0 & 15, self.b2 & 15, self.b2 >> 4
        self.word = b0 | b1 << 8 | self.b2 << 16
        self.size = 2 if self.op0 >= 8 else 3
        self.target: int | None = None
        self.ends = False
        self.text = getattr(self, f"_op{self.op0:x}")()

    def _op0(self) -> str:
        t, s, r = f"a{self.t}", f"a{self.s}", f"a{self.r}"
        values = {
            (0, 1): f"{s} & {t}",
            (0, 2): f"{s} | {t}",
            (0, 3): f"{s} ^ {t}",
            (0, 8): f"{s} + {t}",
            (0, 9): f"({s} << 1) + {t}",
            (0, 10): f"({s} << 2) + {t}",
            (0, 12): f"{s} - {t}",
            (1, 9): f"{t} >> sar",
            (1, 10): f"{s} << 32 - sar",
            (1, 11): f"({t} ^ 0x80000000) - 0x80000000 >> sar",
            (2, 8): f"{s} * {t}",
        }
        if (self.op1, self.op2) in values:
            return f"{r} = {values[self.op1, self.op2]} & {_WORD}"
        if (self.op1, self.op2, self.r) in ((0, 4, 0), (0, 4, 1)):  # ssr, ssl
            return f"sar = 32 - ({s} & 31)" if self.r else f"sar = {s} & 31"
        if self.word & 0xFFF0FF == 0x0000E0:  # callx8
            return f"a10 = call({s}, a10)"
        raise Trap(f"instruction {self.word:06x}")

    def _op1(self) -> str:
        at = (self.pc + 3 & ~3) - 0x40000 + ((self.word >> 8) << 2)
        return f"a{self.t} = {int.from_bytes(self.code[at : at + 4], 'little')}"

    def _op2(self) -> str:
        t, s, r, imm = self.t, self.s, self.r, self.b2
        if r == 10:
            return f"a{t} = {_signed(imm | s << 8, 12) & _WORD}"
        if r in (12, 13):
            return f"a{t} = a{s} + {_signed(imm, 8) << (8 if r == 13 else 0)} & {_WORD}"
        if r in (0, 4):
            place = f"bytes_[a{s} + {imm}]"
            return f"a{t} = {place}" if r == 0 else f"{place} = a{t} & 255"
        if r in (1, 5):
            place = f"halves[even(a{s} + {2 * imm})]"
            return f"a{t} = {place}" if r == 1 else f"{place} = a{t} & 65535"
        if r in (2, 6):
            return self._memory(s, 4 * imm, r == 2)
        raise Trap(f"instruction {self.word:06x}")

    def _memory(self, base: int, offset: int, load: bool) -> str:
        where = f"a1 + {offset} >> 2" if base == 1 else f"word(a{base} + {offset})"
        return f"a{self.t} = words[{where}]" if load else f"words[{where}] = a{self.t}"

    def _op6(self) -> str:
        n, m = self.t & 3, self.t >> 2
        if n == 0:
            self.target, self.ends = self.pc + 4 + _signed(self.word >> 6, 18), True
            return ""
        if n == 1:
            self.target = self.pc + 4 + _signed(self.word >> 12, 12)
            sign = f"a{self.s} >> 31"
            tests = (f"not a{self.s}", f"a{self.s}", sign, f"not {sign}")
            return tests[m]
        if n == 3 and m == 0:
            return f"a{self.s} -= {(self.word >> 12) * 8}"
        raise Trap(f"instruction {self.word:06x}")

    def _op7(self) -> str:
        self.target = self.pc + 4 + _signed(self.b2, 8)
        s, t = f"a{self.s}", f"a{self.t}"
        signed = f"({s} ^ 0x80000000) {{}} ({t} ^ 0x80000000)"
        tests = {1: f"{s} == {t}", 9: f"{s} != {t}", 3: f"{s} < {t}", 11: f"{s} >= {t}"}
        tests |= {2: signed.format("<"), 10: signed.format(">=")}
        return tests[self.r]

    def _op8(self) -> str:
        return self._memory(self.s, 4 * self.r, True)

    def _op9(self) -> str:
        return self._memory(self.s, 4 * self.r, False)

    def _opa(self) -> str:
        return f"a{self.r} = a{self.s} + a{self.t} & {_WORD}"

    def _opb(self) -> str:
        return f"a{self.r} = a{self.s} + {self.t or -1} & {_WORD}"

    def _opc(self) -> str:
        if self.t & 8:
            raise Trap("beqz.n")
        value = self.r | (self.t & 7) << 4
        return f"a{self.s} = {(value - 128 if value >= 96 else value) & _WORD}"

    def _opd(self) -> str:
        if self.r == 0:
            return f"a{self.t} = a{self.s}"
        if self.r == 15 and self.t == 1:
            self.ends = True
            return "return a2, count"
        raise Trap(f"instruction {self.word:04x}")


def _blocks(code: bytes) -> dict[int, list[_Decoder]]:
    """The straight runs of instructions, by the place of their first."""
    leaders, waiting = set(), [0]
    decoded: dict[int, _Decoder] = {}
    while waiting:
        pc = waiting.pop()
        leaders.add(pc)
        while pc not in decoded:
            one = decoded[pc] = _Decoder(code, pc)
            if one.target is not None:
                waiting.append(one.target)
                leaders |= {one.target, pc + one.size}
            if one.ends:
                break
            pc += one.size
    blocks: dict[int, list[_Decoder]] = {}
    for pc in sorted(decoded):
        if pc in leaders:
            current = blocks[pc] = []
        current.append(decoded[pc])
    return blocks


def translate(code: bytes) -> Callable[..., tuple[int, int]]:
    """The code as a Python function of (words, halves, bytes, call, a1 to a5)."""
    lines = ["def function(words, halves, bytes_, call, word, even, a1, a2, a3, a4, a5):"]
    lines += ["    a0 = sar = count = 0", "    pc = 0", "    while True:"]
    blocks = _blocks(code)
    for number, (pc, block) in enumerate(blocks.items()):
        lines.append(f"        {'el' if number else ''}if pc == {pc}:")
        lines.append(f"            count += {len(block)}")
        *body, last = block
        lines += [f"            {one.text}" for one in body]
        behind = last.pc + last.size
        if last.target is None:
            lines.append(f"            {last.text}")
            lines += [] if last.ends else [f"            pc = {behind}"]
        elif last.ends:
            lines.append(f"            pc = {last.target}")
        else:
            lines.append(f"            pc = {last.target} if {last.text} else {behind}")
    names: dict[str, Callable[..., tuple[int, int]]] = {}
    exec(compile("\n".join(lines), "<xtensa>", "exec"), names)
    return names["function"]


def _word(address: int) -> int:
    if address & 3 or address < 0:
        raise Trap(f"word at {address:x}")
    return address >> 2


def _even(address: int) -> int:
    if address & 1:
        raise Trap(f"half word at {address:x}")
    return address >> 1


class Machine:
    """The viper functions of a module, as callables that take numbers and buffers.

    `count`: instructions executed since it was last set to 0. `shift` moves all buffers by so many
    bytes from where a word may lie.
    """

    def __init__(self, source: Path, compiled: Path) -> None:
        self._memory = bytearray(_SIZE)
        view = memoryview(self._memory)
        self._words, self._halves = view.cast("I"), view.cast("H")
        self.count = 0
        self.shift = 0
        tree = ast.parse(source.read_text())
        names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        file = mpy.read(compiled)
        assert file.architecture == "xtensawin"
        self.size = sum([len(code) for code in file.native])
        for name, code in zip(names, file.native, strict=True):
            setattr(self, name, self._callable(translate(code)))
        # The function object, its context, the tables; a call's target names the entry it is of.
        words = self._words
        words[_TABLE + 4 >> 2] = _TABLE + 0x100
        words[_TABLE + 0x108 >> 2] = _TABLE + 0x200
        words[_TABLE + 0x10C >> 2] = _TABLE + 0x300
        for entry in range(8):  # one of the module's constants is mp_fun_table
            words[_TABLE + 0x300 + 4 * entry >> 2] = _TABLE + 0x400
        for entry in range(80):
            words[_TABLE + 0x400 + 4 * entry >> 2] = 0x80000000 | entry

    def _call(self, target: int, value: int) -> int:
        if target & 0xFFFF not in (*_CONVERSIONS, _CHECKS_ARGUMENTS):
            raise Trap(f"calls entry {target & 0xFFFF} of mp_fun_table")
        return value

    def _callable(self, function: Callable[..., tuple[int, int]]) -> Callable[..., int]:
        def call(*arguments: int | bytearray | memoryview) -> int:
            at, placed = _HEAP, []
            for number, argument in enumerate(arguments):
                value = argument
                if not isinstance(argument, int):
                    value = at + (self.shift if number > 2 else 0)
                    self._memory[value : value + len(argument)] = argument
                    placed.append((argument, value))
                    at += len(argument) + 32 & ~15
                self._words[_TABLE + 0x800 + 4 * number >> 2] = value & _WORD
            frame = (_TABLE, len(arguments), 0, _TABLE + 0x800)
            views = (self._words, self._halves, self._memory)
            result, count = function(*views, self._call, _word, _even, _STACK, *frame)
            self.count += count
            for argument, value in placed:
                if not isinstance(argument, bytes):
                    argument[:] = self._memory[value : value + len(argument)]
            return _signed(result, 32)

        return call

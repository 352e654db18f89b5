"""What the linker says it put where (lld's --print-map), and those bytes of the finished file."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PT_LOAD = 1
_NOT_LOADED = (".comment", ".debug", ".mdebug", ".pdr", ".strtab", ".shstrtab", ".symtab")
_ZERO = (".bss", ".sbss", ".tbss", "COMMON")


@dataclass(frozen=True)
class Piece:
    """A section of one object file, as it was linked in. `file` as the linker was given it."""

    address: int
    size: int
    file: str
    section: str

    @property
    def stem(self) -> str:
        """The object's name alone, without .o; for a member of an archive that one's."""
        return Path(self.file.removesuffix(")").rpartition("(")[2]).stem


def pieces(text: str) -> Iterator[Piece]:
    """Those that are loaded from the file: not what is only zero in memory or for a debugger."""
    for line in text.splitlines():
        fields = line.split(maxsplit=4)
        if len(fields) < 5 or ":(" not in fields[4]:
            continue
        file, _, section = fields[4].partition(":(")
        piece = Piece(int(fields[0], 16), int(fields[2], 16), file, section.rstrip(")"))
        if piece.size and not piece.section.startswith((*_ZERO, *_NOT_LOADED)):
            yield piece


class Elf:
    """The bytes of an executable by the address at which they are loaded."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        wide = data[4] == 2
        order = "<" if data[5] == 1 else ">"
        # e_phoff, and e_phentsize and e_phnum; then of each header what is needed, see elf(5).
        start = struct.unpack_from(order + ("Q" if wide else "I"), data, 32 if wide else 28)[0]
        step, count = struct.unpack_from(order + "HH", data, 54 if wide else 42)
        self._loaded = []
        for at in range(start, start + step * count, step):
            if wide:
                kind, _, offset, address, _, size = struct.unpack_from(order + "IIQQQQ", data, at)
            else:
                kind, offset, address, _, size = struct.unpack_from(order + "IIIII", data, at)
            if kind == _PT_LOAD:
                self._loaded.append((address, offset, size))

    def at(self, address: int, size: int) -> bytes:
        for start, offset, length in self._loaded:
            if start <= address and address + size <= start + length:
                begin = offset + address - start
                return self._data[begin : begin + size]
        raise ValueError(f"{size} bytes at {address:#x} are not in the file")

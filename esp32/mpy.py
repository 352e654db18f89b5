"""Reads .mpy files: what native code they contain, and for which processor.

The format is that of MicroPython's py/persistentcode.c, version 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

VERSION = 6
ARCHITECTURES = (
    *("bytecode", "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp"),
    *("xtensa", "xtensawin", "rv32imc", "rv64imc"),
)
_BYTECODE, _NATIVE, _VIPER, _ASSEMBLY = range(4)
_RODATA, _BSS = 0x20, 0x40  # flags of a viper function of a native module
_FUNCTION_TABLE, _NONE, _FALSE, _TRUE, _ELLIPSIS, _STRING, _BYTES, _INT, _FLOAT = range(9)
_TUPLE = 10


@dataclass
class Mpy:
    """The processor's name, and the machine code of each function in the order of their ends."""

    architecture: str
    native: list[bytes]


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        part = self._data[self._at : self._at + size]
        if len(part) != size:
            raise ValueError("the .mpy file ends too early")
        self._at += size
        return part

    def uint(self) -> int:
        value = 0
        while True:
            [byte] = self.take(1)
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value


def read(path: Path) -> Mpy:
    """Raises ValueError if it is no .mpy file of this version."""
    reader = _Reader(path.read_bytes())
    magic, version, features, _ = reader.take(4)
    if magic != ord("M") or version != VERSION:
        raise ValueError(f"{path} is no .mpy file of version {VERSION}")
    strings, objects = reader.uint(), reader.uint()
    for _ in range(strings):
        size = reader.uint()
        if not size & 1:
            reader.take((size >> 1) + 1)
    for _ in range(objects):
        _object(reader)
    native: list[bytes] = []
    _function(reader, native)
    return Mpy(ARCHITECTURES[features >> 2 & 15], native)


def _object(reader: _Reader) -> None:
    [kind] = reader.take(1)
    if kind <= _ELLIPSIS:
        return
    size = reader.uint()
    if kind == _TUPLE:
        for _ in range(size):
            _object(reader)
    else:
        reader.take(size + (kind in (_STRING, _BYTES)))


def _function(reader: _Reader, native: list[bytes]) -> None:
    head = reader.uint()
    kind, code = head & 3, reader.take(head >> 3)
    if kind == _NATIVE:
        reader.uint()
    elif kind != _BYTECODE:
        _viper(reader, kind)
    if kind != _BYTECODE:
        native.append(code)
    if head & 4:
        for _ in range(reader.uint()):
            _function(reader, native)


def _viper(reader: _Reader, kind: int) -> None:
    flags = reader.uint()
    if kind == _ASSEMBLY:
        reader.uint()
        reader.uint()
    constants = reader.uint() if kind == _VIPER and flags & _RODATA else 0
    if kind == _VIPER and flags & _BSS:
        reader.uint()
    reader.take(constants)

"""Files of models for the tests, made by hand."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge.models.manifest import Manifest
from edge.models.read import read_table
from edge.models.table import Table

F32, F16, Q4_0 = 0, 1, 2
_KINDS = {int: 4, str: 8, float: 6, bool: 7, list: 9}


def gguf(
    tensors: Sequence[tuple[str, Sequence[int], int, int]],
    values: dict[str, Any] | None = None,
    *,
    version: int = 3,
    order: str = "<",
    size: int = 0,
    alignment: int = 32,
    counts: tuple[int, int] | None = None,
) -> bytes:
    """A file with `tensors`: (name, dimensions, ggml's type, offset), and zeros up to `size`."""
    values = {"general.architecture": "llama", **(values or {})}
    out = bytearray(b"GGUF" + struct.pack(f"{order}I", version))
    out += struct.pack(f"{order}QQ", *(counts or (len(tensors), len(values))))
    for key, value in values.items():
        out += _text(key, order) + _value(value, order)
    for name, shape, kind, offset in tensors:
        out += _text(name, order) + struct.pack(f"{order}I", len(shape))
        out += struct.pack(f"{order}{len(shape)}Q", *shape) + struct.pack(
            f"{order}IQ", kind, offset
        )
    out += bytes(-len(out) % alignment)
    return bytes(out + bytes(max(0, size - len(out))))


def _text(text: str, order: str) -> bytes:
    data = text.encode("utf-8", "surrogateescape")
    return struct.pack(f"{order}Q", len(data)) + data


def _value(value: Any, order: str) -> bytes:
    kind = struct.pack(f"{order}I", _KINDS[type(value)])
    if isinstance(value, str):
        return kind + _text(value, order)
    if isinstance(value, list):
        inner = b"".join([_value(each, order)[4:] for each in value])
        element = _KINDS[type(value[0])] if value else 4
        return kind + struct.pack(f"{order}IQ", element, len(value)) + inner
    return kind + struct.pack(order + {bool: "?", int: "I", float: "f"}[type(value)], value)


def safetensors(header: Any, data: int = 0, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + bytes(data)


def entry(kind: str, shape: Sequence[int], start: int, end: int) -> dict[str, Any]:
    return {"dtype": kind, "shape": list(shape), "data_offsets": [start, end]}


def table(data: bytes) -> Table:
    return read_table(lambda offset, length: data[offset : offset + length], len(data))


def table_of(path: Path) -> Table:
    with path.open("rb", buffering=0) as file:

        def read(offset: int, length: int) -> bytes:
            file.seek(offset)
            return file.read(length)

        return read_table(read, path.stat().st_size)


def manifest(data: bytes) -> Manifest:
    return Manifest.of(table(data))

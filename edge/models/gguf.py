"""GGUF, llama.cpp's format: metadata, then a table of tensors, then their data.

Versions 2 and 3, of both byte orders. Of the metadata what describes the model is kept; the
vocabulary, which is most of it, is passed over.

Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, and ggml's table of types
"""

from __future__ import annotations

import struct

from edge.models.errors import ModelError
from edge.models.table import (
    EMBEDDING,
    GGUF,
    HAS_EMBEDDING,
    HAS_OUTPUT,
    HEAD,
    MAX_BLOCKS,
    OTHER,
    Table,
    shown,
    too_many,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.models.cursor import Cursor
    from edge.models.table import Value

MAX_PAIRS = 4096  # of the metadata
MAX_KEPT = 256  # of them, of all that may describe the model
MAX_KEY = 65535  # bytes, as the format says
MAX_TEXT = 256  # bytes of a value that is kept
MAX_ARRAY = 512  # numbers of an array that is kept
MAX_STRINGS = 1 << 22  # in all arrays; a large vocabulary has 2**18, and as many merges
MAX_NAME = 64  # bytes of a tensor's name, as in ggml
_MAX_DIMENSIONS = 4  # as in ggml
_ALIGNMENT = 32  # where the metadata does not say

_GENERAL = ("general.architecture", "general.file_type", "general.quantization_version")
_STRING, _ARRAY = 8, 9
_SCALARS = dict(enumerate("BbHhIif?", 0)) | {10: "Q", 11: "q", 12: "d"}  # by type, as in struct
# Elements of a block and its bytes, by ggml's number of the type.
_TYPES = {
    **{0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34)},
    **{9: (32, 40), 10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176)},
    **{14: (256, 210), 15: (256, 292), 16: (256, 66), 17: (256, 74), 18: (256, 98)},
    **{19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1)},
    **{25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2)},
    **{34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36), 41: (128, 18)},
}
_EMBEDDINGS = (b"token_embd", b"token_types", b"position_embd", b"per_layer_token_embd")
_HEADS = (b"output.", b"output_norm", b"cls.", b"cls_")


def read(cursor: Cursor, most: int) -> Table:
    """`most`: tensors that are read. Raises ModelError."""
    table = Table(GGUF, cursor.size, most)
    _version(cursor)
    tensors, pairs = cursor.number(8), cursor.number(8)
    if tensors > most:
        raise too_many(most)
    if pairs > MAX_PAIRS:
        raise ModelError(f"more than {MAX_PAIRS} pairs of metadata")
    _describe(table, _Metadata(cursor).read(pairs))
    entries = [_entry(cursor) for _ in range(tensors)]
    table.start = -(-cursor.position // table.alignment) * table.alignment
    if not entries:  # a vocabulary alone need not be padded
        table.start = min(table.start, table.size)
    for name, offset, length in entries:
        if offset % table.alignment:
            raise ModelError(f"{shown(name)} is not aligned to {table.alignment} bytes")
        table.add(name, _part(name), table.start + offset, length)
        if name == b"token_embd.weight":
            table.matrices |= HAS_EMBEDDING
        elif name == b"output.weight":
            table.matrices |= HAS_OUTPUT
    table.finish()
    return table


def _version(cursor: Cursor) -> None:
    """Read the start, and learn the byte order of the rest."""
    start = cursor.take(8)[4:]
    if start[0] == 0 and start[3]:
        cursor.order = "big"
    version = int.from_bytes(start, cursor.order)  # type: ignore[arg-type]
    if version not in (2, 3):
        raise ModelError(f"GGUF of version {version}; 2 and 3 are read")


class _Metadata:
    """Reads the pairs. Which of them describe the model is known when its architecture is."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._strings = 0
        self._formats = "<" if cursor.order == "little" else ">"

    def read(self, pairs: int) -> dict[str, Value]:
        kept: dict[str, Value] = {}
        seen: set[bytes] = set()
        for _ in range(pairs):
            key = self._text(MAX_KEY)
            if key in seen:
                raise ModelError(f"two values for {shown(key)}")
            seen.add(key[:MAX_TEXT])
            value = self._value(self._cursor.number(4), _wanted(key))
            if value is not None and _wanted(key):
                kept[key.decode()] = value
                if len(kept) > MAX_KEPT:
                    raise ModelError(f"more than {MAX_KEPT} values that may describe a model")
        return kept

    def _text(self, most: int) -> bytes:
        length = self._cursor.number(8)
        if length > most:
            raise ModelError(f"a text of {length} bytes where {most} are allowed")
        return self._cursor.take(length)

    def _value(self, kind: int, wanted: bool) -> Value | None:
        """None for what is not kept."""
        if kind == _STRING:
            length = self._cursor.number(8)
            if not wanted or length > MAX_TEXT:
                self._cursor.skip(length)
                return None
            return _decoded(self._cursor.take(length))
        if kind == _ARRAY:
            return self._array(wanted)
        form = self._form(kind)
        value: bool | int | float = struct.unpack(form, self._cursor.take(struct.calcsize(form)))[0]
        return value if _finite(value) else None

    def _array(self, wanted: bool) -> list[int] | None:
        kind, count = self._cursor.number(4), self._cursor.number(8)
        if kind == _STRING:
            self._strings += count
            if self._strings > MAX_STRINGS:
                raise ModelError(f"more than {MAX_STRINGS} strings in arrays")
            self._cursor.skip_strings(count)
            return None
        form = self._form(kind)
        width = struct.calcsize(form)
        if not wanted or form[1] in "fd" or count > MAX_ARRAY:
            self._cursor.skip(width * count)
            return None
        taken = self._cursor.take(width * count)
        return list(struct.unpack(f"{form[0]}{count}{form[1]}", taken))

    def _form(self, kind: int) -> str:
        if kind not in _SCALARS:
            raise ModelError(f"metadata of an unknown type, {kind}")
        return self._formats + _SCALARS[kind]


def _wanted(key: bytes) -> bool:
    """Whether a value may describe the model."""
    if len(key) > MAX_TEXT or not key.isascii():
        return False
    text = key.decode()
    if text.startswith("general."):
        return text in _GENERAL or text == "general.alignment"
    return "." in text and not text.startswith("tokenizer.")


def _decoded(text: bytes) -> str | None:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return None


def _finite(value: float) -> bool:
    """What is not has no one encoding."""
    return value - value == 0


def _describe(table: Table, found: dict[str, Value]) -> None:
    """What the metadata says, without what the author says of himself."""
    alignment = found.pop("general.alignment", _ALIGNMENT)
    if type(alignment) is not int or alignment <= 0 or alignment & (alignment - 1):
        raise ModelError(f"an alignment of {alignment}, which is no power of two")
    table.alignment = alignment
    architecture = found.get("general.architecture", "")
    if isinstance(architecture, str):
        table.architecture = architecture
    own = f"{table.architecture}."
    table.metadata = {
        key: value
        for key, value in found.items()
        if key in _GENERAL[1:] or key.startswith("split.") or key.startswith(own)
    }
    blocks = found.get(own + "block_count", 0)
    if type(blocks) is not int or not 0 <= blocks <= MAX_BLOCKS:
        raise ModelError(f"{blocks} blocks; a model has {MAX_BLOCKS} at most")
    table.block_count = blocks


def _entry(cursor: Cursor) -> tuple[bytes, int, int]:
    """(name, offset in the data, bytes) of a tensor."""
    length = cursor.number(8)
    if not 0 < length <= MAX_NAME:
        raise ModelError(f"a tensor's name of {length} bytes; ggml takes 1 to {MAX_NAME}")
    name = cursor.take(length)
    dimensions = cursor.number(4)
    if dimensions > _MAX_DIMENSIONS:
        raise ModelError(f"{shown(name)} has {dimensions} dimensions; ggml takes {_MAX_DIMENSIONS}")
    shape = [cursor.number(8) for _ in range(dimensions)]
    kind, offset = cursor.number(4), cursor.number(8)
    if kind not in _TYPES:
        raise ModelError(f"{shown(name)} is of type {kind}, which is unknown here")
    elements = 1
    for size in shape:
        elements *= size
    block, width = _TYPES[kind]
    if (shape[0] if shape else 1) % block:
        raise ModelError(f"the rows of {shown(name)} are no whole number of blocks")
    return name, offset, elements // block * width


def _part(name: bytes) -> int:
    if name.startswith(b"blk."):
        number = name[4:].partition(b".")[0]
        if number.isdigit() and len(number) <= MAX_NAME:
            return int(number)
    if name.startswith(_EMBEDDINGS):
        return EMBEDDING
    return HEAD if name.startswith(_HEADS) else OTHER

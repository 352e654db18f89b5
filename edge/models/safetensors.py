"""safetensors, the hub's format: the length of a header, the header in JSON, the data.

As the format wants it, the tensors fill the data without a hole. The header is read token by token:
as a tree it would take a hundred times its length.

Source: https://github.com/huggingface/safetensors, "Format"
"""

from __future__ import annotations

import json
import re

from edge.models.errors import ModelError
from edge.models.table import (
    EMBEDDING,
    HAS_EMBEDDING,
    HAS_OUTPUT,
    HEAD,
    MAX_NAME,
    OTHER,
    SAFETENSORS,
    Table,
    shown,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.models.cursor import Cursor

MAX_HEADER = 2 << 20  # bytes; the format allows 100 MB, a shard of 5 GB has some 60 kB
_PER_TENSOR = 128  # bytes of it for each tensor that is read at most
_MAX_DIMENSIONS = 32
_READ = 1 << 16
_METADATA = "__metadata__"

_BITS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"), 8),
    **dict.fromkeys(("F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
    **{"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6},
}
_TOKEN = re.compile(
    r'[ \t\r\n]*+("(?:[^"\\\x00-\x1f]++|\\.)*+"|(?:0|[1-9][0-9]{0,18})(?![0-9])|[{}\[\]:,])'
)
# How those who write models of language in this format call what they are made of.
_STEM = r"(?:(?:model|language_model|text_model|transformer|gpt_neox|backbone|decoder)\.){0,4}"
_BLOCK = re.compile(_STEM + r"(?:layers|h|blocks)\.([0-9]{1,9})\.")
_EMBEDDING = re.compile(
    _STEM
    + r"(?:(embed_tokens|embed_in|embeddings?|word_embeddings|wte|tok_embeddings)"
    + r"|embed_positions|wpe|word_embeddings_layernorm)\."
)
_HEAD = re.compile(_STEM + r"(?:(lm_head|embed_out|output)|norm|norm_f|ln_f|final_layer_?norm)\.")


def read(cursor: Cursor, most: int) -> Table:
    """`most`: tensors that are read. Raises ModelError."""
    table = Table(SAFETENSORS, cursor.size, most)
    length, longest = cursor.number(8), min(MAX_HEADER, most * _PER_TENSOR)
    if length > longest:
        raise ModelError(f"a header of {length} bytes, of which {longest} are read here at most")
    table.start = 8 + length
    tokens = _Tokens(_text(cursor, length))
    described = False
    for name in tokens.members():
        if name != _METADATA:
            _add(table, name, *_entry(tokens))
        elif described:
            raise ModelError(f"two values for {_METADATA}")
        else:
            tokens.skip_texts()
            described = True
    tokens.finish()
    _refuse_holes(table)
    table.finish()
    return table


def _text(cursor: Cursor, length: int) -> str:
    data = bytearray()
    while len(data) < length:
        data += cursor.take(min(_READ, length - len(data)))
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ModelError("a header that is not UTF-8") from None


class _Tokens:
    """Reads JSON forward, as far as a header uses it. All raise ModelError."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def members(self) -> Iterator[str]:
        """The names in the object that begins here; the caller reads the value of each."""
        for first in self._items("{", "}"):
            name = _decoded(first)
            self._expect(":")
            yield name

    def numbers(self, most: int) -> list[int]:
        """Whole numbers in an array."""
        found: list[int] = []
        for first in self._items("[", "]"):
            if not first.isdigit() or len(found) == most:
                raise self._wrong()
            found.append(int(first))
        return found

    def text(self) -> str:
        return _decoded(self._next())

    def skip_texts(self) -> None:
        """Pass over an object of texts."""
        for first in self._items("{", "}"):
            self._expect(":")
            if first[0] != '"' or self._next()[0] != '"':
                raise self._wrong()

    def finish(self) -> None:
        if self._text[self._at :].strip(" \t\r\n"):
            raise self._wrong()

    def _items(self, opening: str, closing: str) -> Iterator[str]:
        """The first token of each item; the caller reads the rest of it."""
        self._expect(opening)
        first = self._next()
        if first == closing:
            return
        while True:
            yield first
            if self._expect(",", closing) == closing:
                return
            first = self._next()

    def _next(self) -> str:
        found = _TOKEN.match(self._text, self._at)
        if found is None:
            raise self._wrong()
        self._at = found.end()
        return found[1]

    def _expect(self, *marks: str) -> str:
        mark = self._next()
        if mark not in marks:
            raise self._wrong()
        return mark

    def _wrong(self) -> ModelError:
        return ModelError(f"a header of another form, near its character {self._at}")


def _decoded(quoted: str) -> str:
    """The text that a token is. Raises ModelError."""
    try:
        if quoted[0] != '"' or len(quoted) > 2 + 6 * MAX_NAME:
            raise ValueError
        text: str = json.loads(quoted)
        text.encode()
    except ValueError:  # also half of a pair
        raise ModelError("a name in the header that is none") from None
    return text


def _entry(tokens: _Tokens) -> tuple[str, list[int], list[int]]:
    """(type, shape, offsets) of a tensor."""
    kind, shape, offsets = None, None, None
    for name in tokens.members():
        if name == "dtype" and kind is None:
            kind = tokens.text()
        elif name == "shape" and shape is None:
            shape = tokens.numbers(_MAX_DIMENSIONS)
        elif name == "data_offsets" and offsets is None:
            offsets = tokens.numbers(2)
        else:
            raise ModelError(f"a tensor with an unknown or repeated {shown(name.encode())}")
    if kind is None or shape is None or offsets is None or len(offsets) < 2:
        raise ModelError("a tensor without its type, shape or offsets")
    return kind, shape, offsets


def _add(table: Table, name: str, kind: str, shape: list[int], offsets: list[int]) -> None:
    label = name.encode()
    if kind not in _BITS:
        raise ModelError(f"{shown(label)} is of type {shown(kind.encode())}, unknown here")
    bits = _BITS[kind]
    for size in shape:
        bits *= size
        if bits >= 1 << 66:
            raise ModelError(f"{shown(label)} is larger than any file")
    start, end = offsets
    if bits != 8 * (end - start):
        raise ModelError(f"{shown(label)} has a shape and offsets that contradict each other")
    table.add(label, _part(table, name), table.start + start, end - start)


def _part(table: Table, name: str) -> int:
    if found := _BLOCK.match(name):
        return int(found[1])
    if found := _EMBEDDING.match(name):
        table.matrices |= HAS_EMBEDDING if found[1] else 0
        return EMBEDDING
    if found := _HEAD.match(name):
        table.matrices |= HAS_OUTPUT if found[1] else 0
        return HEAD
    return OTHER


def _refuse_holes(table: Table) -> None:
    at = table.start
    for offset, length, _ in sorted(table.tensors):
        if offset > at:
            raise ModelError("a hole between tensors, which the format forbids")
        at = max(at, offset + length)
    if at != table.size:
        raise ModelError("bytes behind the last tensor, which the format forbids")

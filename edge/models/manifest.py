"""Manifests: which bytes of a file each part of a model needs, without the file.

A manifest lists the runs of its file in order, each of one part; so they cover the file once,
whatever order the parts have in it. It tells no time and no name: the same file has the same
manifest everywhere, and its id is the SHA-256 of its encoding. A model in several files has a
manifest for each, and a set that lists them.

Encoding: MessagePack in its shortest form, an array of fixed layout (docs/wire-formats.md).
"""

from __future__ import annotations

import hashlib
import operator

from edge.models.errors import ModelError
from edge.models.table import (
    FORMATS,
    HAS_EMBEDDING,
    HAS_OUTPUT,
    HEADER,
    MAX_BLOCKS,
    PADDING,
    TAIL,
)
from edge.wire import packed
from edge.wire.errors import RemoteProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from edge.models.table import Table, Value

    Runs = Sequence[tuple[int, int]]  # (part, bytes)

MAX_MANIFEST = 1 << 16  # bytes of one encoded, and of a set
MAX_RUNS = 1 << 13
MAX_FILES = 1 << 9  # of a set
_MAX_TEXT = 256
_MAX_SIZE = 1 << 62  # bytes of a file
_VERSION = 1
_MODEL, _SET = "model", "set"
_HASH = 32


class Manifest:
    """`size`: of the file in bytes. `block_count`: of the model, as far as the file tells.

    `matrices`: HAS_EMBEDDING | HAS_OUTPUT. `runs`: (part, bytes) in the file's order.
    """

    __slots__ = (
        "architecture",
        "block_count",
        "format",
        "matrices",
        "metadata",
        "runs",
        "size",
    )

    def __init__(
        self,
        file_format: str,
        size: int,
        architecture: str,
        block_count: int,
        matrices: int,
        metadata: dict[str, Value],
        runs: Runs,
    ) -> None:
        self.format = file_format
        self.size = size
        self.architecture = architecture
        self.block_count = block_count
        self.matrices = matrices
        self.metadata = metadata
        self.runs = runs

    @classmethod
    def of(cls, table: Table) -> Manifest:
        """The manifest of the file with `table`. Raises ModelError."""
        return cls(
            table.format,
            table.size,
            table.architecture,
            table.block_count,
            table.matrices,
            table.metadata,
            _runs(table),
        )

    @property
    def tied(self) -> bool:
        """Whether the embedding is the output matrix as well, for all that this file tells."""
        return self.matrices == HAS_EMBEDDING

    @property
    def parts(self) -> list[int]:
        """What the file holds, in rising order."""
        return sorted({part for part, _ in self.runs})

    def extents(self, part: int) -> list[tuple[int, int]]:
        """The (offset, bytes) of a part, in the file's order."""
        found = []
        at = 0
        for of, length in self.runs:
            if of == part:
                found.append((at, length))
            at += length
        return found

    def encode(self) -> bytes:
        """Raises ModelError if it is too long."""
        metadata = [[key, self.metadata[key]] for key in sorted(self.metadata)]
        runs = [number for run in self.runs for number in run]
        about = [self.format, self.size, self.architecture, self.block_count, self.matrices]
        return _bounded(packed.dumps([_VERSION, _MODEL, *about, metadata, runs]))

    @classmethod
    def decode(cls, data: bytes) -> Manifest:
        """Raises ModelError unless `data` is what `encode` makes of a possible file."""
        fields = _fields(data, _MODEL, 9)
        file_format, size, architecture, block_count, matrices, metadata, runs = fields[2:]
        about = (file_format, size, architecture, block_count, matrices)
        if not _possible(*about) or not _possible_metadata(metadata):
            raise ModelError("a manifest of no possible file")
        if not isinstance(runs, list) or len(runs) % 2 or not all(type(n) is int for n in runs):
            raise ModelError("a manifest without the runs of its file")
        pairs = list(zip(runs[::2], runs[1::2], strict=True))
        manifest = cls(*about, dict(metadata), pairs)
        if not _cover(pairs, manifest.size, manifest.block_count) or manifest.encode() != data:
            raise ModelError("a manifest that is not in its one form")
        return manifest


class ModelSet:
    """The files of a model in several: (SHA-256, bytes, manifest id) of each, in rising order."""

    __slots__ = ("files",)

    def __init__(self, files: Iterable[tuple[bytes, int, bytes]]) -> None:
        self.files = sorted(files)

    def encode(self) -> bytes:
        """Raises ModelError if there are too many."""
        if not 0 < len(self.files) <= MAX_FILES:
            raise ModelError(f"a model of {len(self.files)} files; {MAX_FILES} are possible")
        return _bounded(packed.dumps([_VERSION, _SET, [list(each) for each in self.files]]))

    @classmethod
    def decode(cls, data: bytes) -> ModelSet:
        """Raises ModelError."""
        (files,) = _fields(data, _SET, 3)[2:]
        if not isinstance(files, list) or not all(map(_possible_file, files)):
            raise ModelError("a set of no possible files")
        found = cls((sha256, size, manifest) for sha256, size, manifest in files)
        if found.encode() != data:
            raise ModelError("a set that is not in its one form")
        return found


def id_of(encoded: bytes) -> bytes:
    """The id of an encoded manifest or set."""
    return hashlib.sha256(encoded).digest()


def tied(manifests: Iterable[Manifest]) -> bool:
    """Whether the embedding is the output matrix as well, of all the files of a model."""
    matrices = 0
    for manifest in manifests:
        matrices |= manifest.matrices
    return matrices == HAS_EMBEDDING


def _runs(table: Table) -> list[tuple[int, int]]:
    """The runs of a file. A hole that alignment explains belongs to what is before it."""
    found: list[tuple[int, int]] = []

    def put(part: int, length: int) -> None:
        if found and found[-1][0] == part:
            found[-1] = (part, found[-1][1] + length)
        elif length:
            found.append((part, length))

    def put_hole(length: int, named: int) -> None:
        put(found[-1][0] if length < table.alignment else named, length)

    put(HEADER, table.start)
    at = table.start
    for offset, length, part in sorted(table.tensors):
        if offset < at:
            raise ModelError("tensors overlap")
        put_hole(offset - at, PADDING)
        put(part, length)
        at = offset + length
    put_hole(table.size - at, TAIL)
    if len(found) > MAX_RUNS:
        raise ModelError(f"the parts lie in {len(found)} pieces; {MAX_RUNS} are possible")
    return found


def _bounded(encoded: bytes) -> bytes:
    if len(encoded) > MAX_MANIFEST:
        raise ModelError(f"a manifest longer than {MAX_MANIFEST} bytes")
    return encoded


def _fields(data: bytes, kind: str, count: int) -> list[Any]:
    if len(data) > MAX_MANIFEST:
        raise ModelError(f"a manifest longer than {MAX_MANIFEST} bytes")
    try:
        fields = packed.loads(data, 4 * MAX_RUNS, 4)
    except RemoteProtocolError as error:
        raise ModelError(f"no manifest: {error}") from None
    if not isinstance(fields, list) or len(fields) != count or fields[:2] != [_VERSION, kind]:
        raise ModelError(f"no {kind} manifest of version {_VERSION}")
    return fields


def _possible(
    file_format: Any, size: Any, architecture: Any, block_count: Any, matrices: Any
) -> bool:
    return (
        file_format in FORMATS
        and _whole(size, _MAX_SIZE)
        and isinstance(architecture, str)
        and len(architecture) <= _MAX_TEXT
        and _whole(block_count, MAX_BLOCKS)
        and _whole(matrices, HAS_EMBEDDING | HAS_OUTPUT)
    )


def _whole(value: Any, most: int) -> bool:
    return type(value) is int and 0 <= value <= most


def _possible_metadata(metadata: Any) -> bool:
    return isinstance(metadata, list) and all(
        isinstance(pair, list)
        and len(pair) == 2
        and isinstance(pair[0], str)
        and _possible_value(pair[1])
        for pair in metadata
    )


def _possible_value(value: Any) -> bool:
    if isinstance(value, list):
        return all(type(each) in (int, bool) for each in value)
    return isinstance(value, bool | int | str) or (type(value) is float and value - value == 0)


def _possible_file(entry: Any) -> bool:
    return (
        isinstance(entry, list)
        and len(entry) == 3
        and all(type(each) is bytes and len(each) == _HASH for each in entry[::2])
        and _whole(entry[1], _MAX_SIZE)
    )


def _cover(runs: Runs, size: int, block_count: int) -> bool:
    """Whether `runs` are parts of a file of `size` bytes, each as long as can be."""
    parts = [part for part, _ in runs]
    return (
        0 < len(runs) <= MAX_RUNS
        and parts[0] == HEADER
        and all(TAIL <= part < block_count for part in parts)
        and all(map(operator.ne, parts, parts[1:]))
        and all(length > 0 for _, length in runs)
        and sum([length for _, length in runs]) == size
    )

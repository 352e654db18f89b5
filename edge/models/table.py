"""The table of a model's file: where its tensors are, and of which part of the model they are.

A part is a block (0 and up) or one of the names below, which are negative.
"""

from __future__ import annotations

from edge.models.errors import ModelError
from edge.text import shown as printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    Value = bool | int | float | str | list[int]

HEADER = -1  # what is before the tensors: the file's own table
EMBEDDING = -2
HEAD = -3  # the last norm, and the output matrix where there is one
OTHER = -4  # tensors of no block, as of a vision tower
PADDING = -5  # holes between tensors that alignment does not explain
TAIL = -6  # what is behind the last tensor

NAMES = {
    HEADER: "header",
    EMBEDDING: "embedding",
    HEAD: "head",
    OTHER: "other",
    PADDING: "padding",
    TAIL: "tail",
}
GGUF, SAFETENSORS = "gguf", "safetensors"
FORMATS = (GGUF, SAFETENSORS)

MAX_TENSORS = 1 << 14  # of one file
MAX_BLOCKS = 1 << 12
MAX_NAME = 512  # bytes of a tensor's name
TENSOR_MEMORY = 512  # bytes that one takes while the table is read, at most

# Which matrices a file holds; an embedding alone is used as the output matrix too ("tied").
HAS_EMBEDDING, HAS_OUTPUT = 1, 2


class Table:
    """`start`: of the tensors' data. `alignment`: of each tensor. `tensors`: (offset in the file,
    bytes, part), in the order of the table. `matrices`: HAS_EMBEDDING | HAS_OUTPUT. `most`: tensors
    that are read.
    """

    __slots__ = (
        *("alignment", "architecture", "block_count", "format", "matrices", "metadata"),
        *("most", "names", "size", "start", "tensors"),
    )

    def __init__(self, file_format: str, size: int, most: int = MAX_TENSORS) -> None:
        self.format = file_format
        self.size = size
        self.most = most
        self.start = 0
        self.alignment = 1
        self.architecture = ""
        self.block_count = 0
        self.matrices = 0
        self.metadata: dict[str, Value] = {}
        self.tensors: list[tuple[int, int, int]] = []
        self.names: set[bytes] = set()

    def add(self, name: bytes, part: int, offset: int, length: int) -> None:
        """One tensor, at `offset` in the file. Raises ModelError."""
        if name in self.names:
            raise ModelError(f"two tensors are called {shown(name)}")
        if len(self.tensors) >= self.most:
            raise too_many(self.most)
        if part >= MAX_BLOCKS:
            raise ModelError(f"{shown(name)} is of block {part}; a model has {MAX_BLOCKS} at most")
        if offset < self.start or offset + length > self.size:
            raise ModelError(f"{shown(name)} is outside the file")
        self.names.add(name)
        self.tensors.append((offset, length, part))

    def finish(self) -> None:
        """All tensors are there."""
        self.names.clear()
        highest = max([part for _, _, part in self.tensors], default=HEADER)
        self.block_count = max(self.block_count, highest + 1)


def too_many(most: int) -> ModelError:
    """More than `most` tensors."""
    return ModelError(f"more than {most} tensors in one file, which are read here at most")


def shown(name: bytes) -> str:
    """A name from a file, as people may see it."""
    return printable(name.decode("utf-8", "replace"), 80)

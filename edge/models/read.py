"""Reads the table of a file of a model, in whichever format, and names the files of one model."""

from __future__ import annotations

from edge.models import gguf, safetensors
from edge.models.cursor import Cursor
from edge.models.errors import ModelError
from edge.models.table import MAX_TENSORS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.models.cursor import ReadAt
    from edge.models.table import Table


def read_table(read: ReadAt, size: int, most: int = MAX_TENSORS) -> Table:
    """The table of the file of `size` bytes that `read` reads. Raises ModelError and OSError.

    `most`: tensors that are read, of TENSOR_MEMORY each; little else of the file is held.
    """
    start = read(0, 16)
    if start.startswith(b"GGUF"):
        return gguf.read(Cursor(read, size), most)
    if start[8:9] == b"{":
        return safetensors.read(Cursor(read, size), most)
    raise ModelError("neither GGUF nor safetensors")


def shards(name: str) -> list[str]:
    """The names of all files of the model of which the file `name` is one, itself if it is whole.

    As llama.cpp and the hub call them: model-00001-of-00003.gguf.
    """
    stem, dot, suffix = name.rpartition(".")
    start, of, total = stem.rpartition("-of-")
    count = int(total) if _five_digits(total) else 0
    number = int(start[-5:]) if _five_digits(start[-5:]) else 0
    if not dot or not of or start[-6:-5] != "-" or not 0 < number <= count:
        return [name]
    return [f"{start[:-5]}{number:05}-of-{total}.{suffix}" for number in range(1, count + 1)]


def _five_digits(text: str) -> bool:
    return len(text) == 5 and text.isascii() and text.isdecimal()

"""Reads forward through a file by a small window: whatever a file claims, no more is held of it."""

from __future__ import annotations

import struct

from edge.models.errors import ModelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    # (offset, length) -> the bytes there, fewer at the end of the file. May raise OSError.
    ReadAt = Callable[[int, int], bytes]

WINDOW = 1 << 16  # bytes


class Cursor:
    """`read`: of a file of `size` bytes. `order`: "little" or "big". `position`: of the next byte.

    All raise ModelError where the file ends too early.
    """

    def __init__(self, read: ReadAt, size: int) -> None:
        self._read = read
        self.size = size
        self.order: str = "little"
        self._window = b""
        self._start = 0  # of the window in the file
        self._at = 0  # of the next byte in the window, or beyond it

    @property
    def position(self) -> int:
        return self._start + self._at

    @property
    def left(self) -> int:
        return self.size - self.position

    def take(self, length: int) -> bytes:
        """The next `length` bytes, WINDOW at most. Raises ModelError if the file ends before."""
        if self._at + length > len(self._window):
            self._move(length)
        at = self._at
        self._at += length
        return self._window[at : at + length]

    def skip(self, length: int) -> None:
        if length > self.left:
            raise ModelError("the file ends inside what its header announces")
        self._at += length

    def number(self, width: int) -> int:
        """An unsigned number of `width` bytes."""
        return int.from_bytes(self.take(width), self.order)  # type: ignore[arg-type]

    def skip_strings(self, count: int) -> None:
        """Pass over strings that follow each other, each behind its length in 8 bytes.

        A vocabulary has some 100,000 of them.
        """
        length_at = struct.Struct("<Q" if self.order == "little" else ">Q").unpack_from
        window, at = self._window, self._at
        for _ in range(count):
            if at + 8 > len(window):
                self._at = at
                self._move(8)
                window, at = self._window, self._at
            at += 8 + length_at(window, at)[0]
        self._at = at
        self.skip(0)

    def _move(self, length: int) -> None:
        """Have the window begin at the next byte, with `length` bytes at least."""
        if length > self.left:
            raise ModelError("the file ends inside what its header announces")
        self._start, self._at = self.position, 0
        self._window = self._read(self._start, WINDOW)
        if len(self._window) < length:
            raise ModelError("the file became shorter while it was read")

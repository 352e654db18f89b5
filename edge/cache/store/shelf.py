"""Where segments stand: files of a directory, or memory without a name. All of it blocks.

Errors are OSError, and LayoutError when what is there is not what was written.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from edge.atomic import flash
from edge.cache.store import layout
from edge.cache.store.journal import numbered, sync_directory, write_at
from edge.cache.store.layout import LayoutError
from edge.cache.store.space import free
from edge.wire.merkle import HASH, PIECE, piece_hash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

SEGMENT, ROW = "seg", "row"  # suffixes


class Handle:
    """An open file: closed when nobody has it any more, so that its number is not reused before."""

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __del__(self) -> None:
        with suppress(OSError):
            os.close(self.fd)


class Shelf:
    """Files with the names `%08x`.`suffix` in `directory`, on the file system `device`."""

    lasts = True

    def __init__(self, directory: str, device: int = 0) -> None:
        self.directory = directory
        self.device = device

    def create(self, serial: int, suffix: str) -> Handle:
        """A new file."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        return Handle(os.open(self._path(serial, suffix), flags, 0o600))

    def open(self, serial: int, suffix: str) -> Handle:
        """One that is there."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return Handle(os.open(self._path(serial, suffix), flags))

    def remove(self, serial: int, suffix: str) -> None:
        """Whether or not it is there."""
        with suppress(FileNotFoundError):
            os.unlink(self._path(serial, suffix))

    def write(self, handle: Handle, data: bytes | bytearray | memoryview, at: int) -> None:
        """All of `data`, at that place."""
        write_at(handle.fd, data, at)
        flash.written += len(data)

    def flush(self, handle: Handle) -> None:
        """What was written is on the disk, and its name too."""
        os.fsync(handle.fd)
        sync_directory(self.directory)

    def free(self) -> int:
        """Bytes that may be taken of its file system.

        Once a disk is pulled, its directory may be one of the disk that it was mounted on.
        """
        if os.stat(self.directory).st_dev != self.device:
            raise OSError(errno.ENODEV, "another disk is in its place")
        return free(self.directory)

    def entries(self) -> Iterator[tuple[str, int, int]]:
        """Suffix, serial and size of each file; -1: it has such a name, and is no plain file."""
        with os.scandir(self.directory) as found:
            for entry in found:
                for suffix in (SEGMENT, ROW):
                    serial = numbered(entry.name, suffix)
                    if serial is not None:
                        plain = entry.is_file(follow_symlinks=False)
                        yield suffix, serial, entry.stat().st_size if plain else -1

    def _path(self, serial: int, suffix: str) -> str:
        return os.path.join(self.directory, f"{serial:08x}.{suffix}")


class Memory(Shelf):
    """The same, in memory that ends with the process (memfd_create(2))."""

    lasts = False

    def __init__(self) -> None:
        super().__init__("")
        self._handles: dict[tuple[int, str], Handle] = {}

    def create(self, serial: int, suffix: str) -> Handle:
        if not hasattr(os, "memfd_create"):
            raise OSError(errno.ENOSYS, "no memory without a name")
        handle = self._handles[serial, suffix] = Handle(os.memfd_create("cache"))
        return handle

    def open(self, serial: int, suffix: str) -> Handle:
        handle = self._handles.get((serial, suffix))
        if handle is None:
            raise FileNotFoundError(serial)
        return handle

    def remove(self, serial: int, suffix: str) -> None:
        self._handles.pop((serial, suffix), None)

    def write(self, handle: Handle, data: bytes | bytearray | memoryview, at: int) -> None:
        write_at(handle.fd, data, at)  # which wears out nothing

    def free(self) -> int:
        return layout.MAX_FILE

    def flush(self, handle: Handle) -> None:
        """There is nothing to flush it to."""


def begin(shelf: Shelf, header: layout.Header, size: int) -> tuple[Handle, int]:
    """A new segment of `size` bytes, of which there is the header; and what is free besides."""
    left = shelf.free() - size
    if left < 0:
        raise OSError(errno.ENOSPC, "the last of the disk is not for us")
    handle = shelf.create(header.serial, SEGMENT)
    shelf.write(handle, header.encode(), 0)
    return handle, left + size


def finish(shelf: Shelf, handle: Handle, end: bytes, at: int) -> None:
    """The segment ends with `end`, which stands at `at`; what a writer that left wrote goes."""
    shelf.write(handle, end, at)
    os.ftruncate(handle.fd, at + len(end))
    shelf.flush(handle)


def read_header(handle: Handle) -> layout.Header:
    """What a segment says of itself."""
    return layout.Header.decode(os.pread(handle.fd, layout.HEADER, 0))


def read_row(handle: Handle, serial: int) -> bytes:
    """The hashes of a sealed segment."""
    end = os.fstat(handle.fd).st_size - layout.SEAL
    mark = os.pread(handle.fd, layout.SEAL, max(end, 0))
    count = layout.sealed_count(mark, serial)
    if not count or end < layout.HEADER + count * HASH:
        raise LayoutError("a segment without a seal")
    row = os.pread(handle.fd, count * HASH, end - count * HASH)
    if not layout.is_sealed(row, mark):
        raise LayoutError("the row of a segment is wrong")
    return row


def first_wrong(handle: Handle, header: layout.Header, row: bytes, pieces: range) -> int | None:
    """The first of `pieces` (of the segment) whose bytes are not those of `row`; None: none."""
    alone = header.size <= PIECE
    for piece in pieces:
        length = layout.span(header.size, header.first + piece, 1)
        data = os.pread(handle.fd, length, layout.HEADER + piece * PIECE)
        if piece_hash(data, alone) != row[piece * HASH : (piece + 1) * HASH]:
            return piece
    return None

"""Atomic file writes: a file has its old or its new content, also after a crash."""

import os
from contextlib import suppress


class Flash:
    """The number of bytes this process has written to files, because flash wears out."""

    __slots__ = ("written",)

    def __init__(self) -> None:
        self.written = 0


flash = Flash()


def write_atomic(path: str, data: bytes, mode: int = 0o600) -> None:
    """Write `data` to the file `path` with exactly `mode`, completely or not at all.

    The data is written to `path`.tmp, flushed to the disk and renamed, and the directory is flushed
    too, so that a power failure at any moment is safe. Raises OSError; the old file is then
    unchanged, and .tmp is removed. A .tmp left by a killed process is replaced by the next write.
    One writer per file: concurrent writers may rename each other's incomplete file.
    """
    temporary = path + ".tmp"
    with suppress(FileNotFoundError):
        os.unlink(temporary)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        try:
            os.fchmod(fd, mode)  # regardless of the umask
            _write_all(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)
        flash.written += len(data)
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise
    _sync_directory(os.path.dirname(path) or ".")


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _sync_directory(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)

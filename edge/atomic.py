"""Atomic file writes: a file has its old or its new content, also after a crash."""

import errno
import os
import stat
from contextlib import suppress

# How file systems say that they have no such thing, such as modes or the flushing of a directory.
UNSUPPORTED = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM)
NO_MODES = "its file system keeps no modes, and lets others at it"


class Flash:
    """The number of bytes this process has written to files, because flash wears out."""

    __slots__ = ("written",)

    def __init__(self) -> None:
        self.written = 0


flash = Flash()


def write_atomic(path: str, data: bytes, mode: int = 0o600) -> None:
    """Write `data` to the file `path` with exactly `mode`, completely or not at all.

    The data is written to `path`.tmp, flushed to the disk and renamed, and the directory is flushed
    too, so that a power failure at any moment is safe; a file system that has no such flush (CIFS)
    is passed over. Raises OSError; the old file is then unchanged, unless it was the directory's
    flush that failed, and .tmp is removed. A .tmp left by a killed process is replaced by the next
    write. One writer per file: concurrent writers may rename each other's incomplete file.
    """
    temporary = path + ".tmp"
    with suppress(FileNotFoundError):
        os.unlink(temporary)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        try:
            if not set_mode(fd, mode):  # regardless of the umask
                raise OSError(errno.ENOTSUP, NO_MODES)
            _write_all(fd, data)
            _flush(fd)
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


def set_mode(fd: int, mode: int) -> bool:
    """Give the open file `mode`; whether others now have no more rights than that.

    Some file systems keep no modes (FAT, exFAT, some 9p and CIFS): they refuse to set one, or do as
    if, and have one for all files. Raises OSError for any other reason.
    """
    try:
        os.fchmod(fd, mode)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
    return not stat.S_IMODE(os.fstat(fd).st_mode) & 0o077 & ~mode


def _flush(fd: int) -> None:
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise


def _sync_directory(path: str) -> None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        return  # one that may be written, not read
    try:
        _flush(fd)
    finally:
        os.close(fd)

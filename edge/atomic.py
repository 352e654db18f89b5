"""Files that are either as they were or as they should be, whatever happens in between."""

import os
from contextlib import suppress


class Flash:
    """How many bytes this process has put into files, which flash can take only so often."""

    __slots__ = ("written",)

    def __init__(self) -> None:
        self.written = 0


flash = Flash()


def write_atomic(path: str, data: bytes, mode: int = 0o600) -> None:
    """Put `data` into the file `path` with exactly `mode`, as a whole or not at all.

    It goes to `path`.tmp first, is flushed to the disk and renamed, and the directory flushed too:
    power may fail at any moment. Raises OSError, the old file then untouched and .tmp gone unless
    the process was killed; the next write takes its place. One writer per file: two at once may
    rename each other's half.
    """
    temporary = path + ".tmp"
    with suppress(FileNotFoundError):
        os.unlink(temporary)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        try:
            os.fchmod(fd, mode)  # whatever the umask is
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

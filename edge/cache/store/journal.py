"""A log of records that survives what happens to a disk.

A record counts only when its checksum is right, and that goes on from the checksum of the record
before it: what an earlier, longer end left behind is not taken for a record. Reading stops at the
first that is wrong, and writing goes on there. When most of the log is out of date, its content is
written anew to a file with the next number; that counts once its END is there, and only then is the
old one removed. So nothing depends on renaming being atomic.
"""

from __future__ import annotations

import os
import stat
import struct
from binascii import crc32
from contextlib import suppress

from edge.atomic import UNSUPPORTED, flash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MAX_RECORD = (1 << 16) + (1 << 10)
END = b"\xff"  # all of what the log began with is there
MAX_NUMBER = 1 << 31  # of a file; one that a disk wears out before it comes to
_MAGIC = b"KwJ1"
_FRAME = struct.Struct("<II")
_START = 16  # bytes before the first record
_READ = 1 << 17


def frame(payload: bytes, before: int) -> tuple[bytes, int]:
    """A record as it is written, and its checksum. `before`: the checksum of the one before."""
    length = len(payload).to_bytes(4, "little")
    checksum = crc32(payload, crc32(length, before))
    return length + checksum.to_bytes(4, "little") + payload, checksum


def frames(
    read: Callable[[int, int], bytes], at: int, before: int
) -> Iterator[tuple[int, bytes, int]]:
    """The records from `at` on: where the payload of each is, itself, and its checksum.

    `read(length, at)`: bytes of the log, fewer at its end.
    """
    held, start = b"", at
    while True:
        size = _FRAME.size  # of what must be there to go on
        for _ in range(2):
            if at - start + size > len(held):
                held, start = read(_READ, at), at
            here = at - start
            if here + size > len(held):
                return
            length, checksum = _FRAME.unpack_from(held, here)
            if length > MAX_RECORD:
                return
            size = _FRAME.size + length
        payload = held[here + _FRAME.size : here + size]
        if crc32(payload, crc32(held[here : here + 4], before)) != checksum:
            return
        yield at + _FRAME.size, payload, checksum
        at, before = at + size, checksum


class Log:
    """The log with names `%08x`.`suffix` in `directory`. Its methods block, and raise OSError."""

    def __init__(self, directory: str, suffix: str) -> None:
        self._directory = directory
        self._suffix = suffix
        self._number = 0
        self._fd = -1
        self._checksum = 0
        self.length = 0  # bytes that count
        self.begun = 0  # bytes it had when it was written anew

    @property
    def usable(self) -> bool:
        """Whether there is a log to add to."""
        return self._fd >= 0

    def read(self, take: Callable[[int, bytes], None]) -> bool:
        """Give `take` where each record is, and itself. False: there is no log that counts."""
        found = sorted(self._numbers(), reverse=True)
        self._number = found[0] if found else 0
        for number in found:
            path = self._path(number)
            if not stat.S_ISREG(os.lstat(path).st_mode):
                continue
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            if not self._complete(fd):
                os.close(fd)
                continue
            self._number, self._fd = number, fd
            for at, payload, checksum in _records(fd):
                self._checksum, self.length = checksum, at + len(payload)
                if payload == END:
                    self.begun = self.length
                else:
                    take(at, payload)
            return True
        return False

    def append(self, records: Iterable[bytes]) -> list[int]:
        """Add records, flushed; where the payload of each is.

        After an error, nothing was added, and the next call writes over what is there.
        """
        data, places, checksum = bytearray(), [], self._checksum
        for payload in records:
            framed, checksum = frame(payload, checksum)
            places.append(self.length + len(data) + _FRAME.size)
            data += framed
        write_at(self._fd, data, self.length)
        flash.written += len(data)
        os.fsync(self._fd)
        self._checksum, self.length = checksum, self.length + len(data)
        return places

    def rewrite(self, records: Iterable[bytes]) -> list[int]:
        """Begin anew with `records`; where the payload of each is. Or the old log stands."""
        number = self._number + 1
        path = self._path(number)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        old = (self._number, self._fd, self._checksum, self.length)
        try:
            head = _MAGIC + os.urandom(_START - len(_MAGIC))
            write_at(fd, head, 0)
            flash.written += len(head)
            self._number, self._fd, self._checksum, self.length = number, fd, crc32(head), _START
            places = self._append_all(records)
            sync_directory(self._directory)
        except OSError:
            _, self._fd, self._checksum, self.length = old
            os.close(fd)
            with suppress(OSError):
                os.unlink(path)
            raise
        if old[1] >= 0:
            os.close(old[1])
        self.begun = self.length
        self.tidy()
        return places

    def _append_all(self, records: Iterable[bytes]) -> list[int]:
        places: list[int] = []
        batch: list[bytes] = []
        weight = 0
        for record in records:
            batch.append(record)
            weight += len(record)
            if weight >= _READ:
                places += self.append(batch)
                batch, weight = [], 0
        return [*places, *self.append([*batch, END])[:-1]]

    def tidy(self) -> None:
        """Remove all logs but this one."""
        for number in self._numbers():
            if number != self._number:
                with suppress(OSError):
                    os.unlink(self._path(number))

    def read_at(self, length: int, at: int) -> bytes:
        """Bytes of the log."""
        return os.pread(self._fd, length, at)

    def reader(self) -> Callable[[int, int], bytes]:
        """`read_at` of the log as it is now, while it is written anew."""
        fd = self._fd
        return lambda length, at: os.pread(fd, length, at)

    @property
    def present(self) -> bool:
        """Whether the file is still in its directory. Raises OSError."""
        return os.fstat(self._fd).st_nlink > 0

    def close(self) -> None:
        """Nothing is written any more."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def _complete(self, fd: int) -> bool:
        return any(payload == END for _, payload, _ in _records(fd))

    def _numbers(self) -> Iterator[int]:
        for name in os.listdir(self._directory):
            number = numbered(name, self._suffix)
            if number is not None:
                yield number

    def _path(self, number: int) -> str:
        return os.path.join(self._directory, f"{number:08x}.{self._suffix}")


def _records(fd: int) -> Iterator[tuple[int, bytes, int]]:
    head = os.pread(fd, _START, 0)
    if len(head) < _START or not head.startswith(_MAGIC):
        return iter(())
    return frames(lambda length, at: os.pread(fd, length, at), _START, crc32(head))


def numbered(name: str, suffix: str) -> int | None:
    """The number in a name such as 0000002a.seg; None: it is another file."""
    stem, _, ending = name.lower().partition(".")  # some file systems do not keep the case
    digits = len(stem) == 8 and all(digit in "0123456789abcdef" for digit in stem)
    number = int(stem, 16) if digits and ending == suffix else MAX_NUMBER
    return number if number < MAX_NUMBER else None


def write_at(fd: int, data: bytes | bytearray | memoryview, at: int) -> None:
    """Write all of `data`. Raises OSError."""
    view = memoryview(data)
    while view:
        done = os.pwrite(fd, view, at)
        view, at = view[done:], at + done


def sync_directory(path: str) -> None:
    """Flush the names in the directory, where its file system can."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
    finally:
        os.close(fd)

"""From what is in a directory to an index: by its log, and by the segments that the log misses.

All of it blocks. What is half there, what nobody named and what is of no use any more is removed.
"""

from __future__ import annotations

import errno
import fcntl
import os
from array import array
from bisect import bisect_left

from edge.cache.store import index as tables
from edge.cache.store import layout
from edge.cache.store.index import Index
from edge.cache.store.journal import MAX_NUMBER, Log
from edge.cache.store.layout import LayoutError
from edge.cache.store.shelf import ROW, SEGMENT, Handle, Shelf, read_header, read_row
from edge.cache.store.space import Space
from edge.wire.merkle import HASH, PIECE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOCK = "lock"


class InUse(OSError):
    """Another process has the directory."""


class Loaded:
    """What was found in a directory. `lock`: held while this is; `serial`: the next one."""

    __slots__ = ("index", "lock", "log", "serial", "shelf", "space")

    def __init__(self, directory: str, index: Index, space: Space, lock: Handle | None) -> None:
        self.index = index
        self.space = space
        self.lock = lock
        self.shelf = Shelf(directory, os.stat(directory).st_dev if directory else 0)
        self.log = Log(directory, "idx")
        self.serial = 1


def load(directory: str, quota: int, device: int) -> Loaded:
    """`device`: that it was on before, 0 if it was nowhere. Raises OSError, InUse among them."""
    if device and not _is_back(directory, device):
        raise OSError(errno.ENODEV, "its disk is not there")
    os.makedirs(directory, mode=0o700, exist_ok=True)
    found = Loaded(directory, Index(tables.pieces_for(quota)), Space(quota, 0), _lock(directory))
    try:
        reading = Reading(found)
        known = found.log.read(reading.take)
        if reading.longest > found.index.per_segment:
            found.index.widen(tables.rounded(reading.longest))
        differs = _compare(found)
        found.space.free = found.shelf.free()
        if known and not differs:
            found.log.tidy()
        else:  # what it says of one thing must not be taken to be of the next in its place
            _write_anew(found, known)
    except OSError:
        found.log.close()
        raise
    return found


def _write_anew(found: Loaded, known: bool) -> None:
    """Have the log say what there is. A disk that takes nothing keeps the one that is `known`."""
    try:
        found.log.rewrite(snapshot(found.index, found.space, found.serial))
    except OSError:
        if not known:
            raise


def snapshot(index: Index, space: Space, serial: int) -> Iterator[bytes]:
    """Records that say all of it."""
    yield layout.serial_record(serial)
    yield from space.records()
    for at in index.rows():
        if index.head[at] == tables.NONE and not index.row_serial[at]:
            continue  # a file of which nothing is kept
        yield layout.file_record(at, index.size[at], index.flags[at], index.names(at))
        if index.row_serial[at]:
            yield layout.row_record(at, index.row_serial[at])
        for slot in reversed(index.slots(at)):
            yield segment_record(index, slot)
            if index.count[slot] != index.sealed[slot]:
                yield layout.cut_record(slot, index.count[slot])


def segment_record(index: Index, slot: int) -> bytes:
    """The record of the segment in `slot`."""
    return layout.segment_record(
        slot,
        index.owner[slot],
        index.serial[slot],
        index.first[slot],
        index.sealed[slot],
    )


def _is_back(directory: str, device: int) -> bool:
    """Whether the directory is one of before, or may be made again where it was.

    Not where its disk is gone, and it would be on that which the disk was mounted on.
    """
    if os.path.exists(os.path.join(directory, LOCK)) or os.path.ismount(directory):
        return True
    while not os.path.exists(directory):
        directory = os.path.dirname(directory)
    return os.stat(directory).st_dev == device


def _lock(directory: str) -> Handle:
    handle = Handle(
        os.open(os.path.join(directory, LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    )
    try:
        fcntl.flock(handle.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InUse(f"another process keeps a cache in {directory}") from None
    except OSError:
        return handle  # a file system without locks
    return handle


class Reading:
    """Brings the records of a log into an index. One that does not fit is passed over."""

    def __init__(self, found: Loaded) -> None:
        self._found = found
        self.longest = 1

    def take(self, _: int, payload: bytes) -> None:
        try:
            kind, numbers, names = layout.decode_record(payload)
        except LayoutError:
            return
        if kind == layout.FILE:
            at, size, flags = numbers
            self._file(at, size, flags, names)
        else:
            _TAKE[kind](self, *numbers)

    def _file(self, at: int, size: int, flags: int, names: list[bytes]) -> None:
        index = self._found.index
        if at >= tables.MAX_FILES:
            return
        if index.has_file(at) and index.size[at] != size:
            self._forget(at)
        if index.has_file(at):
            index.flags[at] = flags
            index.rename(at, names)
        else:
            index.add_file(size, flags, names, at)
        if not index.names(at):  # all of them are another's
            self._forget(at)

    def _segment(self, slot: int, at: int, serial: int, first: int, count: int) -> None:
        index = self._found.index
        fits = (
            slot < tables.MAX_SEGMENTS
            and serial < MAX_NUMBER
            and index.has_file(at)
            and 0 < count <= tables.MOST_SEGMENT
            and (first + count - 1) * PIECE < index.size[at]
        )
        if fits:
            self._drop(slot)
            self.longest = max(self.longest, count)
            index.add_segment(at, serial, first, count, slot=slot)
        self._serial(serial + 1)

    def _cut(self, slot: int, count: int) -> None:
        index = self._found.index
        if index.has_segment(slot) and count < index.count[slot]:
            index.cut(slot, count)

    def _drop(self, slot: int) -> None:
        self._cut(slot, 0)

    def _forget(self, at: int) -> None:
        index = self._found.index
        if index.has_file(at):
            index.clear(at)
            index.remove_file(at)

    def _hour(self, hour: int, count: int) -> None:
        self._found.space.remember(hour, count)

    def _serial(self, serial: int) -> None:
        if serial <= MAX_NUMBER:
            self._found.serial = max(self._found.serial, serial)

    def _row(self, at: int, serial: int) -> None:
        if self._found.index.has_file(at) and serial < MAX_NUMBER:
            self._found.index.set_row(at, serial)
        self._serial(serial + 1)


_TAKE: dict[int, Callable[..., None]] = {
    layout.SEGMENT: Reading._segment,
    layout.CUT: Reading._cut,
    layout.DROP: Reading._drop,
    layout.FORGET: Reading._forget,
    layout.HOUR: Reading._hour,
    layout.SERIAL: Reading._serial,
    layout.ROW: Reading._row,
}


def _compare(found: Loaded) -> bool:
    """With the files that are there: what is missing is forgotten, what is unknown looked at.

    Whether the log says something else than what is there.
    """
    index, shelf = found.index, found.shelf
    segments, rows = _there(found)
    differs = False
    for slot in range(len(index.owner)):
        if index.has_segment(slot) and not _take_out(segments, *_expected(index, slot)):
            index.cut(slot, 0)
            differs = True
    for at in list(index.rows()):
        index.untangle(at)
        if index.row_serial[at] and not _take_out(rows, index.row_serial[at], -1):
            index.set_row(at, 0)
            differs = True
        if index.head[at] == tables.NONE and not index.row_serial[at]:
            index.remove_file(at)
            differs = True
    for entry in rows:
        shelf.remove(entry >> 32, ROW)
    for entry in segments:
        if _adopt(found, entry >> 32):
            differs = True
        else:
            shelf.remove(entry >> 32, SEGMENT)
    return differs


def _there(found: Loaded) -> list[array[int]]:
    """Serial and size in one number, in rising order, of the segments and of the rows."""
    there = array("Q"), array("Q")
    for suffix, serial, size in found.shelf.entries():
        found.serial = max(found.serial, serial + 1)
        if size >= 0:  # what is no plain file is not ours
            there[suffix == ROW].append(serial << 32 | min(size, 0xFFFFFFFF))
    return [array("Q", sorted(one)) for one in there]


def _expected(index: Index, slot: int) -> tuple[int, int]:
    at = index.owner[slot]
    size = layout.segment_size(index.size[at], index.first[slot], index.sealed[slot])
    return index.serial[slot], size


def _take_out(there: array[int], serial: int, size: int) -> bool:
    """Whether the file with this serial is there, with this size (-1: any); then it is not left."""
    place = bisect_left(there, serial << 32)
    if place == len(there) or there[place] >> 32 != serial:
        return False
    if size not in (-1, there[place] & 0xFFFFFFFF):
        return False
    del there[place]
    return True


def _adopt(found: Loaded, serial: int) -> bool:
    """Whether the segment, of which no record tells, is whole and of use, and has room."""
    index = found.index
    try:
        handle = found.shelf.open(serial, SEGMENT)
        header = read_header(handle)
        count = len(read_row(handle, serial)) // HASH
        size = layout.segment_size(header.size, header.first, count)
        if header.serial != serial or os.fstat(handle.fd).st_size != size:
            return False
        if index.bytes + size + found.log.length > found.space.quota:
            return False
    except (LayoutError, OSError):
        return False
    at = next((row for row in map(index.find, header.names) if row >= 0), -1)
    if at < 0:
        at = index.add_file(header.size, header.flags & layout.PRIVATE, header.names)
    if at < 0 or index.size[at] != header.size or index.overlaps(at, header.first, count):
        return False
    if count > index.per_segment:
        index.widen(tables.rounded(count))
    return index.add_segment(at, serial, header.first, count) >= 0

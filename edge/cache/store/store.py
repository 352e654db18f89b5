"""The store: files in pieces within a quota, on a disk that may fill up, vanish and come back.

Everything here runs on the loop, and nobody else changes the index; what blocks is done by one
worker. A segment that is being written is of use at once, but counts for nothing until it is
sealed: flushed to the disk, and then named by a record of the log, which is flushed a little later.
So what a crash finds is old or new.

No error of the disk leaves this module. `trouble` tells what is the matter; until it is over,
nothing new is kept, and what is asked for has to come from where it came before.
"""

from __future__ import annotations

import asyncio
import errno
from functools import partial
from weakref import WeakValueDictionary

from edge import log
from edge.again import Again
from edge.cache import names as naming
from edge.cache.policy import Policy
from edge.cache.store import check, layout, load
from edge.cache.store import index as tables
from edge.cache.store.book import Book
from edge.cache.store.file import File
from edge.cache.store.growth import Growth
from edge.cache.store.index import Index
from edge.cache.store.notes import Notes
from edge.cache.store.room import Room
from edge.cache.store.rows import Rows
from edge.cache.store.shelf import SEGMENT, Handle, Memory, Shelf
from edge.cache.store.space import Space, is_raw_flash
from edge.cache.store.worker import Worker
from edge.wire.merkle import HASH, PIECE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from typing import Any

    from edge.budget import Pool

_TICK = 10.0  # seconds between two looks at the disk
_PATIENCE = 30.0  # seconds that a segment waits for who goes on with it
_OPEN = 24  # segments whose descriptors are held for the next reader
_MOST_WRONG = 1 << 11  # lost pieces whose hashes are remembered
_MEMORY_PART = 2  # of the pool, one in so many is for pieces where there is no disk
WORDS = {
    errno.ENOSPC: "disk full",
    errno.EDQUOT: "disk full",
    errno.EROFS: "read-only",
    errno.EACCES: "not permitted",
    errno.EPERM: "not permitted",
}
GONE = "gone"


class Store:
    """`pool`: leases the memory. Before `open`, and while a directory is gone, a few pieces are
    kept in memory, if there is enough.

    `trouble`: "" or why nothing is kept on the disk now. `written`: bytes given to the disk;
    `kept`: bytes of pieces that were written; `evicted`, `repaired`: bytes; `refused`: writers, by
    reason.
    """

    def __init__(self, pool: Pool, loop: asyncio.AbstractEventLoop) -> None:
        self.pool = pool
        self.loop = loop
        self.trouble = ""
        self.worker = Worker(loop, "cache")
        self.notes = Notes(pool)
        self._book = Book(self.worker, self.notes, self._snapshot, self.wrote, self.failed)
        self.live: WeakValueDictionary[int, File] = WeakValueDictionary()
        self.evicted = self.repaired = self.written = self.kept = 0
        self.refused: dict[str, int] = {}
        self.wrong: dict[tuple[int, int], bytes] = {}  # hash of pieces that were lost, by row
        self._directory = ""
        self._device = 0  # of the directory, once it was opened
        self._size = self._max_written = 0
        self._lock: Handle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._again = Again(loop, self._attempt)
        self._leased = 0
        self.room = Room(self)
        self.completed: Callable[[], None] = _nothing  # called when a file is whole
        self.growth = Growth(self, self.room)
        self._rows = Rows(self, self.room)
        self._handles: dict[int, Handle] = {}
        self._begin_in_memory()

    # --- opening and closing ---

    async def open(self, directory: str, size: int, max_written: int = 0) -> None:
        """Keep files in `directory`, at most `size` bytes of them; write `max_written` a day at
        most (0: as much as is kept, on flash that wears out by it; else any).

        "" or a size of 0: in memory alone.
        """
        same = directory == self._directory and self._book.is_open and size > 0
        if (
            same
            and tables.segments_for(size) <= self.most_segments
            and tables.pieces_for(size) <= self.index.per_segment
        ):
            self._size, self._max_written = size, max_written
            self.space.quota = min(size, tables.MOST_QUOTA)
            await self._limit_writing()
            self.room.fit()
            return
        await self.close()
        self._directory, self._size = directory if size else "", size
        self._max_written = max_written
        if self._directory:
            await self._reopen()

    async def close(self) -> None:
        """Write what is to last. The files are no longer there."""
        self._again.stop()
        await self.growth.finish_all()
        while self._tasks:
            await asyncio.wait(set(self._tasks))
        await self.flush()
        self._begin_in_memory()
        self._directory, self.trouble, self._device = "", "", 0

    async def _reopen(self) -> None:
        size = min(self._size, tables.MOST_QUOTA)
        directory = self._directory
        try:
            found = await self.worker.do(partial(load.load, directory, size, self._device))
        except OSError as error:
            self._say(_words(error))
            self._again.start()
            return
        if self._directory != directory:
            found.log.close()
            return
        self._begin(found.index, found.space, found.shelf)
        self._device = found.shelf.device
        self._lock, self._serial = found.lock, found.serial
        try:
            await self._book.open(found.log, directory, self._size)
            await self._limit_writing()
        except OSError as error:
            self.failed(error)
            return
        self._say("")
        self.room.fit()

    async def _limit_writing(self) -> None:
        limit, directory = self._max_written, self._directory
        if not limit and await self.worker.do(lambda: is_raw_flash(directory)):
            limit = self._size
        self.space.max_written = limit

    def _begin_in_memory(self) -> None:
        size = self.pool.ceiling // _MEMORY_PART
        self._begin(Index(1), Space(size, 0), Memory())

    def _begin(self, index: Index, space: Space, shelf: Shelf) -> None:
        """With these tables, from now on. Whoever has a file in hand has nothing any more."""
        self.growth.end()
        for file in list(self.live.values()):
            file.at = -1
            file.moved()
        self.live.clear()
        self._book.close()
        self._lock = None
        self.pool.give(self._leased)
        self._leased = 0
        self.index, self.space, self.shelf = index, space, shelf
        self.most_segments = tables.segments_for(space.quota)
        self.policy = Policy(max(self.most_segments, len(index.owner)))
        for slot in filter(index.has_segment, range(len(index.owner))):
            self.policy.kept(slot)
        self.room.reset()
        self._rows.reset()
        self._handles.clear()
        self.wrong.clear()
        self._serial = 1

    # --- what is the matter ---

    @property
    def available(self) -> bool:
        """Whether the disk does what it is for."""
        return not self.trouble

    @property
    def refuses(self) -> bool:
        """Whether nothing new can be kept, not even in memory."""
        return bool(self.trouble) and self.shelf.lasts

    @property
    def quota(self) -> int:
        """Bytes that the store may take."""
        return self.space.quota

    @property
    def log_bytes(self) -> int:
        """Bytes of the logs."""
        return self._book.length

    def failed(self, error: OSError) -> None:
        """The disk did not do what it was asked for."""
        if not self.shelf.lasts:
            if error.errno == errno.ENOSYS:
                self.space.quota = 0  # a kernel without such memory
            return  # else the disk's last word
        words = _words(error)
        self._say(words)
        if words == GONE:
            self._begin_in_memory()
        self._again.start()

    def _say(self, trouble: str) -> None:
        if trouble != self.trouble:
            self.trouble = trouble
            if trouble:
                log.warning("cache-trouble", directory=self._directory, reason=trouble)
            else:
                log.info("cache-available", directory=self._directory)

    def _attempt(self) -> bool:
        if self.trouble and self._directory:
            self._spawn(self._try() if self._book.is_open else self._reopen())
        return not self.trouble

    async def _try(self) -> None:
        """Whether the disk takes something again."""
        try:
            self.space.free = await self.worker.do(self.shelf.free)
        except OSError as error:
            self._say(_words(error))
            return
        if self.trouble == WORDS[errno.ENOSPC] and self.space.free < PIECE:
            return  # a record may find room where a piece does not
        self.record(self.space.now)
        if await self.flush():
            self._say("")

    def next_serial(self) -> int:
        """The number of the next file."""
        self._serial += 1
        return self._serial - 1

    def refuse(self, reason: str) -> None:
        """Count a writer that was not let in."""
        self.refused[reason] = self.refused.get(reason, 0) + 1

    # --- files ---

    def find(self, name: bytes) -> File | None:
        """The file with this name, of which something is kept or in hand."""
        at = self.index.find(name)
        return self.at(at) if at >= 0 else None

    def file(self, name: bytes, size: int) -> File:
        """The file with this name, begun if there is none; of another size, it is another.

        What was found to have this hash has its size: one of another is not kept.
        """
        found = self.find(name)
        if found is not None and found.size != size:
            if found.whole and name[0] != naming.ORIGIN:
                return File(self, -1, size)
            self.drop_file(found.at)
            found = None
        if found is not None:
            return found
        at = self._row(size, name)
        return self.at(at) if at >= 0 else File(self, -1, size)

    def _row(self, size: int, name: bytes) -> int:
        """A row of the table; the oldest file goes for it."""
        index = self.index
        if index.files >= tables.MAX_FILES - 1:
            for at in list(index.rows()):
                if at not in self.live and not index.kept[at] and not index.row_serial[at]:
                    self.drop_file(at)
        while index.files >= tables.MAX_FILES - 1:
            oldest = self.room.oldest_file()
            if oldest < 0:
                return -1
            self.drop_file(oldest)
        return index.add_file(size, 0, [name])

    def at(self, at: int) -> File:
        """The file in this row of the index."""
        file = self.live.get(at)
        if file is None:
            file = self.live[at] = File(self, at, self.index.size[at])
        return file

    def files(self) -> Iterator[File]:
        """All files of which something is kept."""
        for at in self.index.rows():
            if self.index.kept[at] or at in self.live:
                yield self.at(at)

    def alias(self, file: File, name: bytes) -> bool:
        """Another name of the same content. False: it has too many, or another has it."""
        if file.at < 0 or not self.index.add_name(file.at, name):
            return False
        self.changed(file.at)
        return True

    async def named(self, file: File, name: bytes) -> bool:
        """Whether `name`, a hash, is that of the file, which is whole; then it is one of its names.

        All of it is read for that, unless it has such a name.
        """
        if name in file.names:
            return True
        if not await check.is_named(self, file, name) or file.at < 0:
            return False
        same = self.index.find(name)
        if same >= 0:
            self._merge(file, same)
        self.alias(file, name)
        return True

    def changed(self, at: int) -> None:
        """What is told of the file is to be written down."""
        index = self.index
        if index.kept[at] or index.row_serial[at]:
            names = index.names(at)
            self.record(layout.file_record(at, index.size[at], index.flags[at], names))

    def drop_file(self, at: int) -> None:
        """Keep nothing of this file."""
        index = self.index
        file = self.live.pop(at, None)
        while index.head[at] != tables.NONE:
            self.drop(index.head[at], 0)
        self._rows.drop(at)
        for key in [one for one in self.wrong if one[0] == at]:
            del self.wrong[key]
        if file is not None:
            for growing in list(file.growing):
                self.growth.abandon(file, growing)
            self.growth.busy.pop(at, None)
            file.at = -1
            file.moved()
        index.remove_file(at)
        self.record(layout.forget_record(at))

    def drop(self, slot: int, count: int) -> None:
        """Keep the first `count` pieces of a segment alone; 0: nothing of it."""
        index = self.index
        at, serial = index.owner[slot], index.serial[slot]
        index.cut(slot, count)
        if count:
            self.record(layout.cut_record(slot, count))
        else:
            self._handles.pop(slot, None)
            self.policy.freed(slot)
            self.record(layout.drop_record(slot))
            self.remove(serial, SEGMENT)
            self.lease()
        if at in self.live:
            self.live[at].running = None  # others may come in the place of these bytes
            self.live[at].moved()

    def remove(self, serial: int, suffix: str) -> None:
        """Take a file off the shelf, in its turn."""
        shelf = self.shelf

        def remove() -> None:
            try:
                shelf.remove(serial, suffix)
            except OSError as error:
                self._tell(partial(self.failed, error))

        self.worker.later(remove)

    def _tell(self, what: Callable[[], None]) -> None:
        """From the worker, to the loop."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(what)

    # --- writing ---

    def lease(self) -> bool:
        """Lease what is in memory now. False: it is more than the pool has."""
        wanted = self.index.cost() + (PIECE if self._book.is_open else 0)
        if not self.shelf.lasts:
            wanted += self.index.bytes + self.room.reserved
        more = wanted - self._leased
        if not self.pool.take(more):
            return self.shelf.lasts  # the tables are small, and what they lack is measured
        self._leased = wanted
        return True

    # --- reading ---

    def opened(self, slot: int) -> Handle | None:
        """The open segment, if it is."""
        handle = self._handles.pop(slot, None)
        if handle is not None:
            self._handles[slot] = handle
        return handle

    def hold(self, slot: int, handle: Handle) -> None:
        """Keep it open for the next who reads it."""
        self._handles.pop(slot, None)
        while len(self._handles) >= _OPEN:
            del self._handles[next(iter(self._handles))]
        self._handles[slot] = handle

    async def handle(self, slot: int) -> Handle:
        """The segment, opened if it is not. Raises OSError."""
        found = self.opened(slot)
        if found is None:
            index, serial = self.index, self.index.serial[slot]
            found = await self.worker.do(partial(self.shelf.open, serial, SEGMENT))
            if self.index is index and index.has_segment(slot) and index.serial[slot] == serial:
                self.hold(slot, found)
        return found

    async def verify(self, file: File, slot: int, piece: int) -> bool:
        """See `File.verified`."""
        return await check.verify(self, file, slot, piece)

    async def row(self, file: File, start: int, count: int) -> bytes | None:
        """See `File.row`."""
        return await check.row(self, file, start, count)

    async def row_of_root(self, file: File, start: int, count: int) -> bytes | None:
        """The hashes that the root proves, of pieces that are not kept."""
        return await self._rows.read(file, start, count)

    async def set_row(self, file: File, row: bytes | bytearray | memoryview, start: int) -> bool:
        """See `File.set_row`."""
        return await self._rows.set(file, row, start)

    def found_wrong(self, file: File, slot: int, count: int, row: bytes) -> None:
        """After `count` pieces, the segment is not what it was; `row`: its hashes, if known."""
        first, before = self.index.first[slot], self.index.count[slot]
        log.warning("cache-piece-wrong", directory=self._directory, pieces=before - count)
        for piece in range(count, min(before, len(row) // HASH)):
            if len(self.wrong) < _MOST_WRONG:
                at = piece * HASH
                self.wrong[file.at, first + piece] = row[at : at + HASH]
        self.drop(slot, count)

    async def unreadable(self, file: File, slot: int, error: OSError) -> None:
        """One segment cannot be read: it is lost, or everything is."""
        index, serial = self.index, self.index.serial[slot]
        await self._look()
        if self.index is index and index.has_segment(slot) and index.serial[slot] == serial:
            log.warning("cache-unreadable", directory=self._directory, error=error.strerror)
            self.found_wrong(file, slot, 0, b"")

    def settled(self, file: File, root: bytes) -> None:
        """All of the file is right, and this is its root."""
        name = naming.name(naming.ROOT, root)
        same = self.index.find(name)
        if same >= 0 and same != file.at:
            self._merge(file, same)
        if file.size:
            self.index.add_name(file.at, name)
        self.index.flags[file.at] |= layout.WHOLE | layout.PROVEN
        self._rows.drop(file.at)
        self.changed(file.at)
        self.completed()

    def _merge(self, file: File, same: int) -> None:
        """Another file was found to be the same: its names are this one's now."""
        index = self.index
        names, flags = index.names(same), index.flags[same]
        self.drop_file(same)
        for name in names:
            index.add_name(file.at, name)
        index.flags[file.at] |= flags & layout.PINNED
        index.flags[file.at] &= flags | ~layout.PRIVATE

    async def settle(self, file: File) -> bool:
        """See `File.settle`."""
        return await check.settle(self, file)

    # --- what is written down ---

    def record(self, record: bytes) -> None:
        """Write this down, soon."""
        self._book.record(record)

    async def flush(self) -> bool:
        """Write down all that is to last. False: the disk refused."""
        return await self._book.flush()

    def _snapshot(self) -> Iterator[bytes]:
        return load.snapshot(self.index, self.space, self._serial)

    def wrote(self, count: int) -> None:
        """So many bytes were given to the disk."""
        self.written += count
        self.space.wrote(count)

    # --- regular work ---

    async def run(self) -> None:
        """Look after the disk, and at some of what is kept, until cancelled."""
        while True:
            await asyncio.sleep(_TICK)
            self.growth.seal_idle(_PATIENCE)
            if self.space.tick(self.loop.time()):
                self.record(self.space.now)
            await self._look()
            await check.scrub(self)

    async def _look(self) -> None:
        index, space, shelf = self.index, self.space, self.shelf
        if not self._book.is_open:
            return

        def look() -> int:
            if not self._book.present:
                raise OSError(errno.ENOENT, "the directory is another one")
            return shelf.free()

        try:
            space.free = await self.worker.do(look)
        except OSError as error:
            if self.index is index:
                self.failed(error)
            return
        self.room.fit()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _words(error: OSError) -> str:
    """What people are told of it."""
    if isinstance(error, load.InUse):
        return str(error)
    return WORDS.get(error.errno or 0, GONE)


def _nothing() -> None:
    """Nobody wants to know."""

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
from edge.cache.store import check, layout, load
from edge.cache.store import index as tables
from edge.cache.store.file import File, Growing, Running, Writer, hash_of
from edge.cache.store.index import Index
from edge.cache.store.journal import Log
from edge.cache.store.notes import Notes
from edge.cache.store.notes import take as take_note
from edge.cache.store.policy import Policy
from edge.cache.store.room import MAX_GROWING, Room, promise_of
from edge.cache.store.rows import Rows
from edge.cache.store.shelf import SEGMENT, Handle, Memory, Shelf, begin
from edge.cache.store.space import Space, free, is_raw_flash
from edge.cache.store.worker import Worker
from edge.wire.merkle import HASH, PIECE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from typing import Any

    from edge.budget import Pool

_FLUSH = 5.0  # seconds that a record waits for others at most
_TICK = 10.0  # seconds between two looks at the disk
_PATIENCE = 30.0  # seconds that a segment waits for who goes on with it
_OPEN = 24  # segments whose descriptors are held for the next reader
_BATCH = 1 << 16  # bytes of records that are not waited with
_SLACK = 1 << 16  # bytes of the log that are no reason to write it anew
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
        self.policy = Policy()
        self.notes = Notes(pool, self._due)
        self.worker = Worker(loop, "cache")
        self.live: WeakValueDictionary[int, File] = WeakValueDictionary()
        self.evicted = self.repaired = self.written = self.kept = 0
        self.refused: dict[str, int] = {}
        self._wrong: dict[tuple[int, int], bytes] = {}  # hash of pieces that were lost, by row
        self._directory = ""
        self._size = self._max_written = 0
        self._lock: Handle | None = None
        self._log: Log | None = None
        self._notes_log: Log | None = None
        self._pending: list[bytes] = []
        self._weight = 0
        self._timer: asyncio.TimerHandle | None = None
        self._flushing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._again = Again(loop, self._attempt)
        self._leased = 0
        self.growing_count = 0
        self._begin_in_memory()

    # --- opening and closing ---

    async def open(self, directory: str, size: int, max_written: int = 0) -> None:
        """Keep files in `directory`, at most `size` bytes of them; write `max_written` a day at
        most (0: as much as is kept, on flash that wears out by it; else any).

        "" or a size of 0: in memory alone.
        """
        same = directory == self._directory and self._log is not None and size > 0
        if same and tables.pieces_for(size) <= self.index.per_segment:
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
        for file in list(self.live.values()):
            for growing in list(file.growing):
                self.seal(file, growing)
        while self._tasks:
            await asyncio.wait(set(self._tasks))
        await self.flush()
        self._begin_in_memory()
        self._directory, self.trouble = "", ""

    async def _reopen(self) -> None:
        size = min(self._size, tables.MOST_QUOTA)
        directory = self._directory
        try:
            found = await self.worker.do(partial(load.load, directory, size, 0))
        except OSError as error:
            self._say(_words(error))
            self._again.start()
            return
        if self._directory != directory:
            found.log.close()
            return
        self._begin(found.index, found.space, found.shelf)
        self._lock, self._log, self._serial = found.lock, found.log, found.serial
        await self._open_notes()
        await self._limit_writing()
        self._say("")
        self.room.fit()

    async def _open_notes(self) -> None:
        places: dict[bytes, tuple[int, int]] = {}
        directory = self._directory

        found = Log(directory, "not")

        def read() -> None:
            if found.read(partial(take_note, places)):
                found.tidy()
            else:
                found.rewrite(())

        try:
            await self.worker.do(read)
        except OSError as error:
            self.failed(error)
            return
        self._notes_log = found
        self.notes.attach(found, places, self._size)

    async def _limit_writing(self) -> None:
        limit, directory = self._max_written, self._directory
        if not limit and await self.worker.do(lambda: is_raw_flash(directory)):
            limit = self._size
        self.space.max_written = limit

    def _begin_in_memory(self) -> None:
        size = self.pool.ceiling // _MEMORY_PART
        self._begin(Index(1), Space(size, 0), Memory())
        self.notes.attach(None, {}, 0)

    def _begin(self, index: Index, space: Space, shelf: Shelf) -> None:
        """With these tables, from now on. Whoever has a file in hand has nothing any more."""
        for file in list(self.live.values()):
            for growing in file.growing:
                growing.dead = True
            file.growing.clear()
            file.at = -1
            file.moved()
        self.live.clear()
        for closing in (self._log, self._notes_log):
            if closing is not None:
                self.worker.later(closing.close)
        self._log = self._notes_log = self._lock = None
        self._pending, self._weight = [], 0
        self.pool.give(self._leased)
        self._leased = 0
        self.index, self.space, self.shelf = index, space, shelf
        self.room = Room(self)
        self.rows = Rows(self)
        self._handles: dict[int, Handle] = {}
        self._wrong.clear()
        self._serial = 1
        self.growing_count = 0

    # --- what is the matter ---

    @property
    def available(self) -> bool:
        """Whether something new may be kept."""
        return not self.trouble

    @property
    def quota(self) -> int:
        """Bytes that the store may take."""
        return self.space.quota

    @property
    def log_bytes(self) -> int:
        """Bytes of the logs."""
        return sum(one.length for one in (self._log, self._notes_log) if one is not None)

    def failed(self, error: OSError) -> None:
        """The disk did not do what it was asked for."""
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
            self._spawn(self._reopen() if self._log is None else self._try())
        return not self.trouble

    async def _try(self) -> None:
        """Whether the disk takes something again."""
        try:
            self.space.free = await self.worker.do(partial(free, self._directory))
        except OSError as error:
            self._say(_words(error))
            return
        self._pending.append(self.space.now)
        if await self._flush():
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
        self.policy.touch(name)
        at = self.index.find(name)
        return self.at(at) if at >= 0 else None

    def file(self, name: bytes, size: int) -> File:
        """The file with this name, begun if there is none; of another size, it is another."""
        found = self.find(name)
        if found is not None and found.size != size:
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
                    index.remove_file(at)
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
        self.rows.drop(at)
        for key in [one for one in self._wrong if one[0] == at]:
            del self._wrong[key]
        if file is not None:
            for growing in list(file.growing):
                self._abandon(file, growing)
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
            self.record(layout.drop_record(slot))
            self.remove(serial, SEGMENT)
            self.lease()
        if at in self.live:
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

    def admits(self, file: File, start: int, end: int) -> bool:
        """Whether there is room for these bytes, and they are worth it."""
        reason = "unavailable" if self.trouble else self.room.admits(file, start, end)
        if reason:
            self.refuse(reason)
        return not reason

    def promise(self, file: File, first: int, end: int) -> int:
        """Bytes promised to a writer."""
        promised = promise_of(file, first, end)
        self.room.promised += promised
        return promised

    def unpromise(self, writer: Writer) -> None:
        """A writer has no use for what is left of its promise."""
        self.room.promised -= writer.promised
        writer.promised = 0

    async def begin(self, writer: Writer, file: File, piece: int, end: int) -> Growing | None:
        """A segment to write `piece` and those after it to, up to `end`. None: no room."""
        room = min(file.next_taken(piece), end) - piece
        for growing in file.growing:
            if growing.end == piece and growing.writer is None and not growing.sealing:
                more = min(room, self.index.per_segment - growing.count)
                if more > 0 and self._reserve(writer, file, growing, growing.count + more):
                    growing.writer = writer
                    return growing
        return await self._begin_segment(writer, file, piece, min(room, self.index.per_segment))

    async def _begin_segment(
        self, writer: Writer, file: File, piece: int, room: int
    ) -> Growing | None:
        if self.growing_count >= MAX_GROWING:
            self._seal_idle(0.0)
        if self.trouble or self.growing_count >= 2 * MAX_GROWING or not self.room.slot_free():
            return None
        growing = Growing(self.next_serial(), piece, 0)
        growing.writer = writer
        if not self._reserve(writer, file, growing, room):
            self.refuse("room")
            return None
        self.growing_count += 1
        file.growing.append(growing)
        header = layout.Header(
            growing.serial, file.size, piece, self.index.flags[file.at], self.index.names(file.at)
        )
        size = layout.segment_size(file.size, piece, room)
        try:
            handle, self.space.free = await self.worker.do(partial(begin, self.shelf, header, size))
        except OSError as error:
            self._abandon(file, growing)
            self.failed(error)
            return None
        except asyncio.CancelledError:
            self._abandon(file, growing)
            raise
        if growing.dead:
            return None
        growing.handle = handle
        return growing

    def _reserve(self, writer: Writer, file: File, growing: Growing, room: int) -> bool:
        """Reserve what a segment of `room` pieces takes beyond what it has."""
        size = layout.segment_size(file.size, growing.first, room)
        more = size - (
            layout.segment_size(file.size, growing.first, growing.room) if growing.room else 0
        )
        granted = min(writer.promised, more)
        writer.promised -= granted
        self.room.promised -= granted
        if not self.room.make(more):
            return False
        self.room.reserved += more
        if not self.lease():
            self.room.reserved -= more
            return False
        growing.room = room
        return True

    def lease(self) -> bool:
        """Lease what is in memory now. False: it is more than the pool has."""
        wanted = self.index.cost() + (PIECE if self._log is not None else 0)
        if not self.shelf.lasts:
            wanted += self.index.bytes + self.room.reserved
        more = wanted - self._leased
        if not self.pool.take(more):
            return self.shelf.lasts  # the tables are small, and what they lack is measured
        self._leased = wanted
        return True

    async def write(
        self,
        file: File,
        growing: Growing,
        data: bytes | bytearray | memoryview,
        expected: bytes | None,
    ) -> bool:
        """Add a piece. False: its hash is not `expected`, or the disk refused it."""
        handle, size, running = growing.handle, file.size, self._running(file)
        assert handle is not None
        at = layout.HEADER + growing.count * PIECE
        offset, shelf = growing.end * PIECE, self.shelf

        def job() -> bytes:
            found = hash_of(data, size)
            if expected in (None, found):
                shelf.write(handle, data, at)
                if running is not None:
                    running.feed(data, offset)
            return found

        try:
            found = await self.worker.do(job)
        except OSError as error:
            self._abandon(file, growing)
            self.failed(error)
            return False
        if growing.dead or expected not in (None, found):
            return False
        growing.row += found
        if self._wrong.pop((file.at, growing.end - 1), None) is not None:
            self.repaired += len(data)
        return True

    async def look_past(self, file: File, data: bytes | bytearray | memoryview, piece: int) -> bool:
        """A piece that is kept already: only the hash of the whole needs it."""
        running = self._running(file)
        if running is not None and running.position == piece * PIECE:
            await self.worker.do(partial(running.feed, data, running.position))
        return True

    def _running(self, file: File) -> Running | None:
        if file.running is None:
            kind = check.whole_kind(file.names)
            file.running = Running(kind, file.size) if kind else None
        return file.running

    def park(self, file: File, growing: Growing) -> None:
        """Its writer has left: it is sealed soon, unless another goes on with it."""
        growing.since = self.loop.time()
        if growing.count == growing.room or growing.handle is None:
            self.seal(file, growing)

    def _seal_idle(self, patience: float) -> None:
        for file in list(self.live.values()):
            for growing in list(file.growing):
                idle = growing.writer is None and not growing.sealing
                if idle and self.loop.time() - growing.since >= patience:
                    self.seal(file, growing)

    def seal(self, file: File, growing: Growing) -> None:
        """Nothing more comes: have it count."""
        if growing.sealing or growing.dead:
            return
        growing.sealing = True
        if growing.handle is None or not growing.count:
            self._abandon(file, growing)
        else:
            self._spawn(self._seal(file, growing, growing.handle))

    async def _seal(self, file: File, growing: Growing, handle: Handle) -> None:
        shelf, row = self.shelf, bytes(growing.row)
        at = layout.HEADER + layout.span(file.size, growing.first, growing.count)

        def job() -> None:
            shelf.write(handle, layout.seal(growing.serial, row), at)
            shelf.flush(handle)

        try:
            await self.worker.do(job)
        except OSError as error:
            self._abandon(file, growing)
            self.failed(error)
            return
        if growing.dead:
            return
        self._forget_growing(file, growing)
        index = self.index
        first_of_file = index.head[file.at] == tables.NONE
        slot = index.add_segment(file.at, growing.serial, growing.first, growing.count)
        assert slot >= 0  # slot_free made one
        index.set_verified(slot, 0, growing.count, True)
        self.hold(slot, handle)
        file.moved()
        data = layout.span(file.size, growing.first, growing.count)
        if shelf.lasts:
            self.kept += data
            self.wrote(layout.segment_size(file.size, growing.first, growing.count))
        if first_of_file:
            self.changed(file.at)
        self.record(load.segment_record(index, slot))
        self.record(self.space.now)

    def _forget_growing(self, file: File, growing: Growing) -> None:
        growing.dead = True
        file.growing.remove(growing)
        self.growing_count -= 1
        self.room.reserved -= layout.segment_size(file.size, growing.first, growing.room)
        self.lease()

    def _abandon(self, file: File, growing: Growing) -> None:
        """Nothing of it is kept."""
        if growing.dead:
            return
        self._forget_growing(file, growing)
        self.remove(growing.serial, SEGMENT)

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

    async def proven(self, file: File, piece: int) -> bytes | None:
        """The hash that this piece has to have, if that is known."""
        return self._wrong.get((file.at, piece)) or await self.rows.read(file, piece, 1)

    async def set_row(self, file: File, row: bytes | bytearray | memoryview, start: int) -> bool:
        """See `File.set_row`."""
        return await self.rows.set(file, row, start)

    def found_wrong(self, file: File, slot: int, count: int, row: bytes) -> None:
        """After `count` pieces, the segment is not what it was; `row`: its hashes, if known."""
        first, before = self.index.first[slot], self.index.count[slot]
        log.warning("cache-piece-wrong", directory=self._directory, pieces=before - count)
        for piece in range(count, min(before, len(row) // HASH)):
            if len(self._wrong) < _MOST_WRONG:
                at = piece * HASH
                self._wrong[file.at, first + piece] = row[at : at + HASH]
        self.drop(slot, count)
        file.set_flag(layout.WHOLE, False)

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
        self.rows.drop(file.at)
        self.changed(file.at)

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

    # --- records ---

    def record(self, record: bytes) -> None:
        """Write this down, soon."""
        if self._log is None:
            return
        self._pending.append(record)
        self._weight += len(record)
        self._due()

    def _due(self) -> None:
        if self._timer is None:
            wait = _FLUSH if self._weight < _BATCH else 0.0
            self._timer = self.loop.call_later(wait, self._begin_flush)

    def _begin_flush(self) -> None:
        self._timer = None
        self._spawn(self._flush_all())

    async def _flush_all(self) -> None:
        await self._flush()

    async def flush(self) -> bool:
        """Write down all that is to last. False: the disk refused."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return await self._flush()

    async def _flush(self) -> bool:
        async with self._flushing:
            try:
                await self._flush_log()
                await self._flush_notes()
            except OSError as error:
                self.failed(error)
                return False
        return True

    async def _flush_log(self) -> None:
        book, batch = self._log, self._pending
        if book is None or not batch:
            return
        self._pending, self._weight = [], 0
        before = book.length
        try:
            if book.length > 2 * book.begun + _SLACK:
                before = 0
                records = list(load.snapshot(self.index, self.space, self._serial))
                await self.worker.do(partial(book.rewrite, records))
            else:
                await self.worker.do(partial(book.append, batch))
        except OSError:
            if self._log is book:
                self._pending = batch + self._pending
            raise
        self.wrote(book.length - before)

    def wrote(self, count: int) -> None:
        """So many bytes were given to the disk."""
        self.written += count
        self.space.wrote(count)

    async def _flush_notes(self) -> None:
        book = self._notes_log
        if book is None or not self.notes.pending:
            return
        batch, write = self.notes.batch()
        before = book.length
        places = await self.worker.do(write)
        if self._notes_log is book:
            self.notes.written(batch, places)
        grown = book.length - before if book.length > before else book.length
        self.wrote(grown)

    # --- regular work ---

    async def run(self) -> None:
        """Look after the disk, and at some of what is kept, until cancelled."""
        while True:
            await asyncio.sleep(_TICK)
            self._seal_idle(_PATIENCE)
            if self.space.tick(self.loop.time()):
                self.record(self.space.now)
            await self._look()
            await check.scrub(self)

    async def _look(self) -> None:
        book, space, directory = self._log, self.space, self._directory
        if book is None:
            return

        def look() -> int:
            if not book.present:
                raise OSError(errno.ENOENT, "the directory is another one")
            return free(directory)

        try:
            space.free = await self.worker.do(look)
        except OSError as error:
            if self._log is book:
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

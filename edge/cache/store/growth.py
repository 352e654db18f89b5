"""Segments that are being written: begun with room reserved, filled by one at a time, sealed.

What is in one is served at once. When its writer leaves before it is full, it waits a while for one
that goes on where it ends, so that many small ranges one after the other do not become as many
segments.
"""

from __future__ import annotations

import asyncio
from functools import partial

from edge.cache.store import index as tables
from edge.cache.store import layout, load
from edge.cache.store.file import File, Growing, Running, Writer, hash_of, whole_kind
from edge.cache.store.room import MAX_GROWING, Room
from edge.cache.store.shelf import SEGMENT, Handle, begin, finish
from edge.wire.merkle import PIECE, pieces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.cache.store.file import Keeper


class Growth:
    """Of `store`. `busy`: the files that are written to, by row."""

    def __init__(self, store: Keeper, room: Room) -> None:
        self._store = store
        self._room = room
        self.busy: dict[int, File] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.count = 0  # of segments that grow

    def writer(self, file: File, start: int, end: int) -> Writer | None:
        """See `File.writer`."""
        store = self._store
        if file.at < 0:
            return None
        reason = "unavailable" if store.refuses else self._room.admits(file, start, end)
        if reason:
            store.refuse(reason)
            return None
        file.writers += 1
        self.busy[file.at] = file  # whose pieces do not go for others of it
        return Writer(file, start // PIECE, pieces(end), self._room.promise(file, start, end))

    def left(self, writer: Writer) -> None:
        """A writer has no use for what is left of its promise."""
        writer.file.writers -= 1
        if writer.index is self._store.index:
            self._room.promised -= writer.promised
            self._rest(writer.file)
        writer.promised = 0

    def _rest(self, file: File) -> None:
        if not file.growing and not file.writers and self.busy.get(file.at) is file:
            del self.busy[file.at]

    async def begin(self, writer: Writer, file: File, piece: int, end: int) -> Growing | None:
        """A segment to write `piece` and those after it to, up to `end`. None: no room."""
        free = file.next_taken(piece) - piece
        for growing in file.growing:
            if growing.end == piece and growing.writer is None and not growing.sealing:
                more = min(free, end - piece, growing.most - growing.count)
                if more > 0 and self._reserve(writer, file, growing, growing.count + more):
                    growing.writer = writer
                    return growing
        most = min(free, self._store.index.per_segment)
        growing = Growing(self._store.next_serial(), piece, most)
        growing.writer = writer
        return await self._begin_segment(file, growing, min(most, end - piece))

    async def _begin_segment(self, file: File, growing: Growing, room: int) -> Growing | None:
        if self.count >= MAX_GROWING:
            self.seal_idle(0.0)
        if self._store.refuses or self.count >= 2 * MAX_GROWING or not self._room.slot_free():
            return None
        writer = growing.writer
        if writer is None or not self._reserve(writer, file, growing, room):
            self._store.refuse("room")
            return None
        self.count += 1
        file.growing.append(growing)
        header = layout.Header(
            growing.serial,
            file.size,
            growing.first,
            self._store.index.flags[file.at],
            self._store.index.names(file.at),
        )
        size = layout.segment_size(file.size, growing.first, room)
        try:
            handle, self._store.space.free = await self._store.worker.do(
                partial(begin, self._store.shelf, header, size)
            )
        except OSError as error:
            self.abandon(file, growing)
            self._store.failed(error)
            return None
        except asyncio.CancelledError:
            self.abandon(file, growing)
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
        self._room.promised -= granted
        if not self._room.make(more):
            return False
        self._room.reserved += more
        if not self._store.lease():
            self._room.reserved -= more
            return False
        growing.room = room
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
        if handle is None or growing.sealing:
            return False
        at = layout.HEADER + growing.count * PIECE
        offset, shelf = growing.end * PIECE, self._store.shelf

        def job() -> bytes:
            found = hash_of(data, size)
            if expected in (None, found):
                shelf.write(handle, data, at)
                if running is not None:
                    running.feed(data, offset)
            return found

        try:
            found = await self._store.worker.do(job)
        except OSError as error:
            self.abandon(file, growing)
            self._store.failed(error)
            return False
        except asyncio.CancelledError:
            file.running = None  # which may have these bytes, or others that came in their place
            raise
        wrong, piece = expected not in (None, found), offset // PIECE
        if growing.dead or growing.sealing or wrong or file.has(piece):
            file.running = None  # which may have these bytes
            return not wrong and file.has(piece)  # another was faster
        growing.row += found
        if self._store.wrong.pop((file.at, growing.end - 1), None) is not None:
            self._store.repaired += len(data)
        return True

    def _running(self, file: File) -> Running | None:
        if file.running is None:
            kind = whole_kind(file.names)
            file.running = Running(kind, file.size) if kind else None
        return file.running

    def park(self, file: File, growing: Growing) -> None:
        """Its writer has left: it is sealed soon, unless another goes on with it."""
        growing.since = self._store.loop.time()
        if growing.full or growing.handle is None:
            self.seal(file, growing)

    def seal_idle(self, patience: float) -> None:
        """Wait no longer with those whose writer left so many seconds ago."""
        for file in list(self.busy.values()):
            for growing in list(file.growing):
                idle = growing.writer is None and not growing.sealing
                if idle and self._store.loop.time() - growing.since >= patience:
                    self.seal(file, growing)

    def seal(self, file: File, growing: Growing) -> None:
        """Nothing more comes: have it count."""
        if growing.sealing or growing.dead:
            return
        growing.sealing = True
        if growing.handle is None or not growing.count:
            self.abandon(file, growing)
        else:
            task = self._store.loop.create_task(self._seal(file, growing, growing.handle))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            growing.task = task

    async def finish(self, file: File) -> None:
        """Seal all that grows of the file; afterwards, it counts."""
        for growing in list(file.growing):
            self.seal(file, growing)
        tasks = [one.task for one in file.growing if one.task is not None]
        if tasks:
            await asyncio.wait(tasks)

    async def finish_all(self) -> None:
        """Seal all there is."""
        for file in list(self.busy.values()):
            await self.finish(file)

    def end(self) -> None:
        """The shelf is gone, and all that grows with it."""
        for file in self.busy.values():
            for growing in file.growing:
                growing.dead = True
            file.growing.clear()
        self.busy.clear()
        self.count = 0

    async def _seal(self, file: File, growing: Growing, handle: Handle) -> None:
        shelf, row = self._store.shelf, bytes(growing.row)
        at = layout.HEADER + layout.span(file.size, growing.first, growing.count)

        def job() -> None:
            finish(shelf, handle, layout.seal(growing.serial, row), at)

        try:
            await self._store.worker.do(job)
        except OSError as error:
            self.abandon(file, growing)
            self._store.failed(error)
            return
        if growing.dead:
            return
        self._forget_growing(file, growing)
        index = self._store.index
        first_of_file = index.head[file.at] == tables.NONE
        slot = index.add_segment(file.at, growing.serial, growing.first, growing.count)
        assert slot >= 0  # slot_free made one
        index.set_verified(slot, 0, growing.count, True)
        self._store.policy.kept(slot)
        self._store.hold(slot, handle)
        file.moved()
        data = layout.span(file.size, growing.first, growing.count)
        if shelf.lasts:
            self._store.kept += data
            self._store.wrote(layout.segment_size(file.size, growing.first, growing.count))
        if first_of_file:
            self._store.changed(file.at)
        self._store.record(load.segment_record(index, slot))
        self._store.record(self._store.space.now)

    def _forget_growing(self, file: File, growing: Growing) -> None:
        growing.dead = True
        file.growing.remove(growing)
        self._rest(file)
        self.count -= 1
        self._room.reserved -= layout.segment_size(file.size, growing.first, growing.room)
        self._store.lease()

    def abandon(self, file: File, growing: Growing) -> None:
        """Nothing of it is kept."""
        if growing.dead:
            return
        file.running = None  # others may come in the place of these bytes
        if growing.handle is not None and self._store.shelf.lasts:
            written = layout.HEADER + layout.span(file.size, growing.first, growing.count)
            self._store.wrote(written)
        self._forget_growing(file, growing)
        self._store.remove(growing.serial, SEGMENT)

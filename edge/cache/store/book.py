"""What the store writes down: records of the index and notes, in batches, each flushed."""

from __future__ import annotations

import asyncio
from functools import partial

from edge.cache.store.journal import Log
from edge.cache.store.notes import Notes
from edge.cache.store.notes import take as take_note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from edge.cache.store.worker import Worker

_WAIT = 5.0  # seconds that a record waits for others at most
_BATCH = 1 << 16  # bytes of records that are not waited with
_SLACK = 1 << 16  # bytes of the log that are no reason to write it anew


class Book:
    """`snapshot()`: records that say all of the index. `failed(error)`: the disk refused.

    `written`: bytes since the start; `wrote(count)` is told of each batch.
    """

    def __init__(
        self,
        worker: Worker,
        notes: Notes,
        snapshot: Callable[[], Iterable[bytes]],
        wrote: Callable[[int], None],
        failed: Callable[[OSError], None],
    ) -> None:
        self._worker = worker
        self._notes = notes
        notes.changed = self.due
        self._snapshot = snapshot
        self._wrote = wrote
        self._failed = failed
        self._log: Log | None = None
        self._notes_log: Log | None = None
        self._pending: list[bytes] = []
        self._weight = 0
        self._timer: asyncio.TimerHandle | None = None
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[bool]] = set()

    @property
    def is_open(self) -> bool:
        """Whether there is a log."""
        return self._log is not None

    @property
    def length(self) -> int:
        """Bytes of the logs."""
        return sum(one.length for one in (self._log, self._notes_log) if one is not None)

    @property
    def present(self) -> bool:
        """Whether the logs are still in their directory. Blocks; raises OSError."""
        return self._log is not None and self._log.present

    async def open(self, log: Log, directory: str, quota: int) -> None:
        """Write to `log`, and to that of the notes in `directory`. Raises OSError."""
        self._log = log
        places: dict[bytes, tuple[int, int]] = {}
        found = Log(directory, "not")

        def read() -> None:
            if found.read(partial(take_note, places)):
                found.tidy()
            else:
                found.rewrite(())

        await self._worker.do(read)
        if self._log is log:
            self._notes_log = found
            self._notes.attach(found, places, quota)

    def close(self) -> None:
        """Write nothing any more, and forget what was not written."""
        for closing in (self._log, self._notes_log):
            if closing is not None:
                self._worker.later(closing.close)
        self._log = self._notes_log = None
        self._pending, self._weight = [], 0
        self._notes.attach(None, {}, 0)

    def record(self, record: bytes) -> None:
        """Write this down, soon."""
        if self._log is not None:
            self._pending.append(record)
            self._weight += len(record)
            self.due()

    def due(self) -> None:
        """Something is to be written, soon."""
        if self._timer is None and self._log is not None:
            wait = _WAIT if self._weight < _BATCH else 0.0
            self._timer = asyncio.get_running_loop().call_later(wait, self._begin)

    def _begin(self) -> None:
        self._timer = None
        task = asyncio.get_running_loop().create_task(self.flush())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def flush(self) -> bool:
        """Write down all that is to last. False: the disk refused."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        async with self._turn:
            try:
                await self._flush_log()
                await self._flush_notes()
            except OSError as error:
                self._failed(error)
                return False
        return True

    async def _flush_log(self) -> None:
        log, batch = self._log, self._pending
        if log is None or not batch:
            return
        self._pending, self._weight = [], 0
        before = log.length
        try:
            if before > 2 * log.begun + _SLACK:
                before = 0
                await self._worker.do(partial(log.rewrite, list(self._snapshot())))
            else:
                await self._worker.do(partial(log.append, batch))
        except OSError:
            if self._log is log:
                self._pending = batch + self._pending
            raise
        if self._log is log:
            self._wrote(log.length - before)

    async def _flush_notes(self) -> None:
        log = self._notes_log
        if log is None or not self._notes.pending:
            return
        batch, write = self._notes.batch()
        before = log.length
        places = await self._worker.do(write)
        if self._notes_log is log:
            self._notes.written(batch, places)
            self._wrote(log.length - before if log.length > before else log.length)

"""Small values by their keys that outlast the process: what the origins said of their files.

The values are on the disk, in a log of their own; keys and places are in memory, with the values
that were put last. Without a directory they are in memory alone, as far as that goes. The oldest go
when there are too many.
"""

from __future__ import annotations

from edge.cache.store.journal import Log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge.budget import Pool

MAX_VALUE = 1 << 16
MAX_KEY = 255
MAX_NOTES = 1 << 11
COST = 320  # bytes of memory for one, beside its key
_MOST_BYTES = 8 << 20  # of values on the disk
_PART = 16  # of the quota, at most one in so many is for notes
_HELD = 1 << 18  # bytes of values in memory, of those that stand in the log too
_PUT, _DELETE = 1, 2


class Note:
    """Where the value is in the log (`at`, or -1), and itself, if it is in memory."""

    __slots__ = ("at", "length", "value")

    def __init__(self, at: int, length: int, value: bytes | None) -> None:
        self.at = at
        self.length = length
        self.value = value


class Notes:
    """`pool`: leases the memory. `changed` is called when there is something to write."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.changed: Callable[[], None] = lambda: None
        self._notes: dict[bytes, Note] = {}
        self._held = 0  # bytes of values in memory
        self._bytes = 0  # bytes of all values
        self._pending: dict[bytes, bytes | None] = {}
        self._log: Log | None = None
        self._most = _HELD

    def __len__(self) -> int:
        return len(self._notes)

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`. It may be read from the disk: one small read."""
        note = self._notes.get(key)
        if note is None or note.value is not None:
            return None if note is None else note.value
        if self._log is None or not self._log.usable:
            return None
        try:
            data = self._log.read_at(note.length, note.at)
        except OSError:
            return None
        return data if len(data) == note.length else None

    def put(self, key: bytes, value: bytes) -> None:
        """Keep `value` (at most MAX_VALUE bytes) for `key` (at most MAX_KEY)."""
        if len(value) > MAX_VALUE or not 0 < len(key) <= MAX_KEY:
            raise ValueError("too large a note")
        self._forget(key)
        while self._notes and (
            len(self._notes) >= MAX_NOTES or self._bytes + len(value) > self._most
        ):
            self.delete(next(iter(self._notes)))
        if not self._lease(len(key), len(value)):
            self._pending[key] = None  # what was there before is not to come back
            return
        self._notes[key] = Note(-1, len(value), bytes(value))
        self._bytes += len(value)
        self._pending[key] = bytes(value)
        self.changed()

    def delete(self, key: bytes) -> None:
        """Forget `key`."""
        if self._forget(key):
            self._pending[key] = None
            self.changed()

    def keys(self, prefix: bytes = b"") -> list[bytes]:
        """The keys with this beginning, the oldest first."""
        return [key for key in self._notes if key.startswith(prefix)]

    def _lease(self, key: int, value: int) -> bool:
        """Take memory for one; others go, or have their values on the disk alone."""
        while not self._pool.take(COST + key + value):
            if not self._unload():
                if not self._notes:
                    return False
                self.delete(next(iter(self._notes)))
        self._held += value
        return True

    def _unload(self) -> bool:
        """Let go of values that stand in the log. Whether there were any."""
        before = self._held
        for note in self._notes.values():
            if note.value is not None and note.at >= 0:
                note.value = None
                self._held -= note.length
        self._pool.give(before - self._held)
        return self._held < before

    def _forget(self, key: bytes) -> bool:
        note = self._notes.pop(key, None)
        if note is None:
            return False
        held = note.length if note.value is not None else 0
        self._held -= held
        self._bytes -= note.length
        self._pool.give(COST + len(key) + held)
        return True

    # --- on the disk ---

    def attach(self, log: Log | None, found: dict[bytes, tuple[int, int]], quota: int) -> None:
        """From now on they stand in `log`, which has those at `found`. None: there is no disk.

        What is in memory and was not written is written there.
        """
        self._log = log
        self._most = min(_MOST_BYTES, quota // _PART) if log is not None else _HELD
        fresh = {key: note.value for key, note in self._notes.items() if note.value is not None}
        for key in list(self._notes):
            self._forget(key)
        self._pending = {}
        for key, (at, length) in found.items():
            if len(self._notes) < MAX_NOTES and self._pool.take(COST + len(key)):
                self._notes[key] = Note(at, length, None)
                self._bytes += length
        for key, value in fresh.items():
            self.put(key, value)

    @property
    def pending(self) -> bool:
        """Whether something is to be written."""
        return bool(self._pending) and self._log is not None

    def batch(self) -> tuple[dict[bytes, bytes | None], Callable[[], list[int]]]:
        """What is to be written, and what writes it: it blocks and raises OSError."""
        batch, log = dict(self._pending), self._log
        assert log is not None
        if log.length > 2 * (self._bytes + log.begun // 2) + _HELD:
            live = {key: (note.at, note.length, note.value) for key, note in self._notes.items()}
            copied = _copied(log.reader(), live)
            return {key: one[2] or b"" for key, one in live.items()}, lambda: log.rewrite(copied)
        return batch, lambda: log.append(record(key, value) for key, value in batch.items())

    def written(self, batch: dict[bytes, bytes | None], places: list[int]) -> None:
        """The batch stands at `places` of the log."""
        for (key, value), at in zip(batch.items(), places, strict=True):
            note = self._notes.get(key)
            current = key not in self._pending or self._pending[key] is value
            if note is not None and value is not None and current:
                note.at = at + 2 + len(key)
            if current:
                self._pending.pop(key, None)
        if self._held > _HELD:
            self._unload()


def record(key: bytes, value: bytes | None) -> bytes:
    """One note as it is written; None: it is gone."""
    return bytes([_DELETE if value is None else _PUT, len(key)]) + key + (value or b"")


def take(found: dict[bytes, tuple[int, int]], at: int, payload: bytes) -> None:
    """Bring a record of the log, whose payload is `at` there, into `found`: place and length."""
    if len(payload) < 2 or len(payload) < 2 + payload[1] or not payload[1]:
        return
    start = 2 + payload[1]
    key = payload[2:start]
    found.pop(key, None)
    if payload[0] == _PUT and len(payload) - start <= MAX_VALUE:
        found[key] = (at + start, len(payload) - start)
        if len(found) > MAX_NOTES:
            del found[next(iter(found))]


def _copied(
    read: Callable[[int, int], bytes], live: dict[bytes, tuple[int, int, bytes | None]]
) -> Iterator[bytes]:
    for key, (at, length, value) in live.items():
        yield record(key, read(length, at) if value is None else value)

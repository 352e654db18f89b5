"""The tables of what is stored: by key, by value, by writer, and in the order of expiration.

They hold together whatever comes and goes, and count the bytes that it takes. What may come, and
what has to go for it, others decide (`edge/dht/storage.py`). Each change takes O(log n).
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush, heapreplace

from edge.dht.records import (
    DICTIONARY,
    ENTRY,
    HOLDER,
    VALUE,
    Dictionary,
    Entry,
    Holder,
    Ranking,
    Value,
)
from edge.dht.validation import OWNED, PLAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.wire.peerid import PeerId

_NOTHING = Value(b"")


class Tables:
    """`used`: bytes of all there is. `records`: by key. `values`: by their bytes. `holders`: by
    writer and rank. `rankings`: of the holders, by rank.
    """

    __slots__ = ("_queue", "_removed", "holders", "rankings", "records", "used", "values")

    def __init__(self) -> None:
        self.records: dict[bytes, Entry | Dictionary] = {}
        self.values: dict[bytes, Value] = {}
        self.holders: dict[tuple[PeerId, int], Holder] = {}
        self.rankings = [Ranking() for _ in range(OWNED + 1)]
        self.used = 0
        self._queue: list[Entry] = []  # a heap, the next to expire first; some have been removed
        self._removed = 0  # of these

    def value(self, data: bytes) -> Value:
        """The one with these bytes; in the table from when an entry has it."""
        return self.values.get(data) or Value(data)

    def replaced(self, entry: Entry) -> Entry | None:
        """The one entry that `entry` takes the place of; None if none, or, plain, a dictionary."""
        found = self.records.get(entry.key)
        return found.entries.get(entry.subkey) if isinstance(found, Dictionary) else found

    def cost(self, entry: Entry, rank: int, writer: PeerId) -> int:
        """Bytes that are added when `entry` is put, at most."""
        cost = ENTRY + len(entry.subkey)
        if not entry.value.count:
            cost += VALUE + len(entry.value.data)
        if (writer, rank) not in self.holders:
            cost += HOLDER
        found = self.records.get(entry.key)
        if entry.subkey != PLAIN and not isinstance(found, Dictionary):
            cost += DICTIONARY
        old = self.replaced(entry)
        if old is not None:
            cost -= ENTRY + len(old.subkey)
            if old.value.count == 1 and old.value is not entry.value:
                cost -= VALUE + len(old.value.data)
        return cost

    def put(self, entry: Entry, rank: int, writer: PeerId) -> None:
        """Enter `entry`, and remove what it replaces."""
        old = self.replaced(entry)
        holder = self.holders.get((writer, rank))
        if old is not None and old.holder is holder and old.subkey == entry.subkey:
            self._renew(old, entry)
            return
        found = self.records.get(entry.key)
        if isinstance(found, Dictionary) and entry.subkey == PLAIN:
            for each in list(found.entries.values()):
                self.remove(each)
        elif old is not None:
            self.remove(old)
        self._insert(entry, rank, writer)

    def same(
        self, key: bytes, subkey: bytes, data: bytes, rank: int, writer: PeerId
    ) -> Entry | None:
        """The entry that is as this one, but for when it expires, and has not to be compared with
        others under its key.
        """
        found = self.records.get(key)
        if isinstance(found, Dictionary):
            old = None if found.crowd is not None and rank != OWNED else found.entries.get(subkey)
        else:
            old = found
        if old is None or old.value.data != data or old.subkey != subkey:
            return None
        holder = old.holder
        same = holder is not None and holder.rank == rank and holder.writer == writer
        return old if same else None

    def prolong(self, entry: Entry, expiration: float, until: float) -> None:
        """`entry` expires later than it did: what nearly all announcements come to."""
        holder, found = entry.holder, self.records[entry.key]
        assert holder is not None
        time = holder.shared_time(expiration)
        entry.expiration, entry.until = time, time if until == expiration else until
        if isinstance(found, Dictionary):
            found.latest = max(found.latest, time)
        if holder.rank != OWNED:
            del holder.evictable[entry]
            holder.evictable[entry] = None

    def remove(self, entry: Entry) -> None:
        """Take `entry` out of everything but the queue, where it remains until its turn comes."""
        self._account(entry, -1)
        holder, found = entry.holder, self.records[entry.key]
        assert holder is not None
        if isinstance(found, Entry):
            del self.records[entry.key]
        else:
            del found.entries[entry.subkey]
            if not found.entries:
                del self.records[entry.key]
                self.used -= found.size
        holder.evictable.pop(entry, None)
        if not holder.count:
            del self.holders[holder.writer, holder.rank]
            self.used -= HOLDER
        entry.holder, entry.value = None, _NOTHING
        self._removed += 1

    def expire(self, now: float) -> int:
        """Remove what has expired at `now`, in steady time; returns how many entries that were."""
        expired = 0
        queue = self._queue
        while queue and (queue[0].holder is None or queue[0].due <= now):
            entry = queue[0]
            if entry.holder is not None and entry.until > now:
                entry.due = entry.until
                heapreplace(queue, entry)
                continue
            heappop(queue)
            if entry.holder is not None:
                self.remove(entry)
                expired += 1
            self._removed -= 1
        return expired

    def _insert(self, entry: Entry, rank: int, writer: PeerId) -> None:
        holder = self.holders.get((writer, rank))
        if holder is None:
            holder = self.holders[writer, rank] = Holder(writer, rank)
            self.used += HOLDER
        entry.holder = holder
        holder.share(entry)
        found = self.records.get(entry.key)
        if entry.subkey == PLAIN:
            self.records[entry.key] = entry
        elif isinstance(found, Dictionary):
            entry.key = found.key
            found.entries[entry.subkey] = entry
        else:
            found = self.records[entry.key] = Dictionary(entry.key)
            found.entries[entry.subkey] = entry
            self.used += found.size
        if rank != OWNED:
            holder.evictable[entry] = None
        self._account(entry, 1)
        heappush(self._queue, entry)
        if self._removed * 4 > len(self._queue) + 256:
            self._queue = [each for each in self._queue if each.holder is not None]
            heapify(self._queue)
            self._removed = 0

    def _renew(self, old: Entry, entry: Entry) -> None:
        """Its writer has written `old` again, as `entry`. It stays where it is in the queue."""
        holder = old.holder
        assert holder is not None
        holder.share(entry)
        self._account(old, -1)
        old.value, old.expiration, old.until = entry.value, entry.expiration, entry.until
        self._account(old, 1)
        if old.rank != OWNED:
            del holder.evictable[old]
            holder.evictable[old] = None

    def _account(self, entry: Entry, sign: int) -> None:
        """Count that `entry` has come (1) or goes (-1): by key, holder, value, and bytes in all."""
        holder, value, found = entry.holder, entry.value, self.records[entry.key]
        assert holder is not None
        if isinstance(found, Dictionary):
            before = found.size
            found.count(entry, sign)
            self.used += found.size - before
        holder.count += sign
        self.rankings[holder.rank].resize(holder, sign * entry.size)
        self.used += sign * (ENTRY + len(entry.subkey))
        if not value.count:
            self.values[value.data] = value
            self.used += VALUE + len(value.data)
        value.count += sign
        if not value.count:
            del self.values[value.data]
            self.used -= VALUE + len(value.data)

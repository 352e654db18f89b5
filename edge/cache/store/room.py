"""Who gets room in the store, and who has to go for it."""

from __future__ import annotations

import heapq

from edge.cache.store import index as tables
from edge.cache.store import layout
from edge.wire.merkle import PIECE, pieces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.cache.store.file import File, Keeper

MAX_GROWING = 16  # segments that are written at a time, or wait for more
_VICTIMS = 64  # found at a time
OVERHEAD = layout.HEADER + layout.SEAL


class Room:
    """Of `store`. `promised`: bytes that writers were promised and did not reserve so far;
    `reserved`: bytes of segments that grow.
    """

    def __init__(self, store: Keeper) -> None:
        self._store = store
        self.promised = 0
        self.reserved = 0
        self._victims: list[tuple[int, int]] = []  # tick and slot, the next to go last

    def reset(self) -> None:
        """The store begins with another shelf."""
        self.promised = self.reserved = 0
        self._victims.clear()

    @property
    def used(self) -> int:
        """Bytes that the store takes on the disk, or will when what grows is sealed."""
        return self._store.index.bytes + self.reserved + self._store.log_bytes

    def admits(self, file: File, start: int, end: int) -> str:
        """Why the pieces of [start, end) cannot have room; "": they can."""
        store = self._store
        index = store.index
        need = need_of(file, start, end, index.per_segment)
        most = (
            store.space.quota - self.promised - self.reserved - store.log_bytes - self._held(file)
        )
        if need > most:
            return "quota"
        if need > store.space.free - self.promised - self.reserved + self._evictable():
            return "disk"
        if min(need, index.per_segment * PIECE) > store.space.may_write:
            return "write-limit"
        if file.pinned or need + self.used + self.promised <= store.space.quota:
            return ""
        victims = self._next_victims()
        names = [index.names(index.owner[slot])[0] for _, slot in victims[-1:]]
        return "" if store.policy.admit(index.names(file.at)[0], names) else "admission"

    def promise(self, file: File, start: int, end: int) -> int:
        """Promise what `admits` found room for; how many bytes that is."""
        promised = need_of(file, start, end, self._store.index.per_segment)
        self.promised += promised
        return promised

    def make(self, size: int) -> bool:
        """Have room for `size` bytes more now; others go for it."""
        store = self._store
        while self.used + size > store.space.quota or size > store.space.free - self.reserved:
            if not self._evict():
                return False
        return size <= store.space.may_write

    def slot_free(self) -> bool:
        """Whether the table has a slot for one more segment; the oldest goes for it."""
        store = self._store
        while store.index.segments + store.growth.count >= tables.MAX_SEGMENTS:
            if not self._evict():
                return False
        return True

    def fit(self) -> None:
        """Keep to a quota that is less than it was, and to a disk that others fill."""
        store = self._store
        while (self.used > store.space.quota or store.space.free < 0) and self._evict():
            pass

    def oldest_file(self) -> int:
        """The row of the file that was not used for longest and may go; -1: there is none."""
        victims = self._next_victims()
        return self._store.index.owner[victims[-1][1]] if victims else -1

    def _held(self, file: File) -> int:
        """Bytes that cannot go: of pinned files, of those that are written to, of this one."""
        index, held = self._store.index, 0
        for at in index.rows():
            if self._stays(at) or at == file.at:
                held += index.kept[at]
        return held

    def _evictable(self) -> int:
        index = self._store.index
        return sum(index.kept[at] for at in index.rows() if not self._stays(at))

    def _stays(self, at: int) -> bool:
        if self._store.index.flags[at] & layout.PINNED:
            return True
        return at in self._store.growth.busy

    def _evict(self) -> bool:
        """Drop the segment that was not used for longest. False: none may go."""
        victims = self._next_victims()
        if not victims:
            return False
        _, slot = victims.pop()
        store, before = self._store, self._store.index.bytes
        store.drop(slot, 0)
        store.evicted += before - store.index.bytes
        store.space.free += before - store.index.bytes
        return True

    def _next_victims(self) -> list[tuple[int, int]]:
        """Segments that may go, the next one last."""
        while self._victims and not self._is_victim(*self._victims[-1]):
            self._victims.pop()
        if not self._victims:
            index = self._store.index
            staying = {at for at in index.rows() if self._stays(at)}
            found = (
                (index.used[slot], slot)
                for slot in range(len(index.owner))
                if index.has_segment(slot) and index.owner[slot] not in staying
            )
            self._victims = heapq.nsmallest(_VICTIMS, found)[::-1]
        return self._victims

    def _is_victim(self, tick: int, slot: int) -> bool:
        index = self._store.index
        return (
            index.has_segment(slot)
            and index.used[slot] == tick
            and not self._stays(index.owner[slot])
        )


def need_of(file: File, start: int, end: int, per_segment: int) -> int:
    """Bytes on the disk for what is missing of [start, end)."""
    ranges = file.missing(start, end)
    count = sum(pieces(stop - begin) for begin, stop in ranges)
    segments = len(ranges) + count // per_segment
    return sum(stop - begin for begin, stop in ranges) + count * 32 + segments * OVERHEAD

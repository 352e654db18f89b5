"""Who gets room in the store, and who has to go for it."""

from __future__ import annotations

from binascii import crc32

from edge.cache.store import layout
from edge.wire.merkle import PIECE, pieces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.cache.store.file import File, Keeper

MAX_GROWING = 16  # segments that are written at a time, or wait for more
OVERHEAD = layout.HEADER + layout.SEAL


class Room:
    """Of `store`. `promised`: bytes that writers were promised and did not reserve so far;
    `reserved`: bytes of segments that grow.
    """

    def __init__(self, store: Keeper) -> None:
        self._store = store
        self.promised = 0
        self.reserved = 0

    def reset(self) -> None:
        """The store begins with another shelf."""
        self.promised = self.reserved = 0

    @property
    def used(self) -> int:
        """Bytes that the store takes on the disk, or will when what grows is sealed."""
        return self._store.index.bytes + self.reserved + self._store.log_bytes

    def admits(self, file: File, start: int, end: int) -> str:
        """Why the pieces of [start, end) cannot have room; "": they can."""
        store = self._store
        index = store.index
        need = need_of(file, start, end, index.per_segment)
        fits = need + self.used + self.promised <= store.space.quota
        if not fits and need > self._most(file):
            return "quota"
        left = store.space.free - self.promised - self.reserved
        if need > left and need > left + self._evictable():
            return "disk"
        if min(need, index.per_segment * PIECE) + self.reserved > store.space.may_write:
            return "write-limit"
        if fits or file.pinned:
            return ""
        admitted = store.policy.admits(_key(file, start // PIECE // index.per_segment))
        return "" if admitted else "admission"

    def promise(self, file: File, start: int, end: int) -> int:
        """Promise what `admits` found room for; how many bytes that is."""
        promised = need_of(file, start, end, self._store.index.per_segment)
        self.promised += promised
        return promised

    def make(self, size: int) -> bool:
        """Have room for `size` bytes more now; others go for it."""
        store = self._store
        short = max(self.used + size - store.space.quota, size + self.reserved - store.space.free)
        if short > 0 and short > self._evictable():
            return False  # nothing goes in vain
        while self.used + size > store.space.quota or size > store.space.free - self.reserved:
            if not self._evict():
                return False
        return size + self.reserved <= store.space.may_write

    def slot_free(self) -> bool:
        """Whether the table has a slot for one more segment; the oldest goes for it."""
        store = self._store
        while store.index.segments + store.growth.count >= store.most_segments:
            if not self._evict():
                return False
        return True

    def fit(self) -> None:
        """Keep to a quota that is less than it was, and to a disk that others fill."""
        store = self._store
        while (self.used > store.space.quota or store.space.free < 0) and self._evict():
            pass

    def oldest_file(self) -> int:
        """The row of a file that may go before others; -1: there is none."""
        slot = self._store.policy.victim(self._may_go)
        return -1 if slot is None else self._store.index.owner[slot]

    def _most(self, file: File) -> int:
        """Bytes that there is room for if all goes that may: not this file, nor what stays."""
        store = self._store
        kept = store.index.kept
        held = sum(kept[at] for at in store.index.rows() if self._stays(at) or at == file.at)
        return store.space.quota - self.promised - self.reserved - store.log_bytes - held

    def _evictable(self) -> int:
        index = self._store.index
        return sum(index.kept[at] for at in index.rows() if not self._stays(at))

    def _stays(self, at: int) -> bool:
        if self._store.index.flags[at] & layout.PINNED:
            return True
        return at in self._store.growth.busy

    def _evict(self) -> bool:
        """Drop the segment that is worth least. False: none may go."""
        store, before = self._store, self._store.index.bytes
        slot = store.policy.victim(self._may_go)
        if slot is None:
            return False
        store.drop(slot, 0)
        store.evicted += before - store.index.bytes
        store.space.free += before - store.index.bytes
        return True

    def _may_go(self, slot: int) -> bool:
        index = self._store.index
        return index.has_segment(slot) and not self._stays(index.owner[slot])


def _key(file: File, segment: int) -> int:
    """What the policy knows a part of a file by."""
    return crc32(b"%d" % segment, crc32(min(file.names)))


def need_of(file: File, start: int, end: int, per_segment: int) -> int:
    """Bytes on the disk for what is missing of [start, end)."""
    ranges = file.missing(start, end)
    count = sum(pieces(stop - begin) for begin, stop in ranges)
    segments = len(ranges) + count // per_segment
    return sum(stop - begin for begin, stop in ranges) + count * 32 + segments * OVERHEAD

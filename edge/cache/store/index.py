"""Which segments and files there are, in at most 2 MB however much they hold.

Two tables of fixed columns: segments by slot, files by row. The segments of a file are a chain of
slots. What a segment holds is a run of pieces, and a bit for each part of it tells whether that was
verified since the start; of long segments a part is several pieces. The hashes are not here: they
are read from the disk when they are needed.
"""

from __future__ import annotations

from array import array

from edge.cache import names as naming
from edge.cache.store import layout
from edge.wire.merkle import HASH, PIECE, pieces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_SEGMENTS = 1 << 14
MAX_FILES = 1 << 12
_LEAST_SEGMENTS = 1 << 9
LEAST_SEGMENT = 16  # pieces: 4 MiB, where the quota has room for as many segments
MOST_SEGMENT = 1 << 13  # pieces: 2 GiB, as FAT has no files of 4
MOST_QUOTA = MAX_SEGMENTS // 2 * MOST_SEGMENT * PIECE
PARTS = 128  # of a segment, at most
_FILE_COST = 23 + layout.MAX_NAMES * layout.NAME + 16
NONE = 0xFFFF
_GONE = 0xFFFE  # a place in the table of names that was used


def pieces_for(quota: int) -> int:
    """Pieces of a segment: so few that a small quota has some, and half of the slots suffice."""
    count = 1
    while count < LEAST_SEGMENT and count * 2 * PIECE * LEAST_SEGMENT <= quota:
        count *= 2
    while count * PIECE * (MAX_SEGMENTS // 2) < quota and count < MOST_SEGMENT:
        count *= 2
    return count


def segments_for(quota: int) -> int:
    """How many segments there may be: there is room for short ones, within reason."""
    full = quota // (pieces_for(quota) * PIECE)
    return min(max(full * 8, _LEAST_SEGMENTS), MAX_SEGMENTS)


def rounded(count: int) -> int:
    """The next power of two, of the pieces of a segment."""
    return 1 << max(count - 1, 0).bit_length()


class Index:
    """`per_segment`: pieces of a segment at most.

    Columns of segments: `serial`; `owner`, the row of the file; `first` piece, `count` of pieces,
    `sealed` pieces on the disk (more than count, when some were wrong); `after`, the next slot of
    the file. Columns of files: `size` in bytes,
    `kept` bytes, `flags`, `head` (first slot), `row_serial` of the proven row's file.
    """

    verified: bytearray
    per_segment: int
    part: int  # pieces of a part
    _bits: int  # bytes of them, for a segment

    def __init__(self, per_segment: int) -> None:
        self.serial, self.first, self.count = array("I"), array("I"), array("I")
        self.sealed = array("I")
        self.owner, self.after = array("H"), array("H")
        self.widen(per_segment)
        self.size, self.kept = array("Q"), array("Q")
        self.taken, self.flags = bytearray(), bytearray()
        self.head, self.row_serial = array("H"), array("I")
        self.names_at = bytearray()
        self._free_slots, self._free_rows = array("H"), array("H")
        self._table = array("H", [NONE]) * 64
        self._in_table = 0  # places that are or were used
        self._named = 0  # names
        self.files = self.segments = 0
        self.bytes = 0  # on the disk, of the segments

    # --- files ---

    def find(self, name: bytes) -> int:
        """The row of the file with this name; -1: there is none."""
        place = self._place(name)
        return self._table[place] if place >= 0 else -1

    def add_file(self, size: int, flags: int, names: Sequence[bytes], at: int = -1) -> int:
        """The row of a new file; -1: the table is full. `at`: the row that it has to have."""
        if at < 0:
            at = self._free_rows.pop() if self._free_rows else len(self.size)
        if at >= MAX_FILES:
            return -1
        while len(self.size) <= at:
            self._free_rows.append(len(self.size))
            self.size.append(0)
            self.kept.append(0)
            self.flags.append(0)
            self.taken.append(0)
            self.head.append(NONE)
            self.row_serial.append(0)
            self.names_at += bytes(layout.MAX_NAMES * layout.NAME)
        if at in self._free_rows:
            self._free_rows.remove(at)
        self.size[at], self.kept[at], self.flags[at], self.head[at] = size, 0, flags, NONE
        self.row_serial[at] = 0
        self.taken[at] = 1
        self.files += 1
        for name in names:
            self.add_name(at, name)
        return at

    def has_file(self, at: int) -> bool:
        """Whether there is a file in this row."""
        return at < len(self.taken) and self.taken[at] != 0

    def rows(self) -> Iterator[int]:
        """The rows with files, as far as there are any when it comes to them."""
        at = 0
        while at < len(self.size):
            if self.has_file(at):
                yield at
            at += 1

    def remove_file(self, at: int) -> None:
        """Forget a file, whose segments were dropped before."""
        for name in self.names(at):
            self._remove_name(name)
        width = layout.MAX_NAMES * layout.NAME
        self.names_at[at * width : (at + 1) * width] = bytes(width)
        self.set_row(at, 0)
        self.taken[at] = 0
        self._free_rows.append(at)
        self.files -= 1

    def set_row(self, at: int, serial: int) -> None:
        """The proven row of the file is in the file `serial`; 0: there is none."""
        size = pieces(self.size[at]) * HASH
        self.bytes += size * ((serial > 0) - (self.row_serial[at] > 0))
        self.row_serial[at] = serial

    def names(self, at: int) -> list[bytes]:
        """The names of the file in row `at`."""
        found, place = [], at * layout.MAX_NAMES * layout.NAME
        for _ in range(layout.MAX_NAMES):
            kind = self.names_at[place]
            if kind:
                found.append(bytes(self.names_at[place : place + 1 + naming.SIZES[kind]]))
            place += layout.NAME
        return found

    def add_name(self, at: int, name: bytes) -> bool:
        """Another name of the file in row `at`. False: it has too many, or another has it."""
        owner = self.find(name)
        if owner >= 0:
            return owner == at
        width = layout.MAX_NAMES * layout.NAME
        for place in range(at * width, (at + 1) * width, layout.NAME):
            if not self.names_at[place]:
                self.names_at[place : place + len(name)] = name
                self._enter(name, at)
                return True
        return False

    def rename(self, at: int, names: Sequence[bytes]) -> None:
        """Give the file these names in the place of its own, as far as they are not another's."""
        for name in self.names(at):
            if name not in names:
                self.remove_name(at, name)
        for name in names:
            self.add_name(at, name)

    def remove_name(self, at: int, name: bytes) -> None:
        """Take a name from the file."""
        width = layout.MAX_NAMES * layout.NAME
        for place in range(at * width, (at + 1) * width, layout.NAME):
            if self.names_at[place : place + len(name)] == name:
                self._remove_name(name)
                self.names_at[place : place + layout.NAME] = bytes(layout.NAME)

    # --- the table of names: open addressing, by rows ---

    def _place(self, name: bytes) -> int:
        mask = len(self._table) - 1
        place = hash(name) & mask
        while self._table[place] != NONE:
            at = self._table[place]
            if at != _GONE and name in self.names(at):
                return place
            place = (place + 1) & mask
        return -1

    def _enter(self, name: bytes, at: int) -> None:
        self._named += 1
        if (self._in_table + 1) * 2 > len(self._table):
            self._rebuild()
            return  # with this name, which stands in its row
        self._put(name, at)

    def _put(self, name: bytes, at: int) -> None:
        mask = len(self._table) - 1
        place = hash(name) & mask
        while self._table[place] != NONE:
            place = (place + 1) & mask
        self._table[place] = at
        self._in_table += 1

    def _rebuild(self) -> None:
        size = len(self._table)
        while size < self._named * 4:
            size *= 2
        self._table = array("H", [NONE]) * size
        self._in_table = 0
        for at in self.rows():
            for name in self.names(at):
                self._put(name, at)

    def _remove_name(self, name: bytes) -> None:
        place = self._place(name)
        if place >= 0:
            self._table[place] = _GONE
            self._named -= 1

    # --- segments ---

    def add_segment(
        self, at: int, serial: int, first: int, count: int, sealed: int = 0, slot: int = -1
    ) -> int:
        """The slot of a new segment of the file in row `at`; -1: the table is full."""
        if slot < 0:
            slot = self._free_slots.pop() if self._free_slots else len(self.serial)
        if slot >= MAX_SEGMENTS:
            return -1
        while len(self.serial) <= slot:
            self._free_slots.append(len(self.serial))
            for column in (self.serial, self.first, self.count, self.sealed):
                column.append(0)
            self.owner.append(NONE)
            self.after.append(NONE)
            self.verified += bytes(self._bits)
        if slot in self._free_slots:
            self._free_slots.remove(slot)
        self.serial[slot], self.first[slot], self.count[slot] = serial, first, count
        self.sealed[slot], self.owner[slot] = sealed or count, at
        self.after[slot], self.head[at] = self.head[at], slot
        self.kept[at] += layout.span(self.size[at], first, count)
        self.bytes += layout.segment_size(self.size[at], first, self.sealed[slot])
        self.segments += 1
        self.set_verified(slot, 0, self._bits * 8, False)
        return slot

    def widen(self, per_segment: int) -> None:
        """There are segments of so many pieces. What was verified is forgotten."""
        self.per_segment = per_segment
        self.part = max(1, per_segment // PARTS)
        self._bits = max(per_segment // self.part // 8, 1)
        self.verified = bytearray(self._bits * len(self.serial))

    def has_segment(self, slot: int) -> bool:
        """Whether there is a segment in this slot."""
        return slot < len(self.owner) and self.owner[slot] != NONE

    def cut(self, slot: int, count: int) -> None:
        """Of the segment, only the first `count` pieces are right; 0: it is gone.

        What comes in their place is to be checked, so the file is no longer right as a whole.
        """
        at = self.owner[slot]
        self.flags[at] &= ~layout.WHOLE
        size, first = self.size[at], self.first[slot]
        self.kept[at] -= layout.span(size, first, self.count[slot])
        self.kept[at] += layout.span(size, first, count)
        self.count[slot] = count
        if not count:
            self._remove_segment(slot, at)

    def _remove_segment(self, slot: int, at: int) -> None:
        self.bytes -= layout.segment_size(self.size[at], self.first[slot], self.sealed[slot])
        if self.head[at] == slot:
            self.head[at] = self.after[slot]
        else:
            before = self.head[at]
            while self.after[before] != slot:
                before = self.after[before]
            self.after[before] = self.after[slot]
        self.owner[slot] = NONE
        self._free_slots.append(slot)
        self.segments -= 1

    def slots(self, at: int) -> list[int]:
        """The segments of the file in row `at`, by their first piece."""
        found, slot = [], self.head[at]
        while slot != NONE:
            found.append(slot)
            slot = self.after[slot]
        found.sort(key=self.first.__getitem__)
        return found

    def overlaps(self, at: int, first: int, count: int) -> bool:
        """Whether the file has one of these pieces."""
        slot = self.head[at]
        while slot != NONE:
            start = self.first[slot]
            if start < first + count and first < start + self.count[slot]:
                return True
            slot = self.after[slot]
        return False

    def untangle(self, at: int) -> None:
        """Drop segments of the file whose pieces others have."""
        end = 0
        for slot in self.slots(at):
            if self.first[slot] < end:
                self.cut(slot, 0)
            else:
                end = self.first[slot] + self.count[slot]

    def clear(self, at: int) -> None:
        """Drop all segments of the file."""
        while self.head[at] != NONE:
            self.cut(self.head[at], 0)

    # --- what was verified ---

    def is_verified(self, slot: int, piece: int) -> bool:
        """Whether the part with the segment's `piece` was verified since the start."""
        bit = piece // self.part
        return bool(self.verified[slot * self._bits + bit // 8] >> bit % 8 & 1)

    def set_verified(self, slot: int, piece: int, count: int, right: bool) -> None:
        """Of the parts of `count` pieces from `piece` on."""
        base = slot * self._bits
        for bit in range(piece // self.part, -(-(piece + count) // self.part)):
            if bit // 8 < self._bits:
                mask = 1 << bit % 8
                at = base + bit // 8
                self.verified[at] = self.verified[at] | mask if right else self.verified[at] & ~mask

    def verified_run(self, slot: int, piece: int) -> int:
        """How many pieces from `piece` on were verified."""
        end, count = piece, self.count[slot]
        while end < count and self.is_verified(slot, end):
            end = (end // self.part + 1) * self.part
        return min(end, count) - piece if end > piece else 0

    def cost(self) -> int:
        """Bytes of memory that the tables take."""
        slots, rows = len(self.serial), len(self.size)
        return slots * (23 + self._bits) + rows * _FILE_COST + len(self._table) * 2

"""One cached file, and who writes to it."""

from __future__ import annotations

from bisect import bisect_right
from typing import Protocol

from edge.cache import names as naming
from edge.cache.store import layout
from edge.cache.store.shelf import Handle, Shelf
from edge.wire.merkle import HASH, PIECE, piece_hash, pieces

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio

    from edge.cache.policy import Policy
    from edge.cache.store.index import Index
    from edge.cache.store.space import Space
    from edge.cache.store.worker import Worker


class Keeper(Protocol):
    """What files, and the parts that work for them, know of the store."""

    index: Index
    space: Space
    shelf: Shelf
    worker: Worker
    loop: asyncio.AbstractEventLoop
    policy: Policy
    most_segments: int
    evicted: int
    repaired: int
    kept: int
    wrong: dict[tuple[int, int], bytes]  # by row and piece: the hash of what was lost

    @property
    def growth(self) -> Grower:
        """Where segments are written."""

    @property
    def refuses(self) -> bool:
        """Whether nothing new can be kept."""

    @property
    def log_bytes(self) -> int:
        """Bytes of the logs."""

    def at(self, at: int) -> File:
        """The file in this row of the index."""

    def next_serial(self) -> int:
        """The number of the next file on the shelf."""

    def record(self, record: bytes) -> None:
        """Write this down, soon."""

    def changed(self, at: int) -> None:
        """What is told of the file is to be written down."""

    def drop(self, slot: int, count: int) -> None:
        """Keep the first `count` pieces of a segment alone; 0: nothing of it."""

    def drop_file(self, at: int) -> None:
        """Keep nothing of this file."""

    def remove(self, serial: int, suffix: str) -> None:
        """Take a file off the shelf, in its turn."""

    def lease(self) -> bool:
        """Lease what is in memory now. False: it is more than the pool has."""

    def wrote(self, count: int) -> None:
        """So many bytes were given to the disk."""

    def refuse(self, reason: str) -> None:
        """Count something that was not kept."""

    def failed(self, error: OSError) -> None:
        """The disk did not do what it was asked for."""

    async def unreadable(self, file: File, slot: int, error: OSError) -> None:
        """One segment cannot be read: it is lost, or everything is."""

    def found_wrong(self, file: File, slot: int, count: int, row: bytes) -> None:
        """After `count` pieces, the segment is not what it was; `row`: its hashes, if known."""

    def opened(self, slot: int) -> Handle | None:
        """The open segment, if it is."""

    def hold(self, slot: int, handle: Handle) -> None:
        """Keep it open for the next who reads it."""

    async def handle(self, slot: int) -> Handle:
        """The segment, opened if it is not. Raises OSError."""

    def settled(self, file: File, root: bytes) -> None:
        """All of the file is right, and this is its root."""

    async def flush(self) -> bool:
        """Write down all that is to last. False: the disk refused."""

    async def verify(self, file: File, slot: int, piece: int) -> bool:
        """See `File.verified`."""

    async def row(self, file: File, start: int, count: int) -> bytes | None:
        """See `File.row`."""

    async def row_of_root(self, file: File, start: int, count: int) -> bytes | None:
        """The hashes that the root proves, of pieces that are not kept."""

    async def set_row(self, file: File, row: bytes | bytearray | memoryview, start: int) -> bool:
        """See `File.set_row`."""

    async def settle(self, file: File) -> bool:
        """See `File.settle`."""


class Grower(Protocol):
    """What files and their writers know of the segments that grow."""

    count: int
    busy: dict[int, File]

    def writer(self, file: File, start: int, end: int) -> Writer | None:
        """See `File.writer`."""

    async def begin(self, writer: Writer, file: File, piece: int, end: int) -> Growing | None:
        """A segment to write `piece` and those after it to, up to `end`. None: no room."""

    async def write(
        self,
        file: File,
        growing: Growing,
        data: bytes | bytearray | memoryview,
        expected: bytes | None,
    ) -> bool:
        """Add a piece. False: its hash is not `expected`, or the disk refused it."""

    def park(self, file: File, growing: Growing) -> None:
        """Its writer has left: it is sealed soon, unless another goes on with it."""

    def seal(self, file: File, growing: Growing) -> None:
        """Nothing more comes: have it count."""

    async def finish(self, file: File) -> None:
        """Seal all that grows of the file; afterwards, it counts."""

    def left(self, writer: Writer) -> None:
        """A writer has no use for what is left of its promise."""


class Extent:
    """`length` bytes from `position` on of the open file `fd`.

    They are there while this object is: let go of it after the last byte, not before.
    """

    __slots__ = ("_handle", "length", "position")

    def __init__(self, handle: Handle, position: int, length: int) -> None:
        self._handle = handle
        self.position = position
        self.length = length

    @property
    def fd(self) -> int:
        """The descriptor; it stays open as long as this object is there."""
        return self._handle.fd


class Growing:
    """A segment that is being written. `most`: pieces that it may come to; `room`: that room is
    reserved for; `dead`: nothing comes of it.
    """

    __slots__ = (
        "dead",
        "first",
        "handle",
        "most",
        "room",
        "row",
        "sealing",
        "serial",
        "since",
        "task",
        "writer",
    )

    def __init__(self, serial: int, first: int, most: int) -> None:
        self.serial = serial
        self.first = first
        self.most = most
        self.room = 0
        self.row = bytearray()
        self.handle: Handle | None = None
        self.writer: Writer | None = None
        self.task: asyncio.Task[None] | None = None  # which seals it
        self.sealing = self.dead = False
        self.since = 0.0  # loop time at which its writer left it

    @property
    def count(self) -> int:
        """Pieces that are in it."""
        return len(self.row) // HASH

    @property
    def full(self) -> bool:
        """Whether nothing can follow."""
        return self.count >= self.most

    @property
    def end(self) -> int:
        """The piece that comes next."""
        return self.first + self.count


class Running:
    """A hash of the whole file, as far as its bytes were kept in their order."""

    __slots__ = ("_hash", "position")

    def __init__(self, kind: int, size: int) -> None:
        self._hash = naming.hasher(kind, size)
        self.position = 0

    def feed(self, data: bytes | bytearray | memoryview, at: int) -> None:
        """The bytes `data` stand at `at`; they are of use only if those before came."""
        if at == self.position:
            self._hash.update(data)
            self.position += len(data)

    def digest(self) -> bytes:
        """Of all that came."""
        return self._hash.digest()


class File:
    """A file of the store, as long as somebody has it in hand. Made by the store.

    `at`: its row in the index; -1 when the file is no longer kept and this is of no use any more.
    """

    __slots__ = (
        "__weakref__",
        "_hit",
        "_slots",
        "at",
        "growing",
        "running",
        "size",
        "store",
        "writers",
    )

    def __init__(self, store: Keeper, at: int, size: int) -> None:
        self.store = store
        self.at = at
        self.size = size
        self.growing: list[Growing] = []
        self.running: Running | None = None
        self.writers = 0
        self._slots: list[int] | None = None
        self._hit = -1  # the segment that was asked for last

    # --- what it is ---

    @property
    def names(self) -> set[bytes]:
        """All its names."""
        return set(self.store.index.names(self.at)) if self.at >= 0 else set()

    @property
    def root(self) -> bytes | None:
        """The Merkle root, if it is known."""
        found = [name[1:] for name in self.names if name[0] == naming.ROOT]
        return found[0] if found else None

    @property
    def kept(self) -> int:
        """Bytes that are kept."""
        if self.at < 0:
            return 0
        growing = sum(layout.span(self.size, one.first, one.count) for one in self.growing)
        return self.store.index.kept[self.at] + growing

    @property
    def whole(self) -> bool:
        """Whether all is kept, and was found right as a whole."""
        return self._flag(layout.WHOLE) and self.kept == self.size

    @property
    def proven(self) -> bool:
        """Whether its root was found to be that of the content that its other names mean."""
        return self._flag(layout.PROVEN)

    @property
    def private(self) -> bool:
        """Whether it may be had only by who has a right to it, and no peer."""
        return self._flag(layout.PRIVATE)

    @private.setter
    def private(self, value: bool) -> None:
        self.set_flag(layout.PRIVATE, value)

    @property
    def pinned(self) -> bool:
        """Whether it is never pushed out."""
        return self._flag(layout.PINNED)

    @pinned.setter
    def pinned(self, value: bool) -> None:
        self.set_flag(layout.PINNED, value)

    def _flag(self, flag: int) -> bool:
        return self.at >= 0 and bool(self.store.index.flags[self.at] & flag)

    def set_flag(self, flag: int, value: bool) -> None:
        """Set or clear one of the flags, for good."""
        if self.at >= 0 and self._flag(flag) != value:
            self.store.index.flags[self.at] ^= flag
            self.store.changed(self.at)

    # --- what is kept ---

    def missing(self, start: int, end: int) -> list[tuple[int, int]]:
        """The ranges of [start, end), widened to pieces, that are not kept."""
        at, last = start // PIECE, pieces(min(end, self.size))
        found = []
        for first, after in [*self._runs(), (last, last)]:
            until = min(first, last)
            if at < until:
                found.append((at * PIECE, min(until * PIECE, self.size)))
            at = max(at, after)
        return found

    def has(self, piece: int) -> bool:
        """Whether this piece is kept."""
        return self._grown(piece) is not None or self.slot(piece) >= 0

    def extent(self, offset: int) -> Extent | None:
        """The bytes from `offset` on that can be sent now; None: none, or not before `verified`."""
        piece = offset // PIECE
        growing = self._grown(piece)
        if growing is not None and growing.handle is not None:
            return self._extent(growing.handle, growing.first, growing.count, offset)
        slot = self.slot(piece)
        if slot < 0:
            return None
        index = self.store.index
        first = index.first[slot]
        run = index.verified_run(slot, piece - first)
        handle = self.store.opened(slot)
        if not run or handle is None:
            return None
        if slot != self._hit:  # what is read bit by bit is asked for once
            self._hit = slot
            self.store.policy.hit(slot)
        return self._extent(handle, first, piece - first + run, offset)

    def _extent(self, handle: Handle, first: int, count: int, offset: int) -> Extent | None:
        begin = first * PIECE
        length = begin + layout.span(self.size, first, count) - offset
        position = layout.HEADER + offset - begin
        return Extent(handle, position, length) if length > 0 else None

    async def verified(self, offset: int) -> bool:
        """Read and check what stands at `offset`, where that was not done since the start.

        Then `extent` has it. False: it is not kept, or it was wrong and is dropped.
        """
        piece = offset // PIECE
        if self._grown(piece) is not None:
            return True
        slot = self.slot(piece)
        return slot >= 0 and await self.store.verify(self, slot, piece)

    async def expected(self, piece: int) -> bytes | None:
        """The hash that this piece, which is not kept, has to have, if that is known."""
        lost = self.store.wrong.get((self.at, piece))
        return lost or await self.store.row_of_root(self, piece, 1)

    def moved(self) -> None:
        """Its segments are others than before."""
        self._slots = None

    def slots(self) -> list[int]:
        """Its segments on the shelf, by their first piece."""
        if self._slots is None:
            self._slots = self.store.index.slots(self.at) if self.at >= 0 else []
        return self._slots

    def slot(self, piece: int) -> int:
        """The segment with this piece; -1: it is in none."""
        slots, index = self.slots(), self.store.index
        place = bisect_right(slots, piece, key=index.first.__getitem__) - 1
        if place < 0 or piece >= index.first[slots[place]] + index.count[slots[place]]:
            return -1
        return slots[place]

    def _grown(self, piece: int) -> Growing | None:
        for one in self.growing:
            if one.first <= piece < one.end:
                return one
        return None

    def _runs(self) -> list[tuple[int, int]]:
        """First piece, and the one after the last, of all that is kept."""
        index = self.store.index
        found = [(index.first[one], index.first[one] + index.count[one]) for one in self.slots()]
        found += [(one.first, one.end) for one in self.growing]
        return sorted(found)

    def next_taken(self, piece: int) -> int:
        """The first piece after `piece` that is kept or being written; else their number."""
        starts = [first for first, after in self._runs() if first > piece]
        starts += [one.first for one in self.growing if one.first > piece]
        return min([*starts, pieces(self.size)])

    # --- changes ---

    def writer(self, start: int, end: int) -> Writer | None:
        """Who is to write the pieces of [start, end). None: there is no room for them.

        `start` is on the border of a piece, and `end` too or the end of the file.
        """
        return self.store.growth.writer(self, start, end)

    async def row(self, start: int, count: int) -> bytes | None:
        """The hashes of `count` pieces from `start` on; None: not all of them are known."""
        return await self.store.row(self, start, count)

    async def set_row(self, row: bytes | bytearray | memoryview, start: int = 0) -> bool:
        """Tell the hashes of all pieces, in one or several parts in their order.

        The file has a root among its names. With the last part, they count if they are that root's;
        from then on, no other pieces are taken. False: they are not, or there is no room for them.
        """
        return await self.store.set_row(self, row, start)

    async def settle(self) -> bool:
        """All pieces came: check the whole. False: they did not, or are wrong and dropped."""
        return await self.store.settle(self)


class Writer:
    """Writes pieces in their order, from `first` to `end`. Close it in any case."""

    __slots__ = ("_end", "_growing", "_next", "closed", "file", "index", "promised")

    def __init__(self, file: File, first: int, end: int, promised: int) -> None:
        self.file = file
        self._next = first
        self._end = end
        self._growing: Growing | None = None
        self.closed = False
        self.promised = promised  # bytes that it did not reserve so far
        self.index = file.store.index  # in which it was

    async def piece(self, data: bytes | bytearray | memoryview) -> bool:
        """Keep the next piece. False: it is not what it has to be, or there is no room any more.

        `data` is not to change until this returns.
        """
        file, piece = self.file, self._next
        length = layout.span(file.size, piece, 1)
        if self.closed or piece >= self._end or len(data) != length:
            return False
        done = await self._keep(data, piece)
        if done:
            self._next += 1
            if self._next == self._end:
                self.close()
        else:
            self.close()
        return done

    async def _keep(self, data: bytes | bytearray | memoryview, piece: int) -> bool:
        file, growth = self.file, self.file.store.growth
        expected = await file.expected(piece)
        if file.at < 0:
            return False
        if file.has(piece):  # whether it is the same, the hash of the whole tells
            self._leave()
            return True
        growing = self._growing
        if growing is None or growing.end != piece or growing.dead or growing.count == growing.room:
            self._leave()
            self._growing = await growth.begin(self, file, piece, self._end)
        growing = self._growing
        if growing is None:
            return file.has(piece)  # another may have brought it meanwhile
        if not await growth.write(file, growing, data, expected):
            return False
        if growing.full:
            self._growing, growing.writer = None, None
            growth.seal(file, growing)
        return True

    def close(self) -> None:
        """Nothing more comes by this writer."""
        if not self.closed:
            self.closed = True
            self._leave()
            self.file.store.growth.left(self)

    def _leave(self) -> None:
        if self._growing is not None:
            self._growing.writer = None
            self.file.store.growth.park(self.file, self._growing)
        self._growing = None


def whole_kind(names: set[bytes]) -> int:
    """The kind of hash by which a file with these names is checked as a whole; 0: none."""
    kinds = {name[0] for name in names}
    return next((kind for kind in (naming.SHA256, naming.GIT_SHA1) if kind in kinds), 0)


def hash_of(data: bytes | bytearray | memoryview, size: int) -> bytes:
    """The hash of a piece of a file of `size` bytes."""
    return piece_hash(data, size <= PIECE)

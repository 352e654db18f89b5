"""One download from an origin, for all who wait for its bytes.

What arrives goes into a ring of the last chunks, from which readers are served at once, and in
pieces into the store, from which readers are served who have fallen behind. Where nothing is kept,
they have to fetch what they missed for themselves, and the fastest of them sets the pace.

An origin that fails midway is asked for the rest, again and again at growing intervals, as long as
it makes progress between. An answer that does not fit what is known of the file ends it: nothing is
mixed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from edge import log
from edge.cache.pull.check import Check, has_hash
from edge.cache.pull.conditions import parse_content_range
from edge.cache.pull.source import ChangedError, OriginError
from edge.http.errors import HttpError
from edge.units import KIB, MIB
from edge.wire.merkle import PIECE, piece_hash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.cache.pace import Pace
    from edge.cache.pull.source import Source
    from edge.cache.store.file import File, Writer
    from edge.http.response import Response

LARGE, SMALL = PIECE, 64 * KIB  # bytes that are read at once, at most
RINGS = (MIB, PIECE + SMALL)  # bytes of the ring; the last piece, which is held back, fits
NEAR = MIB  # bytes ahead of what has come, for which a reader waits
AHEAD = 32 * MIB  # bytes that are fetched before the fastest reader takes them
_NEARLY = 8 * MIB  # left of what is fetched to the end though nobody waits any more
_FIRST_WAIT, _LONGEST_WAIT, _TRIES = 0.25, 8.0, 6  # seconds and times, without progress


class Reader(Protocol):
    """`position`: the byte of the file that it takes next."""

    position: int

    def wake(self) -> None:
        """There is more, or an end."""


class Group(Protocol):
    """The file that is fetched, and its other flights. `linear`: one flight has to bring it all."""

    name: bytes
    size: int
    file: File
    pace: Pace
    linear: bool

    def count(self, what: str) -> None:
        """One more of `what`."""

    def fetched(self, length: int) -> None:
        """`length` bytes came from the origin."""

    def has_beyond(self, flight: Flight) -> bool:
        """Whether what comes after the head of `flight` is kept, or brought by another."""

    def released(self, flight: Flight) -> None:
        """`flight` has ended, or a reader has left it."""


class Flight:
    """Fetches the bytes from `start` to before `end` of the file of `group`, from `source`.

    `head`: the next byte to come. `done`: no more will. `failure`: why they did not all come.
    `greedy`: fetches all of it whoever waits. `answered`: the origin has begun to send.
    """

    def __init__(
        self, group: Group, source: Source, start: int, end: int, writer: Writer | None, ring: int
    ) -> None:
        self.group = group
        self.source = source
        self.start = self.head = start
        self.end = end
        self.greedy = False
        self.done = self.answered = False
        self.failure: Exception | None = None
        self.readers: set[Reader] = set()
        self.check: Check | None = None
        self.fetched = 0
        self._writer = writer
        self._ring: deque[tuple[int, bytes]] = deque()
        self._size = ring
        self._chunk = LARGE if ring == RINGS[0] else SMALL
        self._held = 0
        self._piece: list[bytes] = []
        self._keeping: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        if writer is None and start == 0 and has_hash(group.name):
            self.check = Check(group.name, group.size)
        self.task = asyncio.get_running_loop().create_task(self._run())

    @property
    def cost(self) -> int:
        """Bytes of memory at most."""
        return cost(self._size)

    @property
    def kept(self) -> bool:
        """Whether what comes goes into the store."""
        return self._writer is not None

    # --- readers ---

    def join(self, reader: Reader) -> None:
        """`reader` waits for bytes of this flight."""
        self.readers.add(reader)

    def leave(self, reader: Reader) -> None:
        """`reader` does not wait any more. The last one ends the flight, unless it nearly has."""
        self.readers.discard(reader)
        self._room.set()
        if not self.readers and not self.done and not self._worth_finishing():
            self.task.cancel()
        self.group.released(self)

    def moved(self) -> None:
        """A reader has taken something."""
        self._room.set()

    def covers(self, position: int, near: int) -> bool:
        """Whether the byte at `position` is in the ring, or comes soon."""
        if self.done or self.failure is not None:
            return self.has(position)
        return self._low <= position < self.end and position <= self.head + near

    def has(self, position: int) -> bool:
        """Whether the byte at `position` is in the ring."""
        return self._low <= position < self.head

    def chunk(self, position: int) -> memoryview:
        """The bytes from `position` on that came with it; it is in the ring."""
        for start, data in reversed(self._ring):
            if start <= position:
                return memoryview(data)[position - start :]
        raise KeyError(position)

    @property
    def _low(self) -> int:
        return self._ring[0][0] if self._ring else self.head

    def _lead(self) -> int:
        """The position of the fastest reader."""
        return max([reader.position for reader in self.readers], default=self.start)

    def _worth_finishing(self) -> bool:
        return self.greedy or (
            self.kept and self.head > self.start and self.end - self.head <= _NEARLY
        )

    def _tell(self) -> None:
        for reader in self.readers:
            reader.wake()

    # --- the download ---

    def fail(self, error: Exception) -> None:
        """End it now, and say why."""
        self.failure = error
        self.task.cancel()

    async def _run(self) -> None:
        try:
            await self._fetch()
        except OriginError as error:
            self.failure = error
        except HttpError as error:
            self.failure = OriginError(502, f"the origin failed: {error}")
        except Exception as error:  # noqa: BLE001 - whatever it is, readers must not wait for ever
            log.error("fetch-failed", error=f"{type(error).__name__}: {error}")
            self.failure = OriginError(500, "the cache failed")
        finally:
            self._tell()
            if self._keeping is not None:
                await asyncio.wait({self._keeping})
            if self._writer is not None:
                self._writer.close()
            self.done = True
            self._tell()
            self.group.released(self)

    async def _fetch(self) -> None:
        wait, tries = _FIRST_WAIT, 0
        while self.head < self.end:
            before = self.head
            try:
                response = await self.source.open(self.head, self._until())
                try:
                    if not await self._copy(response):
                        return
                finally:
                    response.close()
            except (HttpError, OriginError) as error:
                wait, tries = (_FIRST_WAIT, 0) if self.head > before else (wait * 2, tries + 1)
                if not (self.answered and _passes(error) and tries < _TRIES):
                    raise
                self.group.count("resumed")
                await asyncio.sleep(min(wait, _LONGEST_WAIT))
        await self._finish()

    def _until(self) -> int | None:
        """The end to ask for; None where that is the file's, so that no range is needed."""
        return None if self.end == self.group.size else self.end

    async def _copy(self, response: Response) -> bool:
        """Take what `response` brings. False: there is nothing left to fetch for this flight.

        Raises HttpError where it ends early.
        """
        skip = self._skip(response)
        if skip and not self.group.linear:
            self.group.linear = True  # readers join the one flight that begins at the start
            return False
        self.answered = True
        self._tell()
        while self.head < self.end:
            await self._space()
            most = skip or min(self.end, (self.head // PIECE + 1) * PIECE) - self.head
            data = await response.read(min(most, self._chunk))
            if not data:
                raise HttpError("its answer ended early")
            self.fetched += len(data)
            self.group.fetched(len(data))
            if skip:
                skip -= len(data)
            elif not await self._take(data):
                return False
            await self.group.pace.take(self, len(data))
        if response.status == 200 and response.length is None and await response.read(1):
            raise ChangedError(502, "the origin's file is longer than it was")
        return True

    def _skip(self, response: Response) -> int:
        """Bytes before those asked for. Raises OriginError if they are not of this file."""
        size = self.group.size
        if (response.headers.get("content-encoding") or "identity") != "identity":
            raise OriginError(502, "the origin sends the file in a coding that was not asked for")
        if response.status == 200:
            if response.length not in (None, size):
                raise ChangedError(502, "the origin's file has another size now")
            return self.head
        try:
            start, _, total = parse_content_range(response.headers.get("content-range") or "")
        except ValueError:
            raise OriginError(502, "the origin does not say which range it sends") from None
        if start != self.head or total not in (None, size):
            raise ChangedError(502, "the origin sends another range, or of another file")
        return 0

    async def _space(self) -> None:
        """Wait until a reader has taken so much that more may come."""
        while not self.greedy and self.readers:
            most = AHEAD if self.kept else self._size - self._chunk
            if self.head - self._lead() < most:
                return
            self._room.clear()
            await self._room.wait()

    async def _take(self, data: bytes) -> bool:
        """The next bytes are here. False: those after them are kept, or come otherwise."""
        self._ring.append((self.head, data))
        self.head += len(data)
        self._held += len(data)
        while self._held > self._size:
            self._held -= len(self._ring.popleft()[1])
        self._tell()
        if self._writer is not None or self.check is not None:
            self._piece.append(data)
            if self.head % PIECE == 0 or self.head == self.end:
                await self._keep()
        at_border = self.head % PIECE == 0 and self.head < self.end
        return not (at_border and self.group.has_beyond(self))

    async def _keep(self) -> None:
        """Have the piece written or hashed, one after the other, while the next one comes."""
        await self._finish()
        data = self._piece[0] if len(self._piece) == 1 else b"".join(self._piece)
        self._piece.clear()
        self._keeping = asyncio.get_running_loop().create_task(self._kept(data, self.head))

    async def _kept(self, data: bytes, end: int) -> None:
        """Write or hash the piece that ends at `end`."""
        if self._writer is not None:
            if await self._writer.piece(data):
                return
            if await self._is_wrong(data, end):
                self.fail(OriginError(502, "the origin sends other bytes than the file has"))
                return
            await self._pass_through(end - len(data))
        if self.check is not None:
            await self.check.piece(data)

    async def _pass_through(self, position: int) -> None:
        """The disk takes no more: go on without it, and hash what it has, if it has all so far."""
        assert self._writer is not None
        self._writer.close()
        self._writer = None
        self.group.count("passed_through")
        if has_hash(self.group.name):
            check = Check(self.group.name, self.group.size)
            if await check.catch_up(self.group.file, position):
                self.check = check

    async def _is_wrong(self, data: bytes, end: int) -> bool:
        """Whether the piece that ends at `end` is not the one that the tree of the file has."""
        size = self.group.size
        row = await self.group.file.row((end - 1) // PIECE, 1)
        return row is not None and bytes(row) != piece_hash(data, size <= PIECE)

    async def _finish(self) -> None:
        if self._keeping is not None:
            await self._keeping
            self._keeping = None

    @property
    def right(self) -> bool | None:
        """Whether the whole file passed and is what its name says; None: that cannot be told."""
        if self.check is None or self.check.position != self.group.size:
            return None
        return self.check.right


def _passes(error: Exception) -> bool:
    """Whether it may be otherwise soon."""
    if isinstance(error, OriginError):
        return error.status > 500 and not isinstance(error, ChangedError)
    return True


def cost(ring: int) -> int:
    """Bytes of memory that a flight with such a ring takes at most."""
    return ring + PIECE  # one that is written; what comes is in the ring

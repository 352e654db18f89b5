"""One answer's body: the bytes of a file, from the store or as they come from the origin.

A client that is slow or gone concerns nobody else. Where a hash of the whole is known, the last
piece of it leaves only when the whole is right: clients look at the size alone, so what is cut
before its end is what they do not take for good. A range of a file of which the rest is not here
cannot be checked so; it is as good as the origin's connection.
"""

from __future__ import annotations

import asyncio

from edge.cache.pull.check import has_hash
from edge.cache.pull.source import OriginError
from edge.http.errors import ClientGone
from edge.units import MIB
from edge.wire.merkle import PIECE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.cache.pull.flight import Flight
    from edge.cache.pull.group import Group
    from edge.cache.pull.source import Source
    from edge.cache.store.file import Extent
    from edge.http.exchange import Exchange

_TURN = 4 * MIB  # bytes of a file that are sent before counters see them
_IDLE_TRIES = 8  # flights in a row that bring nothing


class Delivery:
    """Sends the bytes from `position` to before `end` over `exchange`.

    `sent`: bytes so far. `flown`: whether the origin had to be asked.
    """

    def __init__(
        self, group: Group, source: Source, exchange: Exchange, start: int, end: int
    ) -> None:
        self.position = self._start = start
        self.end = end
        self.flown = False
        self._group = group
        self._source = source
        self._exchange = exchange
        self._flight: Flight | None = None
        self._opened: list[Flight] = []
        self._waiting: asyncio.Future[None] | None = None
        self._ahead: asyncio.Future[bool] | None = None  # looks at what comes next on the disk
        self._fruitless = 0
        self._held = end  # where to stop until the whole is known to be right
        if has_hash(group.name) and end == group.size and not group.file.whole:
            self._held = max(0, (group.size - 1) // PIECE * PIECE)
        exchange.on_gone = self.wake

    @property
    def sent(self) -> int:
        """Bytes that have left."""
        return self.position - self._start

    @property
    def fetched(self) -> int:
        """Bytes that came from the origin for this answer first."""
        return sum(flight.fetched for flight in self._opened)

    def wake(self) -> None:
        """A flight has more, or the client has left."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def ready(self) -> None:
        """Wait until the head may leave, as a body will follow. Raises OriginError, ClientGone."""
        if self.position < self.end and self.position >= self._held:
            await self._confirm()
        if self.position == self.end or self._ring() or await self._kept():
            return
        flight = await self._board(self.position)
        while not (flight.answered or flight.done):
            await self._wait()
        if not flight.answered and flight.failure is not None:
            raise flight.failure

    async def run(self) -> None:
        """Send all of it. Raises OriginError, ClientGone; OSError of the disk."""
        while self.position < self.end:
            if self.position >= self._held:
                await self._confirm()
            flight = self._ring()
            if flight is not None:
                await self._send(flight)
                continue
            extent = await self._kept()
            if extent is not None:
                await self._send_file(extent)
            else:
                await self._fetch()

    def close(self) -> None:
        """Whatever became of it."""
        self._join(None)
        self._exchange.on_gone = None

    # --- from memory and from the disk ---

    def _limit(self) -> int:
        return self._held if self.position < self._held else self.end

    def _ring(self) -> Flight | None:
        flight = self._flight
        if flight is None or not flight.has(self.position):
            return None
        return flight

    async def _send(self, flight: Flight) -> None:
        chunk = flight.chunk(self.position)[: self._limit() - self.position]
        await self._exchange.data(chunk)
        self._moved(len(chunk))

    async def _kept(self) -> Extent | None:
        file = self._group.file
        extent = file.extent(self.position)
        if extent is None and await file.verified(self.position):
            extent = file.extent(self.position)
        return extent

    async def _send_file(self, extent: Extent) -> None:
        length = min(extent.length, self._limit() - self.position, _TURN)
        self._look_ahead(self.position + length)
        await self._exchange.file(extent.fd, extent.position, length)
        self._moved(length)

    def _look_ahead(self, position: int) -> None:
        """Have what comes next opened, and verified, while the kernel sends."""
        file = self._group.file
        if self._ahead is None and position < self._limit() and file.extent(position) is None:
            self._ahead = asyncio.ensure_future(file.verified(position))
            self._ahead.add_done_callback(self._looked)

    def _looked(self, ahead: asyncio.Future[bool]) -> None:
        self._ahead = None
        if not ahead.cancelled():
            ahead.exception()  # whoever sends it is told

    def _moved(self, length: int) -> None:
        self.position += length
        self._fruitless = 0
        self._group.shared.count("lan_bytes", length)
        if self._flight is not None:
            self._flight.moved()  # wherever the bytes were: it may wait for who has fallen behind

    # --- from the origin ---

    async def _fetch(self) -> None:
        """Wait until the flight that brings the next bytes has brought some."""
        flight = self._flight
        if flight is None or not flight.covers(self.position, self._group.near):
            flight = await self._board(self.position)
        while not (flight.done or flight.has(self.position)):
            await self._wait()
        if flight.has(self.position):
            return
        if flight.failure is not None:
            raise flight.failure
        self._fruitless += 1
        if self._fruitless > _IDLE_TRIES:
            raise OriginError(502, "the file is neither kept nor to be had")

    async def _board(self, position: int) -> Flight:
        """Join the flight that brings the byte at `position`, a new one if need be."""
        self.flown = True
        flight, is_new = await self._group.fly(self._source, position, self.end)
        if is_new:
            self._opened.append(flight)
        self._join(flight)
        return flight

    def _join(self, flight: Flight | None) -> None:
        before, self._flight = self._flight, flight
        if flight is not None and flight is not before:
            flight.join(self)
        if before is not None and before is not flight:
            before.leave(self)

    async def _wait(self) -> None:
        """Until `wake`. Raises ClientGone."""
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            if not self._exchange.gone:
                await self._waiting
        finally:
            self._waiting = None
        if self._exchange.gone:
            raise ClientGone("the client has left")

    # --- the whole ---

    async def _confirm(self) -> None:
        """Go on to the end, as the whole is right or cannot be told. Raises OriginError."""
        group, held = self._group, self._held
        self._held = self.end
        if group.file.whole or (self._start and group.file.missing(0, self._start)):
            return
        if group.file.missing(held, group.size):
            await self._await_last(held)
        right = self._flight.right if self._flight is not None else None
        if not group.file.missing(0, group.size):
            right = await group.settle()
        if right or (right is None and self._start):
            return
        group.count("wrong_files")
        raise OriginError(502, "the origin sent another file than its hash says")

    async def _await_last(self, held: int) -> None:
        """Wait for the end of the flight that brings the last piece. Raises OriginError."""
        flight = self._flight
        if flight is None or not flight.covers(held, self._group.size):
            flight = await self._board(held)
        while not flight.done:
            await self._wait()
        if flight.failure is not None:
            raise flight.failure

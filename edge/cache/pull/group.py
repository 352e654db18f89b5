"""The flights of one file, and who of its readers takes which."""

from __future__ import annotations

import asyncio

from edge.cache.pull.flight import LARGE, NEAR, RINGS, SMALL, Flight, cost
from edge.cache.pull.source import OriginError
from edge.wire.merkle import PIECE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.allowance import Allowance
    from edge.budget import Pool
    from edge.cache.pace import Pace
    from edge.cache.pull.source import Source
    from edge.cache.store.file import File

PAUSED = "this node fetches nothing now, by its schedule or settings; what it keeps, it serves"
MAX_FLIGHTS = 32  # of all files
_PATIENCE = 5.0  # seconds to wait for a place among them, or for memory


class Shared:
    """What all groups have in common: counters, the pace, memory, places."""

    def __init__(self, allowance: Allowance, pool: Pool, pace: Pace) -> None:
        self.allowance = allowance
        self.pool = pool
        self.pace = pace
        self.counters: dict[str, int] = {}
        self.flights: set[Flight] = set()
        self._waiting: list[asyncio.Future[None]] = []

    def count(self, what: str, number: int = 1) -> None:
        """`number` more of `what`."""
        self.counters[what] = self.counters.get(what, 0) + number

    def refuse_pause(self) -> None:
        """Raises OriginError while nothing may be fetched."""
        if self.allowance.paused or not self.allowance.admits:
            self.count("refused_paused")
            raise OriginError(503, PAUSED)

    @property
    def chunk(self) -> int:
        """Bytes that one answer holds at most: what its flight has read at once."""
        return SMALL if self.pool.pressed else LARGE

    def ring(self) -> int:
        """Bytes of the ring of another flight, which are leased with it; 0: there is no room."""
        if len(self.flights) >= MAX_FLIGHTS:
            return 0
        rings = RINGS[1:] if self.pool.pressed else RINGS
        return next((ring for ring in rings if self.pool.take(cost(ring))), 0)

    def give_back(self, flight: Flight) -> None:
        """Nobody needs `flight` any more."""
        if flight in self.flights:
            self.flights.remove(flight)
            self.pool.give(flight.cost)
            for waiting in self._waiting:
                if not waiting.done():
                    waiting.set_result(None)

    async def vacancy(self) -> None:
        """Wait for one flight to end. Raises OriginError after a while."""
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            async with asyncio.timeout(_PATIENCE):
                await waiting
        except TimeoutError:
            self.count("refused_busy")
            raise OriginError(503, "too much is being fetched just now; try again") from None
        finally:
            self._waiting.remove(waiting)


class Group:
    """`file`: in the store. `linear`: the origin sends no ranges, so one flight brings it all.

    `users`: deliveries and flights that need this group; `left` is called when there are none.
    """

    def __init__(self, shared: Shared, file: File, name: bytes, left: Callable[[Group], None]):
        self.shared = shared
        self.file = file
        self.name = name
        self.size = file.size
        self.linear = False
        self.users = 0
        self.flights: list[Flight] = []
        self._left = left
        self._settling: asyncio.Task[bool] | None = None
        self.pace = shared.pace

    # --- what deliveries do ---

    def enter(self) -> None:
        """One more needs this group."""
        self.users += 1

    def leave(self) -> None:
        """One less."""
        self.users -= 1
        if not self.users and not self.flights:
            self._left(self)

    @property
    def near(self) -> int:
        """Bytes ahead of a flight for which a reader waits."""
        return self.size if self.linear else NEAR

    def flight_at(self, position: int) -> Flight | None:
        """One that has the byte at `position`, or will soon."""
        covering = [flight for flight in self.flights if flight.covers(position, self.near)]
        return max(covering, key=lambda flight: flight.has(position), default=None)

    async def fly(self, source: Source, position: int, end: int) -> tuple[Flight, bool]:
        """A flight that brings the byte at `position`, and whether it is a new one: up to what is
        kept or comes already, at most to `end`.

        Raises OriginError where nothing may be fetched now.
        """
        while True:
            self.shared.refuse_pause()
            known = self.flight_at(position)
            flight = known or self._launch(source, position, end)
            if flight is not None:
                return flight, known is None
            await self.shared.vacancy()

    async def settle(self) -> bool:
        """Whether the file, of which all pieces are kept, is what its name says."""
        if self._settling is None:
            self._settling = asyncio.get_running_loop().create_task(self.file.settle())
            self._settling.add_done_callback(self._settled)
        return await asyncio.shield(self._settling)

    def _settled(self, task: asyncio.Task[bool]) -> None:
        self._settling = None
        if not task.cancelled() and task.exception() is None and not task.result():
            self.count("wrong_files")

    def _launch(self, source: Source, position: int, end: int) -> Flight | None:
        """None: there is no room for another."""
        if self.linear:
            position, end = 0, self.size
        ring = self.shared.ring()
        if not ring:
            return None
        low = position // PIECE * PIECE
        high = min(-(-end // PIECE) * PIECE, self.size)
        gaps = self.file.missing(low, high)
        gap_end = next((b for a, b in gaps if a <= position < b), high)
        high = min([gap_end, *[f.start for f in self.flights if f.kept and f.start > position]])
        writer = self.file.writer(low, high)
        if writer is None:
            low, high = position, min(end, gap_end)
        flight = Flight(self, source, low, high, writer, ring)
        self.shared.flights.add(flight)
        self.flights.append(flight)
        return flight

    # --- what flights do ---

    def count(self, what: str) -> None:
        """One more of `what`."""
        self.shared.count(what)

    def fetched(self, length: int) -> None:
        """`length` bytes came from the origin."""
        self.shared.count("wan_bytes", length)

    def has_beyond(self, flight: Flight) -> bool:
        """Whether what comes after the head of `flight` is kept, or brought by another."""
        if not flight.kept or self.linear:
            return False
        head = flight.head
        return any(
            other.start <= head < other.head and other.kept
            for other in self.flights
            if other is not flight
        ) or not self.file.missing(head, min(head + PIECE, self.size))

    def released(self, flight: Flight) -> None:
        """Forget `flight` if it has ended and nobody reads from its ring."""
        if flight.done and not flight.readers and flight in self.flights:
            self.flights.remove(flight)
            self.shared.give_back(flight)
            if not self.users and not self.flights:
                self._left(self)

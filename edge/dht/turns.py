"""Whose call the server works on next: the one whose connection has cost least of late.

As in edge.swarm.fair_queue, by which connections are read. But that is while higher work moves
something, and a node of the DHT may have nothing but calls. One goes on in each turn of the loop,
so that what asks for little is answered before the next of a flood.
"""

from __future__ import annotations

import time

from edge.swarm.fair_queue import FairQueue

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio

    from edge.swarm.connection import Connection

# Seconds of a turn of the loop, in which a turn of its own costs more than the call.
AT_ONCE = 0.001


class Charge:
    """What is done in the `with` block, which awaits nothing, is charged to `connection`.

    By the clock, not by the thread's time, which takes a system call to ask for.
    """

    __slots__ = ("_began", "_connection")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._connection.load.cost += time.perf_counter() - self._began


class Turn:
    """A call on `connection` that waits. `come`: done when it may go on."""

    __slots__ = ("_connection", "come")

    def __init__(self, connection: Connection, loop: asyncio.AbstractEventLoop) -> None:
        self._connection = connection
        self.come: asyncio.Future[None] = loop.create_future()

    @property
    def cost(self) -> float:
        """Seconds of the processor that its connection took of late."""
        return self._connection.load.cost

    def take_turn(self) -> None:
        """Go on."""
        if not self.come.done():
            self.come.set_result(None)


class Turns:
    """Of one server. `waiting`: how many calls wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.waiting = 0
        self._loop = loop
        self._queue = FairQueue(loop, lambda: 0.0)
        self._ends = 0.0  # until when calls go on at once in this turn of the loop

    async def take(self, connection: Connection) -> None:
        """Wait until it is the turn of a call on `connection`: at once where nobody waits."""
        now = time.perf_counter()
        if not self.waiting and (not self._ends or now < self._ends):
            if not self._ends:
                self._ends = now + AT_ONCE
                self._loop.call_soon(self._over)
            return
        turn = Turn(connection, self._loop)
        self.waiting += 1
        self._queue.read(turn)
        try:
            await turn.come
        finally:
            self.waiting -= 1
            self._queue.forget(turn)

    def _over(self) -> None:
        self._ends = 0.0

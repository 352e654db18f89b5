"""The order in which work of one class is done, one piece each time there is time for it."""

from __future__ import annotations

from collections import deque
from typing import Protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class Reader(Protocol):
    """Reads from one connection, when its turn comes."""

    @property
    def cost(self) -> float:
        """Seconds of the processor that this took of late."""

    def take_turn(self) -> None:
        """Read once now, and go on reading."""


class FairQueue:
    """Work that waits for its turn, and connections of which one is read in each.

    `wait`: seconds until there is time for more, 0.0 if there is now (`CpuShare.wait`).
    """

    __slots__ = ("_due", "_loop", "_queue", "_unread", "_wait")

    def __init__(self, loop: asyncio.AbstractEventLoop, wait: Callable[[], float]) -> None:
        self._loop = loop
        self._wait = wait
        self._queue: deque[Callable[[], None]] = deque()
        self._due = False
        self._unread: dict[Reader, None] = {}

    def read(self, reader: Reader) -> None:
        """Let `reader` read when its turn comes."""
        self._unread[reader] = None
        self.take(self._read_one)

    def forget(self, reader: Reader) -> None:
        """`reader` need not wait any more."""
        self._unread.pop(reader, None)

    def take(self, work: Callable[[], None]) -> None:
        """Do `work` when there is time for it, behind what waits for that already."""
        if work not in self._queue:
            self._queue.append(work)
        if not self._due:
            self._due = True
            self._loop.call_soon(self._next)

    def _read_one(self) -> None:
        """The one that has cost least of late: who asks for little is not kept by a flood."""
        if not self._unread:
            return
        reader = min(self._unread, key=_cost)
        del self._unread[reader]
        if self._unread:
            self.take(self._read_one)
        reader.take_turn()

    def _next(self) -> None:
        wait = self._wait()
        if wait:
            self._loop.call_later(wait, self._next)
            return
        try:
            self._queue.popleft()()
        finally:
            self._due = bool(self._queue)
            if self._due:
                self._loop.call_soon(self._next)


def _cost(reader: Reader) -> float:
    return reader.cost

"""How fast the cache moves bytes: what circuits leave of the allowed rate, in turns.

The rate is that of the allowance for all that the node does for others. What circuits carry is
taken off it first. The rest is for pieces to peers and for what comes from origins: each peer and
each download that waits has one piece in its turn, however many it asks for.
"""

from __future__ import annotations

import asyncio
from collections import deque

from edge.swarm.work import INTERACTIVE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from edge.allowance import Allowance
    from edge.swarm.work import Work

_TICK = 0.05  # seconds between two looks while peers wait
_BURST = 1 << 18  # bytes that may pass at once: a piece
_MOST_DEBT = 1.0  # seconds of the rate that circuits may be ahead


class Pace:
    """`work`: the classes of work of the swarm."""

    def __init__(
        self, allowance: Allowance, loop: asyncio.AbstractEventLoop, work: Sequence[Work]
    ) -> None:
        self._allowance = allowance
        self._loop = loop
        self._circuits = work[INTERACTIVE]
        self._tokens = float(_BURST)
        self._at = loop.time()
        self._moved = self._circuits.moved
        self._waiting: dict[Hashable, deque[tuple[int, asyncio.Future[None]]]] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def rate(self) -> int:
        """Bytes a second, 0 for any number."""
        return self._allowance.rate

    async def take(self, who: Hashable, length: int) -> None:
        """Wait until `length` bytes of `who` may pass; a piece at most."""
        if not self._waiting and self._fill():
            self._tokens -= length
            return
        turn: asyncio.Future[None] = self._loop.create_future()
        self._waiting.setdefault(who, deque()).append((length, turn))
        self._schedule()
        await turn

    def _fill(self) -> bool:
        """Add what the time since the last look has brought; whether something may leave."""
        now, moved = self._loop.time(), self._circuits.moved
        gained = (now - self._at) * self.rate - (moved - self._moved)
        self._at, self._moved = now, moved
        self._tokens = max(min(self._tokens + gained, _BURST), -_MOST_DEBT * self.rate)
        return not self.rate or self._tokens > 0

    def _schedule(self) -> None:
        if self._timer is None and self._waiting:
            self._timer = self._loop.call_later(_TICK, self._turn)

    def _turn(self) -> None:
        self._timer = None
        while self._waiting and self._fill():
            who, turns = next(iter(self._waiting.items()))
            del self._waiting[who]
            length, turn = turns.popleft()
            if turns:
                self._waiting[who] = turns  # behind all others
            if not turn.done():
                self._tokens -= length
                turn.set_result(None)
        self._schedule()

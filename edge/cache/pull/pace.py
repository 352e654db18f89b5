"""How fast origins are read: what the node may use of the line, shared by all that is fetched."""

from __future__ import annotations

import asyncio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.allowance import Allowance

_BURST = 0.05  # seconds of the rate that may pass at once


class Pace:
    """Keeps to the rate of `allowance`, whatever it is just then."""

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._due = 0.0  # when all that has passed was due

    async def spend(self, length: int) -> None:
        """`length` bytes have come: wait until as many more may."""
        rate = self._allowance.rate
        if not rate:
            return
        now = asyncio.get_running_loop().time()
        self._due = max(self._due, now - _BURST) + length / rate
        if self._due > now:
            await asyncio.sleep(self._due - now)

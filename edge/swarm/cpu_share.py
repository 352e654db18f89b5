"""How much of the processor's time a class of work may take while higher ones move something.

Each piece of work is charged to its class. While payloads of a higher class pass, the class gets at
most its share of the time; what comes too fast waits in the kernel, or in the queue of streams.
While none pass there is nothing to protect, and everything goes at once.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from typing import Any

_BURST = 0.02  # seconds that may be taken at once
_QUIET = 0.2  # seconds after a payload until there is nothing to protect
_LEAST_WAIT, _LONGEST_WAIT = 0.001, 0.5  # seconds until it is asked again
# Seconds. A piece takes one at most; beyond a few, all who are paced would be given up for silent
# before they were read again.
_MOST_DEBT = 3.0


class CpuShare:
    """Asked before each piece of work, and told when it is done.

    `share`: of the time; `above`: payload bytes of the higher classes so far. `clock`: seconds;
    `worked`: seconds this thread has had the processor, so that a machine that is busy otherwise is
    not put down to this work. `taken`: seconds that the work has taken in all.
    """

    __slots__ = (
        "_above",
        "_busy_until",
        "_debt",
        "_looked_at",
        "_moved",
        "_share",
        "clock",
        "protects",
        "taken",
        "worked",
    )

    def __init__(
        self,
        share: float,
        above: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
        worked: Callable[[], float] = time.thread_time,
    ) -> None:
        self.clock = clock
        self.worked = worked
        self.taken = 0.0
        self.protects = False  # whether payloads passed when `wait` was last asked
        self._share = share
        self._above = above
        self._moved = above()
        self._debt = 0.0  # seconds taken and not yet earned
        self._looked_at = clock()
        self._busy_until = 0.0

    def wait(self) -> float:
        """Seconds to wait before this is asked again; 0.0: more of the work may be done now."""
        now = self.clock()
        moved = self._above()
        if moved != self._moved:
            self._moved = moved
            self._busy_until = now + _QUIET
        self._debt = max(0.0, self._debt - (now - self._looked_at) * self._share)
        self._looked_at = now
        self.protects = now < self._busy_until
        if not self.protects:
            self._debt = 0.0
        if self._debt <= _BURST:
            return 0.0
        return min(max((self._debt - _BURST) / self._share, _LEAST_WAIT), _LONGEST_WAIT)

    def spent(self, began: float) -> float:
        """It has gone on since `worked` said `began`; returns for how many seconds."""
        took = self.worked() - began
        self.taken += took
        self._busy_until += took  # nothing could pass meanwhile
        self._debt = min(self._debt + took, _MOST_DEBT)
        return took


class Charged:
    """Awaits `work`; each of its steps is charged to `share`, and not what goes on between them."""

    __slots__ = ("_share", "_work")

    def __init__(self, share: CpuShare, work: Awaitable[None]) -> None:
        self._share = share
        self._work = work

    def __await__(self) -> Generator[Any, Any, None]:
        share, work = self._share, self._work.__await__()
        step, argument = work.send, None
        while True:
            began = share.worked()
            try:
                awaited = step(argument)
            except StopIteration:
                return
            finally:
                share.spent(began)
            try:
                step, argument = work.send, (yield awaited)
            except BaseException as error:  # noqa: BLE001 - handed on
                step, argument = work.throw, error

"""How much of the time strangers may take while circuits carry something.

Accepting, upgrading, starting handlers and reading from who carries no circuit is work that anyone
can cause, and on a slow machine a few newcomers a second fill the processor. While payloads pass,
that work gets at most a share of the time; what comes too fast waits in the kernel, or in the
queue of streams. While none pass there is nothing to protect, and everything goes at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from typing import Any

SHARE = 0.1  # of the time
_BURST = 0.02  # seconds that may be taken at once
_QUIET = 0.2  # seconds after a payload until there is nothing to protect
_LEAST_WAIT, _LONGEST_WAIT = 0.001, 0.5  # seconds


class Pace:
    """Asked before each piece of strangers' work, and told when it is done.

    `clock`: seconds; `worked`: seconds this thread has had the processor, so that a machine that is
    busy otherwise is not put down to strangers.
    """

    __slots__ = ("_busy_until", "_clock", "_debt", "_looked_at", "_relayed", "protects", "worked")

    def __init__(self, clock: Callable[[], float], worked: Callable[[], float]) -> None:
        self._clock = clock
        self.worked = worked
        self._debt = 0.0  # seconds taken and not yet earned
        self._relayed = 0
        self._looked_at = clock()
        self._busy_until = 0.0
        self.protects = False  # whether payloads passed when `wait` was last asked

    def wait(self, relayed: int) -> float:
        """Seconds to wait before more of it is done. `relayed`: payload bytes passed on so far."""
        now = self._clock()
        if relayed != self._relayed:
            self._relayed = relayed
            self._busy_until = now + _QUIET
        self._debt = max(0.0, self._debt - (now - self._looked_at) * SHARE)
        self._looked_at = now
        self.protects = now < self._busy_until
        if not self.protects:
            self._debt = 0.0
        return max((self._debt - _BURST) / SHARE, _LEAST_WAIT) if self._debt > _BURST else 0.0

    def spent(self, began: float) -> float:
        """It has gone on since `worked` said `began`; returns for how many seconds."""
        took = self.worked() - began
        self._busy_until += took  # nothing could pass meanwhile
        self._debt = min(self._debt + took, _BURST + _LONGEST_WAIT * SHARE)
        return took


class Charged:
    """Awaits `work`; each of its steps is charged to `pace`, and not what goes on between them."""

    __slots__ = ("_pace", "_work")

    def __init__(self, pace: Pace, work: Awaitable[None]) -> None:
        self._pace = pace
        self._work = work

    def __await__(self) -> Generator[Any, Any, None]:
        pace, work = self._pace, self._work.__await__()
        step, argument = work.send, None
        while True:
            began = pace.worked()
            try:
                awaited = step(argument)
            except StopIteration:
                return
            finally:
                pace.spent(began)
            try:
                step, argument = work.send, (yield awaited)
            except BaseException as error:  # noqa: BLE001 - handed on
                step, argument = work.throw, error

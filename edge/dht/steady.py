"""The wall clock, as far as expirations can be judged by it.

Records expire at absolute times, and a node's clock may jump. Steady time follows the wall clock
forward but not back: what it has seen expire stays expired. Where the clock goes back (by
comparison with a clock that never jumps), steady time goes on and is ahead of it by what was lost.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_JUMP = 1.0  # seconds back that are a jump; less is a clock being slewed


class SteadyTime:
    """`utc`: seconds since 1970, None while that clock cannot be right. `monotonic`: never jumps.

    `ahead`: seconds by which steady time is ahead of the wall clock.
    """

    __slots__ = ("_distance", "_monotonic", "_utc", "ahead")

    def __init__(
        self,
        utc: Callable[[], float | None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._utc = utc
        self._monotonic = monotonic
        self._distance: float | None = None  # from the monotonic clock to the wall clock
        self.ahead = 0.0

    def now(self) -> float | None:
        """Steady time in seconds, None while the wall clock cannot be right."""
        utc = self._utc()
        if utc is None:
            return None
        distance = utc - self._monotonic()
        if self._distance is not None and distance < self._distance - _JUMP:
            self.ahead += self._distance - distance
        self._distance = distance
        return utc + self.ahead

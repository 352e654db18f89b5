"""How often something is done for each of many, who are strangers: a token bucket for each."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable


class Rate:
    """`times` at once, and as many again each `period` seconds. `clock`: seconds, monotonic.

    Bounded: of more than `most`, the one that has been quiet for longest is forgotten.
    """

    def __init__(
        self, clock: Callable[[], float], times: int, period: float, most: int = 128
    ) -> None:
        self._clock = clock
        self._one = period / times
        self._period = period
        self._most = most
        self._full_at: dict[Hashable, float] = {}  # when each bucket is full again

    def take(self, key: Hashable) -> bool:
        """Whether it may be done once more now for `key`; if so it is counted."""
        now = self._clock()
        before = max(self._full_at.pop(key, now), now)
        after = before + self._one
        taken = after <= now + self._period
        if len(self._full_at) >= self._most:
            del self._full_at[next(iter(self._full_at))]
        self._full_at[key] = after if taken else before
        return taken

"""What rests after a failure, for a time that doubles with each further one."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

_MOST = 256


class Backoff:
    """The last ones of those that failed, at most `most`. `clock`: seconds, monotonic.

    `longest`: seconds of a rest.
    """

    def __init__(self, clock: Callable[[], float], longest: float, most: int = _MOST) -> None:
        self._clock = clock
        self._most = most
        self._longest = longest
        self._rests: dict[Hashable, tuple[float, float]] = {}  # until when, and how long it was

    def rests(self, key: Hashable) -> bool:
        """Whether it is too early to try `key` again."""
        return self.left(key) > 0

    def left(self, key: Hashable) -> float:
        """Seconds that `key` rests still."""
        until, _ = self._rests.get(key, (0.0, 0.0))
        return max(until - self._clock(), 0.0)

    def failed(self, key: Hashable, first: float) -> float:
        """Let `key` rest, `first` seconds or twice as long as the last time; returns how long."""
        _, last = self._rests.pop(key, (0.0, 0.0))
        length = min(max(first, last * 2), self._longest)
        if len(self._rests) >= self._most:
            del self._rests[next(iter(self._rests))]
        self._rests[key] = self._clock() + length, length
        return length

    def forget(self, key: Hashable) -> None:
        """Count its failures anew."""
        self._rests.pop(key, None)

    def clear(self) -> None:
        """Let nothing rest."""
        self._rests.clear()

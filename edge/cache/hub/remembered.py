"""What is remembered for a while, in a table of few entries: when it is full, the oldest goes."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.budget import Pool

ENTRY = 512  # bytes that one is leased


class Remembered:
    """`most`: entries. `now()`: seconds, never back. `pool`: what they are leased from."""

    def __init__(
        self,
        most: int,
        now: Callable[[], float],
        pool: Pool,
    ) -> None:
        self._most = most
        self._now = now
        self._pool = pool
        self._entries: dict[bytes, tuple[float, object]] = {}  # until when

    def put(self, key: bytes, seconds: float, value: object = True) -> None:
        """Remember `value` for so long; without memory for it, nothing is."""
        self.drop(key)
        if len(self._entries) >= self._most:
            self.drop(next(iter(self._entries)))
        while not self._pool.take(ENTRY):
            if not self._entries:
                return
            self.drop(next(iter(self._entries)))
        self._entries[key] = (self._now() + seconds, value)

    def get(self, key: bytes) -> object:
        """The value, None where there is none any more."""
        until, value = self._entries.get(key, (0.0, None))
        if value is not None and until <= self._now():
            self.drop(key)
            return None
        return value

    def drop(self, key: bytes) -> None:
        """Forget it."""
        if self._entries.pop(key, None) is not None:
            self._pool.give(ENTRY)

    def clear(self) -> None:
        """Forget all."""
        for key in list(self._entries):
            self.drop(key)

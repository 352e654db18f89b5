"""Tries again what failed: after 10 seconds, then after twice as long each time, up to a minute."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

FIRST, MOST = 10.0, 60.0  # seconds


class Again:
    """Calls `attempt()` until it returns True, once `start` was called."""

    def __init__(self, loop: asyncio.AbstractEventLoop, attempt: Callable[[], bool]) -> None:
        self._loop = loop
        self._attempt = attempt
        self._wait = FIRST
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> bool:
        """Whether something is to be tried."""
        return self._timer is not None

    def start(self) -> None:
        """Try after FIRST seconds, however long the wait was."""
        self.stop()
        self._wait = FIRST
        self._timer = self._loop.call_later(self._wait, self._due)

    def now(self) -> None:
        """Do not wait any longer, if something is to be tried: the obstacle may be gone."""
        if self.waiting:
            self.stop()
            if not self._attempt():
                self.start()

    def stop(self) -> None:
        """Try no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due(self) -> None:
        self._timer = None
        if not self._attempt():
            self._wait = min(self._wait * 2, MOST)
            self._timer = self._loop.call_later(self._wait, self._due)

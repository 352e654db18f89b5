"""The modes of the last day, by seconds on a clock that does not jump."""

from __future__ import annotations

from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

DAY = 86400
MAX_CHANGES = 32  # the newest


class Timeline:
    """`mode`: the one at `now`, with which it begins."""

    __slots__ = ("_changes",)

    def __init__(self, mode: str, now: float) -> None:
        self._changes = deque([(now, mode)], MAX_CHANGES)

    def enter(self, mode: str, now: float) -> None:
        """It is `mode` from `now` on."""
        if mode != self._changes[-1][1]:
            self._changes.append((now, mode))

    def day(self, now: float) -> list[Sequence[object]]:
        """The modes until `now`, oldest first: seconds since each began, at most a day, and it."""
        changes = self._changes
        while len(changes) > 1 and now - changes[1][0] >= DAY:
            changes.popleft()
        return [(min(round(now - at), DAY), mode) for at, mode in changes]

"""The owner's windows: at which hours of which days the node does how much.

A window is read off the wall clock where the node stands: on the night that summer time ends, one
from 02:00 to 03:00 lasts two hours, and on the night it begins, none. A window whose end is not
behind its start goes over midnight and belongs to the day it starts on. Of windows that overlap
the first one counts. While the time is not known, none does.
"""

from __future__ import annotations

from edge.config import schema
from edge.zone import Zone, system_zone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from edge.config.load import Config

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES = 24 * 60


class Window:
    """`days`: of WEEKDAYS, none for all. `start`, `end`: minutes of the day, up to MINUTES.

    `mode`: at most this one. `rate`: bytes a second, 0 for no limit.
    """

    __slots__ = ("_days", "end", "mode", "rate", "start")

    def __init__(
        self, days: Collection[str], start: int, end: int, mode: str = "", rate: int = 0
    ) -> None:
        self._days = frozenset(WEEKDAYS.index(day) for day in days or WEEKDAYS)
        self.start = start
        self.end = end
        self.mode = mode
        self.rate = rate

    def covers(self, weekday: int, minute: int) -> bool:
        """Whether it is open at `minute` of `weekday`, 0 for Monday."""
        if self.start < self.end:
            return weekday in self._days and self.start <= minute < self.end
        if minute >= self.start:
            return weekday in self._days
        return minute < self.end and (weekday - 1) % 7 in self._days

    def __str__(self) -> str:
        return f"{_shown(self.start)} to {_shown(self.end)}"


class Timetable:
    """`windows`: the first that covers a moment counts."""

    __slots__ = ("windows", "zone")

    def __init__(self, windows: Sequence[Window], zone: Zone) -> None:
        self.windows = windows
        self.zone = zone

    def current(self, utc: float | None) -> Window | None:
        """The window that counts at `utc`, in seconds from 1970, if any does."""
        if not self.windows or utc is None:
            return None
        weekday, minute = self.zone.local(utc)
        return next((window for window in self.windows if window.covers(weekday, minute)), None)


def schedule(config: Config) -> Timetable:
    """The windows that `config` has."""
    windows = [
        Window(each.days, minutes(each.start), minutes(each.end), each.mode, each.rate)
        for each in config.all(schema.Schedule)
    ]
    return Timetable(windows, zone(config))


def zone(config: Config) -> Zone:
    """Where the hours of `config` are read."""
    text = config[schema.Node].timezone
    return system_zone() if text == "auto" else Zone.from_string(text)


def minutes(text: str) -> int:
    """Of the day, from a checked HH:MM."""
    return int(text[:2]) * 60 + int(text[3:])


def _shown(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"

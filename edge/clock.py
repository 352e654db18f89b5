"""The wall clock, and what to believe where it is plainly wrong.

A router without a battery boots in 1970, or at the newest file's date, and learns the time from the
network later. A relay must name absolute times meanwhile: peers refuse a reservation that has
expired by their clock. A clock that stands before this program was made is not believed: the time
is taken to be that of the newest file known, going on from the start. It is still too early, by as
long as the machine was off, but no longer by decades. A clock set later than that is believed at
once, whatever it says.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Clock:
    """`made`: when this program was, at the earliest. `known`: other times that have been."""

    def __init__(self, made: float, known: Iterable[float] = ()) -> None:
        self.made = made
        self._newest = max(made, *known, 0.0)
        self._since = time.monotonic()

    @property
    def wrong(self) -> bool:
        """Whether the system's clock cannot be right."""
        return time.time() < self.made

    def time(self) -> float:
        """Seconds since 1970, as far as anyone here can tell."""
        now = time.time()
        if now >= self.made:
            return now
        return self._newest + time.monotonic() - self._since


def clock_of(data_dir: str) -> Clock:
    """A clock that knows the ages of this program and of what the node has saved in `data_dir`."""
    made = max(_changed(sys.executable), _changed(__file__))
    try:
        names = os.listdir(data_dir)
    except OSError:
        names = []
    return Clock(made, [_changed(os.path.join(data_dir, name)) for name in names])


def _changed(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0  # no such file in a program that is one binary

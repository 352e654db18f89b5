"""The wall clock, unless it is plainly wrong.

A router without a clock of its own boots in 1970, or at the date of its newest file, and learns the
time from the network later. Absolute times that it tells others meanwhile are long past for them.
What stands before this program was made cannot be the time; the program's files say when that was,
and where they say nothing the year it was written in does. Nor can what stands before a file was
written, as far as the clock was right then.
"""

import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_WRITTEN = 1_764_000_000.0  # November 2025
_LATEST = 2.0**33  # the year 2242: a file that is newer says nothing


def build_time() -> float:
    """Seconds since 1970 when this program came to be, at the earliest."""
    source = globals().get("__file__", "")  # modules inside of the static binary have none
    return max(_WRITTEN, _changed(sys.executable), _changed(source))


def newest(paths: "Iterable[str]") -> float:
    """Seconds since 1970 when the last of the files `paths` was written; 0.0: there is none."""
    return max([when for when in map(_changed, paths) if when < _LATEST], default=0.0)


def later(last: int, since: float) -> int:
    """Milliseconds since 1970, but more than `last`, and not before `since` (in seconds)."""
    return max(last + 1, int(max(time.time(), since) * 1000))


def now_if_plausible(since: float) -> float | None:
    """Seconds since 1970 now; None while the clock stands before `since`."""
    now = time.time()
    return now if now >= since else None


def _changed(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0  # a program that is one binary has no such file

"""The wall clock, unless it is evidently wrong.

A router without a battery-backed clock boots in 1970, or at the date of its newest file, and gets
the time from the network later. Until then, absolute times that it sends are in the past for its
peers. A time before this program was built is wrong; the build time is that of the program's files,
or else a constant. A time before the last write of a file is wrong as well, if the clock was right
then.
"""

import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_WRITTEN = 1_764_000_000.0  # November 2025
_LATEST = 2.0**33  # the year 2242; newer files are ignored


def build_time() -> float:
    """The earliest possible build time of this program, in seconds since 1970."""
    source = globals().get("__file__", "")  # unset for modules in the static binary
    return max(_WRITTEN, _changed(sys.executable), _changed(source))


def newest(paths: "Iterable[str]") -> float:
    """The newest modification time of `paths`, in seconds since 1970; 0.0 without files."""
    return max([when for when in map(_changed, paths) if when < _LATEST], default=0.0)


def later(last: int, since: float) -> int:
    """Milliseconds since 1970, but greater than `last` and not before `since` (in seconds)."""
    return max(last + 1, int(max(time.time(), since) * 1000))


def now_if_plausible(since: float) -> float | None:
    """The current time in seconds since 1970; None while the clock is before `since`."""
    now = time.time()
    return now if now >= since else None


def _changed(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0  # the static binary has no such file

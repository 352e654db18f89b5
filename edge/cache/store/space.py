"""How much may be kept and written: the quota, the disk's last part, the bytes of a day.

Days are not the clock's, which may jump: the last 24 hours are counted while the store is open.
"""

from __future__ import annotations

import os

from edge.cache.store import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

LEFT_FREE = 20  # one part in so many of the disk
HOURS = 24
HOUR = 3600.0  # seconds
RAW_FLASH = ("jffs2", "ubifs")
_MOST_MOUNTS = 1 << 20  # bytes read of them


class Space:
    """In bytes: `quota`; `max_written` a day, 0: any; `free` of the disk, beyond what stays."""

    def __init__(self, quota: int, max_written: int) -> None:
        self.quota = quota
        self.max_written = max_written
        self.free = quota
        self.hour = HOURS  # the number of this hour of running
        self._since: float | None = None
        self._written: dict[int, int] = {}

    def tick(self, now: float) -> bool:
        """It is `now`, in seconds of any steady clock. Whether another hour has begun."""
        if self._since is None:
            self._since = now
        before = self.hour
        while now - self._since >= HOUR:
            self._since += HOUR
            self.hour += 1
        for hour in [one for one in self._written if one <= self.hour - HOURS]:
            del self._written[hour]
        return self.hour != before and bool(self._written)

    def wrote(self, count: int) -> None:
        """So many bytes were written."""
        self._written[self.hour] = self._written.get(self.hour, 0) + count

    def remember(self, hour: int, count: int) -> None:
        """What a record says of an hour."""
        self.hour = max(self.hour, hour)
        self._written[hour] = count

    def records(self) -> Iterator[bytes]:
        """What to write down of the hours."""
        for hour, count in self._written.items():
            yield layout.hour_record(hour, count)
        if self.hour not in self._written:
            yield layout.hour_record(self.hour, 0)

    @property
    def now(self) -> bytes:
        """The record of this hour."""
        return layout.hour_record(self.hour, self._written.get(self.hour, 0))

    @property
    def may_write(self) -> int:
        """Bytes that may still be written today."""
        if not self.max_written:
            return layout.MAX_FILE
        return max(0, self.max_written - sum(self._written.values()))


def free(directory: str) -> int:
    """Bytes that may be taken of the file system of `directory`. Raises OSError."""
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize - found.f_blocks * found.f_frsize // LEFT_FREE


def is_raw_flash(directory: str, mounts: str = "/proc/self/mountinfo") -> bool:
    """Whether `directory` is on flash that wears out by what is written, also below an overlay."""
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read(_MOST_MOUNTS).splitlines()
    except OSError:
        return False
    table = [line.split() for line in lines]
    path = os.path.realpath(directory)
    for _ in range(4):  # an overlay may lie on another
        kind, options = _mount_of(path, table)
        upper = [one[9:] for one in options.split(",") if one.startswith("upperdir=")]
        if kind != "overlay" or not upper:
            return kind in RAW_FLASH
        path = upper[0]
    return False


def _mount_of(path: str, table: list[list[str]]) -> tuple[str, str]:
    """Type and options of the file system that `path` is on; the last of the deepest mounts."""
    best, found = -1, ("", "")
    for words in table:
        if len(words) < 10 or "-" not in words[6:-3]:
            continue
        point = words[4].encode().decode("unicode_escape") if "\\" in words[4] else words[4]
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= best:
            at = words.index("-", 6)
            best, found = len(point), (words[at + 1], words[-1])
    return found

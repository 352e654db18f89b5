"""The ledger: the contribution of this node by day, with an estimate of its worth.

Days are UTC's. The account of today is a small file, written once an hour and on stop; that of all
days before a larger one, written when a day ends. Both are replaced whole, so that a power cut
costs an hour at most; a few kilobytes a day are all the flash sees.

A clock is not trusted. While the time is not known, or lies behind the newest day, what is given
is kept without a date until the clock is right. If it stays behind for an hour, it was ahead
before: the days that are yet to come are added to today.
"""

from __future__ import annotations

import os
import time

from edge import log
from edge import zone as zones
from edge.atomic import write_atomic
from edge.tiers.modes import MODES, VDA_PER_HOUR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MAX_DAYS = 190  # half a year; their file is written once a day
INTERVAL = 3600.0  # seconds between two writes
FILES = TODAY, DAYS = "ledger.today", "ledger.days"
_COUNTS = ("bytes_relayed", "circuits", "fragments_served", "blocks_computed")
_SECONDS = tuple(f"{mode}_seconds" for mode in MODES)
_CACHE = ("cache_bytes_served", "wan_bytes_saved")  # last: older files end before them
FIELDS = (*_COUNTS, "reservation_seconds", *_SECONDS, *_CACHE)
COLUMNS = ("day", *FIELDS, "vda_estimate_low", "vda_estimate_high")  # of an export
UNDATED = "undated"
_BEHIND = 3600.0  # seconds after which a clock that lies behind the newest day is believed
_MAX_FILE = 1 << 18
_MAX_DIGITS = 18  # of a number in a file


class Counts:
    """Counters since the start; `reservations` is the number held now.

    `blocks_computed` stays 0: the room that does so does not exist yet.
    """

    __slots__ = (*_COUNTS, *_CACHE, "reservations")

    def __init__(self) -> None:
        self.bytes_relayed = 0
        self.circuits = 0
        self.fragments_served = 0
        self.blocks_computed = 0
        self.cache_bytes_served = 0
        self.wan_bytes_saved = 0
        self.reservations = 0

    def add(self, name: str, count: int) -> None:
        """`count` more of `name`; a name without a column in the ledger is not entered."""
        if name in self.__slots__:
            setattr(self, name, getattr(self, name) + count)


class Day:
    """One day's account. `values`: by FIELDS."""

    __slots__ = ("values",)

    def __init__(self) -> None:
        self.values: dict[str, float] = dict.fromkeys(FIELDS, 0)

    def add(self, other: Day) -> None:
        for name in FIELDS:
            self.values[name] += other.values[name]

    def row(self) -> list[int]:
        """The numbers in the order of FIELDS."""
        return [round(self.values[name]) for name in FIELDS]

    @classmethod
    def of(cls, words: list[str]) -> Day:
        """Parse a row from a file. Raises ValueError if it is not one."""
        if len(words) == len(FIELDS) - len(_CACHE):
            words = [*words, *["0"] * len(_CACHE)]
        if len(words) != len(FIELDS) or max(map(len, words)) > _MAX_DIGITS:
            raise ValueError("not a day")
        day = cls()
        for name, word in zip(FIELDS, words, strict=True):
            if not word.isdecimal():
                raise ValueError("not a count")
            day.values[name] = int(word)
        return day

    @property
    def estimate(self) -> tuple[float, float]:
        """The least and the most VDA for the hours in each mode."""
        low = high = 0.0
        for mode, (least, most) in VDA_PER_HOUR.items():
            hours = self.values[f"{mode}_seconds"] / 3600
            low += hours * least
            high += hours * most
        return round(low, 2), round(high, 2)


class Ledger:
    """The account kept in `directory`."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._days: dict[int, Day] = {}  # by days from 1970
        self._undated = Day()
        self._before: Counts | None = None
        self._behind = 0.0  # seconds that the clock has lain behind
        self._unsaved = 0.0
        self._today = -1  # the day of the last entry, -1 for none
        self._load()

    def add(self, mode: str, seconds: float, counts: Counts, utc: float | None) -> None:
        """`seconds` have passed in `mode`, and `counts` stands where it does, at `utc`."""
        entry = Day()
        entry.values[f"{mode}_seconds"] = seconds
        entry.values["reservation_seconds"] = counts.reservations * seconds
        if self._before is not None:
            for name in (*_COUNTS, *_CACHE):
                entry.values[name] = getattr(counts, name) - getattr(self._before, name)
        self._before = counts
        self._undated.add(entry)
        today = self._date(utc, seconds)
        if today is not None:
            self._enter(today)
        self._unsaved += seconds
        if self._unsaved >= INTERVAL:
            self.save()

    def save(self) -> None:
        """Write today's account. A disk that does not take it is logged."""
        self._unsaved = 0.0
        today = self._days.get(self._today)
        rows = {UNDATED: self._undated.row()}
        if today is not None:
            rows[_name(self._today)] = today.row()
        self._write(TODAY, rows)

    def days(self) -> Iterator[tuple[str, Day]]:
        """Every day, oldest first, as ISO 8601 has it; what has no date last, as "undated"."""
        for date in sorted(self._days):
            yield _name(date), self._days[date]
        if any(self._undated.row()):
            yield UNDATED, self._undated

    def _date(self, utc: float | None, seconds: float) -> int | None:
        """Today, None while the clock cannot be right."""
        if utc is None:
            return None
        today = int(utc // 86400)
        if today >= max(self._days, default=today):
            self._behind = 0.0
            return today
        self._behind += seconds
        if self._behind < _BEHIND:
            return None
        for date in [date for date in self._days if date > today]:
            self._undated.add(self._days.pop(date))
        return today

    def _enter(self, today: int) -> None:
        """Enter undated work under `today`; a new day closes the one before."""
        self._days.setdefault(today, Day()).add(self._undated)
        self._undated = Day()
        if today == self._today:
            return
        for date in sorted(self._days)[:-MAX_DAYS]:
            del self._days[date]
        first, self._today = self._today < 0, today
        if not first:
            self._write(DAYS, {_name(d): day.row() for d, day in self._days.items() if d != today})
            self.save()

    def _write(self, name: str, rows: Mapping[str, list[int]]) -> None:
        lines = [" ".join([date, *map(str, row)]) + "\n" for date, row in rows.items()]
        data = "".join(lines).encode("ascii")
        try:
            write_atomic(os.path.join(self._directory, name), data)
        except OSError as error:
            log.warning("ledger-not-saved", error=error.strerror)

    def _load(self) -> None:
        for file in (DAYS, TODAY):  # the second is the newer where both have a day
            for line in self._lines(file):
                try:
                    name, *words = line.split(" ", len(FIELDS))
                    day = Day.of(words)
                    if name == UNDATED:
                        self._undated = day
                    else:
                        self._days[_number(name)] = day
                except ValueError:
                    log.warning("ledger-line-ignored", file=file, line=line[:40])
        for date in sorted(self._days)[:-MAX_DAYS]:
            del self._days[date]
        self._today = max(self._days, default=-1)

    def _lines(self, name: str) -> list[str]:
        try:
            with open(os.path.join(self._directory, name), "rb") as file:
                return file.read(_MAX_FILE).decode("ascii", "replace").splitlines()
        except OSError:
            return []


def report(ledger: Ledger) -> list[dict[str, object]]:
    """An object for each day; the estimate is called one."""
    return [
        {
            "day": date,
            **dict(zip(FIELDS, day.row(), strict=True)),
            "vda_estimate_low": day.estimate[0],
            "vda_estimate_high": day.estimate[1],
        }
        for date, day in ledger.days()
    ]


def as_csv(days: Sequence[Mapping[str, object]]) -> list[str]:
    """Lines with a head, for a spreadsheet (RFC 4180; no value needs quotes)."""
    lines = [",".join(COLUMNS)]
    return lines + [",".join([str(day.get(name, "")) for name in COLUMNS]) for day in days]


def as_table(days: Sequence[Mapping[str, object]]) -> list[str]:
    """Lines for people: the last month."""
    head = ("DAY", "RELAYED MB", "CIRCUITS", "RESERVED HOURS", "HOURS", "VDA, ESTIMATED")
    rows = [head, *[_row(day) for day in days[-31:]]]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return ["  ".join([c.rjust(w) for c, w in zip(row, widths, strict=True)]) for row in rows]


def _row(day: Mapping[str, object]) -> tuple[str, ...]:
    def number(name: str) -> float:
        value = day.get(name, 0)
        return value if isinstance(value, int | float) else 0.0

    hours = sum(number(f"{mode}_seconds") for mode in VDA_PER_HOUR) / 3600
    low, high = number("vda_estimate_low"), number("vda_estimate_high")
    return (
        str(day.get("day", ""))[:10],
        f"{number('bytes_relayed') / 1e6:.1f}",
        f"{number('circuits'):.0f}",
        f"{number('reservation_seconds') / 3600:.1f}",
        f"{hours:.1f}",
        f"{low:.0f} to {high:.0f}",
    )


def _name(date: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(date * 86400))


def _number(date: str) -> int:
    """Raises ValueError."""
    words = date.split("-")
    if [len(word) for word in words] != [4, 2, 2] or not "".join(words).isdecimal():
        raise ValueError("not a date")
    number = zones.days(*map(int, words))
    if _name(number) != date:
        raise ValueError("not a date")
    return number

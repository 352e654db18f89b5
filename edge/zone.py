"""Civil time by POSIX TZ strings, because routers have no time zone database.

A TZ string such as `CET-1CEST,M3.5.0,M10.5.0/3` contains offset and rules. OpenWrt stores it in
/etc/TZ; elsewhere it is the last line of the file to which /etc/localtime points. Offsets here are
seconds east of UTC; in the string the sign is the opposite.

Source: POSIX.1-2024 base definitions 8.3 (TZ); RFC 9636 section 3.3.1 (the last line) and 3.3.2
"""

import os
import time

MAX_TEXT = 128  # characters of a TZ string
MAX_FILE = 65536  # bytes read of a time zone file; the largest has 4 KiB
_DAY, _HOUR = 86400, 3600
_DEFAULT_RULES = ",M3.2.0,M11.1.0"  # for a string with a summer time and no dates
_FILES = ("/etc/TZ", "/etc/localtime")
_DIGITS = "0123456789"


class ZoneError(ValueError):
    """The text is not a POSIX TZ string; the message names the mistake."""


class Transition:
    """The yearly moment of a change. `kind`: "J", "" (day numbers) or "M" (`week`, `weekday`).

    `seconds`: local time since that day's midnight, from -167 to 167 hours.
    """

    __slots__ = ("day", "kind", "seconds", "week", "weekday")

    def __init__(self, kind: str, day: int, week: int, weekday: int, seconds: int) -> None:
        self.kind = kind
        self.day = day  # day of the year; with "M" the month
        self.week = week
        self.weekday = weekday
        self.seconds = seconds

    def at(self, year: int) -> int:
        """The moment in `year`, in seconds since 1970 in local time."""
        return self._days(year) * _DAY + self.seconds

    def _days(self, year: int) -> int:
        if self.kind == "J":  # 1 to 365, 29 February is not counted
            return days(year, 1, 1) + self.day - 1 + (self.day > 59 and _leap(year))
        if not self.kind:  # 0 to 365, 29 February is
            return days(year, 1, 1) + self.day
        first = days(year, self.day, 1)
        found = first + (self.weekday - _weekday(first)) % 7 + 7 * (self.week - 1)
        following = days(year + self.day // 12, self.day % 12 + 1, 1)
        return found if found < following else found - 7  # week 5 is the last


class Zone:
    """A time zone. `offset`: of standard time; `summer`: of summer time, None if there is none."""

    __slots__ = ("_end", "_start", "offset", "summer", "text")

    def __init__(
        self,
        text: str,
        offset: int,
        summer: int | None = None,
        start: Transition | None = None,
        end: Transition | None = None,
    ) -> None:
        self.text = text
        self.offset = offset
        self.summer = summer
        self._start = start
        self._end = end

    @classmethod
    def from_string(cls, text: str) -> "Zone":
        """Parse `text`, at most MAX_TEXT characters. Raises ZoneError."""
        if not text or len(text) > MAX_TEXT or not text.isascii():
            raise ZoneError(f"expected 4 to {MAX_TEXT} ASCII characters")
        return _Parser(text).zone()

    def offset_at(self, utc: float) -> int:
        """Seconds east of UTC at `utc`, given in seconds since 1970."""
        start, end, summer = self._start, self._end, self.summer
        if start is None or end is None or summer is None:
            return self.offset
        year = time.gmtime(utc + self.offset).tm_year
        changes = []
        for each in (year - 1, year, year + 1):
            changes.append((end.at(each) - summer, 0))
            changes.append((start.at(each) - self.offset, 1))  # at the same moment, summer wins
        return summer if max(change for change in changes if change[0] <= utc)[1] else self.offset

    def local(self, utc: float) -> tuple[int, int]:
        """The local weekday (0 is Monday) and minute of the day."""
        moment = time.gmtime(utc + self.offset_at(utc))
        return moment.tm_wday, moment.tm_hour * 60 + moment.tm_min


UTC = Zone("UTC0", 0)


def system_zone(files: tuple[str, ...] = _FILES, environment: str | None = None) -> Zone:
    """The system's time zone, by $TZ, /etc/TZ or /etc/localtime; UTC if none is readable."""
    texts = [os.environ.get("TZ", "") if environment is None else environment]
    for text in [*texts, *map(_last_line, files)]:
        try:
            return Zone.from_string(text)
        except ZoneError:
            continue  # empty, or a name such as ":Europe/Berlin", which needs the database
    return UTC


def _last_line(path: str) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_FILE)
    except OSError:
        return ""
    return data.rstrip(b"\n").rpartition(b"\n")[2].decode("ascii", "replace")


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 in the Gregorian calendar."""
    year -= month <= 2
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1  # the year from March
    return year * 365 + year // 4 - year // 100 + year // 400 + of_year - 719468


def _weekday(days: int) -> int:
    """The weekday; 0 is Sunday, as in TZ strings."""
    return (days + 4) % 7


class _Parser:
    """Parses a TZ string from left to right."""

    __slots__ = ("_at", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def zone(self) -> Zone:
        text = self._text
        self._name()
        offset = -self._time(24)
        if self._at == len(text):
            return Zone(text, offset)
        self._name()
        summer = offset + _HOUR
        if self._peek() not in ("", ","):
            summer = -self._time(24)
        if self._at == len(text):
            self._text += _DEFAULT_RULES
        start = self._rule()
        end = self._rule()
        if self._at != len(self._text):
            raise ZoneError(f"unexpected text at character {self._at + 1}")
        return Zone(text, offset, summer, start, end)

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self, char: str) -> bool:
        found = self._peek() == char
        self._at += found
        return found

    def _expect(self, char: str) -> None:
        if not self._take(char):
            raise ZoneError(f'expected "{char}" at character {self._at + 1}')

    def _name(self) -> None:
        quoted = self._take("<")
        start = self._at
        while self._peek().isalpha() or (quoted and self._peek() in (*_DIGITS, "+", "-")):
            self._at += 1
        if self._at - start < 3:
            raise ZoneError(f"expected a name of 3 letters or more at character {start + 1}")
        if quoted:
            self._expect(">")

    def _number(self, low: int, high: int) -> int:
        start = self._at
        while self._peek() and self._peek() in _DIGITS and self._at - start < 3:
            self._at += 1
        digits = self._text[start : self._at]
        if not digits or not low <= int(digits) <= high:
            raise ZoneError(f"expected a number from {low} to {high} at character {start + 1}")
        return int(digits)

    def _time(self, most: int) -> int:
        """Parse [+-]h[h][:mm[:ss]] into seconds."""
        sign = -1 if self._take("-") else 1
        if sign == 1:
            self._take("+")
        seconds = self._number(0, most) * _HOUR
        if self._take(":"):
            seconds += self._number(0, 59) * 60
            if self._take(":"):
                seconds += self._number(0, 59)
        return sign * seconds

    def _rule(self) -> Transition:
        self._expect(",")
        kind, week, weekday = "", 0, 0
        if self._take("J"):
            kind, day = "J", self._number(1, 365)
        elif self._take("M"):
            kind, day = "M", self._number(1, 12)
            self._expect(".")
            week = self._number(1, 5)
            self._expect(".")
            weekday = self._number(0, 6)
        else:
            day = self._number(0, 365)
        seconds = self._time(167) if self._take("/") else 2 * _HOUR
        return Transition(kind, day, week, weekday, seconds)

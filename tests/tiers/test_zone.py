"""POSIX TZ strings against the time zone database, and against rules written for the purpose."""

import contextlib
import datetime
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import zone as zones
from edge.zone import Zone, ZoneError, system_zone

DAY = 86400
YEARS = (2026, 2060)  # in which the database has the strings' rules and nothing else
FIRST, LAST = (int(datetime.datetime(y, 1, 1, tzinfo=datetime.UTC).timestamp()) for y in YEARS)
# North and south, half hours, summer time of half an hour, of winter, before midnight, none.
ZONES = {
    "Europe/Berlin": "CET-1CEST,M3.5.0,M10.5.0/3",
    "America/New_York": "EST5EDT,M3.2.0,M11.1.0",
    "Australia/Sydney": "AEST-10AEDT,M10.1.0,M4.1.0/3",
    "Australia/Lord_Howe": "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
    "America/Santiago": "<-04>4<-03>,M9.1.6/24,M4.1.6/24",
    "Europe/Dublin": "IST-1GMT0,M10.5.0,M3.5.0/1",
    "Asia/Kolkata": "IST-5:30",
    "Pacific/Chatham": "<+1245>-12:45<+1345>,M9.5.0/2:45,M4.1.0/3:45",
    "America/Nuuk": "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
    "Asia/Jerusalem": "IST-2IDT,M3.4.4/26,M10.5.0",
    "Pacific/Kiritimati": "<+14>-14",
    "America/St_Johns": "NST3:30NDT,M3.2.0,M11.1.0",
}


def expected(name: str, utc: int) -> int:
    offset = datetime.datetime.fromtimestamp(utc, ZoneInfo(name)).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


@contextlib.contextmanager
def libc(text: str) -> Iterator[Callable[[int], int]]:
    """How the C library reads a TZ string. (Python's takes day numbers without J a day early.)"""
    before = os.environ.get("TZ")
    os.environ["TZ"] = text
    time.tzset()
    try:
        yield lambda utc: time.localtime(utc).tm_gmtoff
    finally:
        del os.environ["TZ"]
        if before is not None:
            os.environ["TZ"] = before
        time.tzset()


@given(st.sampled_from(sorted(ZONES)), st.integers(FIRST, LAST))
def test_offsets_are_those_of_the_database(name: str, utc: int) -> None:
    assert Zone.from_string(ZONES[name]).offset_at(utc) == expected(name, utc)


@pytest.mark.parametrize("name", sorted(ZONES))
def test_to_the_second_on_both_sides_of_every_change(name: str) -> None:
    zone = Zone.from_string(ZONES[name])
    for start in range(FIRST, LAST, DAY):
        low, high = start, start + DAY
        if expected(name, low) == expected(name, high):
            continue
        while high - low > 1:  # where in this day the database changes
            middle = (low + high) // 2
            moved = expected(name, middle) != expected(name, low)
            low, high = (low, middle) if moved else (middle, high)
        for utc in (low - 1, low, high, high + 1):
            assert zone.offset_at(utc) == expected(name, utc), utc


rules = st.one_of(
    st.builds("J{}".format, st.integers(1, 365)),
    st.builds("{}".format, st.integers(0, 365)),
    st.builds("M{}.{}.{}".format, st.integers(1, 12), st.integers(1, 5), st.integers(0, 6)),
)
times = st.builds("{}:{:02}".format, st.integers(0, 24), st.integers(0, 59))


def rules_of(text: str) -> list[zones.Transition]:
    zone = Zone.from_string(text)
    assert zone._start is not None and zone._end is not None
    return [zone._start, zone._end]


@given(
    st.integers(-14, 12),
    st.lists(st.tuples(rules, times), min_size=2, max_size=2),
    st.integers(FIRST, LAST),
)
def test_any_string_is_understood_as_the_c_library_does(hours, changes, utc) -> None:
    """The library takes the year of a change from UTC, so look away from its ends."""
    at = datetime.datetime.fromtimestamp(utc, datetime.UTC)
    if (at.month, at.day) in {(1, d) for d in range(1, 4)} | {(12, d) for d in range(28, 32)}:
        return
    (one, early), (two, late) = changes
    text = f"AAA{hours}BBB,{one}/{early},{two}/{late}"
    for year in (at.year - 1, at.year, at.year + 1):
        changed = sorted(zones.Transition.at(rule, year) for rule in rules_of(text))
        if not 14 * DAY < changed[1] - changed[0] < 350 * DAY:
            return  # changes that meet or pass each other: each reads those in its own way
    with libc(text) as theirs:
        assert Zone.from_string(text).offset_at(utc) == theirs(utc)


def test_summer_time_all_year() -> None:
    zone = Zone.from_string("EST5EDT,0/0,J365/25")
    for month in range(1, 13):
        for day in (1, 15, 28):
            moment = datetime.datetime(2027, month, day, 4, 30, tzinfo=datetime.UTC)
            assert zone.offset_at(moment.timestamp()) == -4 * 3600


def test_without_dates_it_is_north_america() -> None:
    july = datetime.datetime(2026, 7, 1, tzinfo=datetime.UTC).timestamp()
    assert Zone.from_string("EST5EDT").offset_at(july) == -4 * 3600


def test_local_weekday_and_minute() -> None:
    zone = Zone.from_string(ZONES["Europe/Berlin"])
    moment = datetime.datetime(2026, 10, 24, 22, 30, tzinfo=datetime.UTC).timestamp()
    assert zone.local(moment) == (6, 30)  # Sunday 00:30
    assert zone.local(moment + 2 * 3600) == (6, 150)  # 02:30, and an hour later once more
    assert zone.local(moment + 3 * 3600) == (6, 150)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "CET",
        "CE-1",
        ":Europe/Berlin",
        "Europe/Berlin",
        "CET-25",
        "CET-1CEST,M3.5.0",
        "CET-1CEST,M13.5.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0",
        "CET-1CEST,M3.5.7,M10.5.0",
        "CET-1CEST,J0,J365",
        "CET-1CEST,M3.5.0/168,M10.5.0",
        "CET-1CEST,M3.5.0,M10.5.0,",
        "<CET-1",
        "CET-1:60",
        "CET-1" + "x" * 200,
        "CET\u0661",
    ],
)
def test_what_is_no_time_zone(text: str) -> None:
    with pytest.raises(ZoneError):
        Zone.from_string(text)


@given(st.text(max_size=200))
def test_any_text_is_a_zone_or_refused(text: str) -> None:
    try:
        zone = Zone.from_string(text)
    except ZoneError:
        return
    assert abs(zone.offset_at(FIRST)) <= 25 * 3600


def test_the_machines_own_zone(tmp_path: Path) -> None:
    import tzdata

    source = Path(tzdata.__file__).parent / "zoneinfo" / "Europe" / "Berlin"
    posix = tmp_path / "TZ"
    posix.write_text("IST-2IDT,M3.4.4/26,M10.5.0\n")
    broken = tmp_path / "broken"
    broken.write_bytes(b"\xff" * 100)
    here = str(posix), str(source)
    assert system_zone(here, "").text == "IST-2IDT,M3.4.4/26,M10.5.0"
    assert system_zone(here, "UTC0").text == "UTC0"
    assert system_zone(here, ":Asia/Tokyo").text == "IST-2IDT,M3.4.4/26,M10.5.0"
    assert system_zone((str(tmp_path / "none"), str(source)), "").text == ZONES["Europe/Berlin"]
    assert system_zone((str(tmp_path / "none"), str(broken)), "") is zones.UTC

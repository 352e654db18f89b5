"""The account: what it counts, what a clock cannot do to it, what a disk gets to write."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.atomic import flash
from edge.tiers import ledger
from edge.tiers.ledger import DAYS, FIELDS, TODAY, Counts, Ledger
from edge.tiers.modes import FULL, MODES, PAUSED, RELAY

NOON = 1798372800  # 2026-12-27 12:00 UTC
DAY, HOUR = 86400, 3600


def counts(relayed: int = 0, circuits: int = 0, reservations: int = 0) -> Counts:
    made = Counts()
    made.bytes_relayed, made.circuits, made.reservations = relayed, circuits, reservations
    return made


def total(account: Ledger, field: str) -> float:
    return sum(day.values[field] for _, day in account.days())


def hours(account: Ledger, mode: str = RELAY) -> dict[str, float]:
    return {date: day.values[f"{mode}_seconds"] / HOUR for date, day in account.days()}


def test_a_day(tmp_path: Path) -> None:
    account = Ledger(str(tmp_path))
    account.add(RELAY, HOUR, counts(100, 1, 3), NOON)  # what was before the start is not given
    account.add(RELAY, HOUR, counts(1100, 4, 5), NOON + HOUR)
    account.add(PAUSED, HOUR, counts(1100, 4, 5), NOON + 2 * HOUR)
    (day,) = ledger.report(account)
    assert day == {
        "day": "2026-12-27",
        "bytes_relayed": 1000,
        "circuits": 3,
        "fragments_served": 0,
        "blocks_computed": 0,
        "reservation_seconds": 13 * HOUR,
        "full_seconds": 0,
        "light_seconds": 0,
        "relay_seconds": 2 * HOUR,
        "paused_seconds": HOUR,
        "cache_bytes_served": 0,
        "wan_bytes_saved": 0,
        "vda_estimate_low": 10.0,
        "vda_estimate_high": 20.0,
    }


def test_the_rates_are_the_networks() -> None:
    day = ledger.Day()
    day.values |= {"full_seconds": HOUR, "light_seconds": HOUR, "paused_seconds": HOUR}
    assert day.estimate == (120, 140)


def test_days_of_a_version_without_a_cache_are_read(tmp_path: Path) -> None:
    (tmp_path / "ledger.days").write_text("2026-12-26 1000 3 0 0 46800 0 0 7200 3600\n")
    account = Ledger(str(tmp_path))
    given = counts()
    account.add(RELAY, HOUR, given, NOON)
    given = counts()
    given.cache_bytes_served, given.wan_bytes_saved = 500, 400
    account.add(RELAY, HOUR, given, NOON)
    account.save()
    old, new = ledger.report(Ledger(str(tmp_path)))
    assert (old["bytes_relayed"], old["paused_seconds"], old["wan_bytes_saved"]) == (1000, HOUR, 0)
    assert (new["cache_bytes_served"], new["wan_bytes_saved"]) == (500, 400)


def test_days_outlive_the_process(tmp_path: Path) -> None:
    account = Ledger(str(tmp_path))
    account.add(RELAY, HOUR, counts(), NOON)
    account.add(RELAY, HOUR, counts(500), NOON + DAY)
    account.save()
    again = Ledger(str(tmp_path))
    assert ledger.report(again) == ledger.report(account)
    again.add(RELAY, HOUR, counts(), NOON + DAY + HOUR)
    assert hours(again) == {"2026-12-27": 1, "2026-12-28": 2}


def test_a_clock_that_is_not_set_gives_its_hours_to_the_first_day_it_knows(tmp_path: Path) -> None:
    account = Ledger(str(tmp_path))
    account.add(RELAY, HOUR, counts(), None)
    account.add(RELAY, HOUR, counts(700), None)
    assert hours(account) == {"undated": 2}
    account.save()
    account = Ledger(str(tmp_path))  # switched off and on
    account.add(RELAY, HOUR, counts(), None)
    account.add(RELAY, HOUR, counts(), NOON)
    assert hours(account) == {"2026-12-27": 4}
    assert total(account, "bytes_relayed") == 700


def test_a_clock_behind_the_newest_day_is_not_believed_at_once(tmp_path: Path) -> None:
    """OpenWrt starts with the time of its newest file: yesterday, until NTP has answered."""
    account = Ledger(str(tmp_path))
    account.add(RELAY, 5 * HOUR, counts(), NOON)
    account.add(RELAY, 60, counts(), NOON - DAY)
    account.add(RELAY, 60, counts(), NOON + 120)
    assert hours(account) == {"2026-12-27": 5 + 120 / HOUR}


def test_a_clock_that_was_decades_ahead_leaves_no_days_to_come(tmp_path: Path) -> None:
    account = Ledger(str(tmp_path))
    account.add(RELAY, HOUR, counts(), NOON)
    account.add(RELAY, HOUR, counts(), NOON + 10_000 * DAY)
    for minute in range(61):
        account.add(RELAY, 60, counts(), NOON + DAY + 60 * minute)
    expected = {"2026-12-27": 1, "2026-12-28": pytest.approx(1 + 61 / 60)}
    assert hours(account) == expected
    account.save()
    assert hours(Ledger(str(tmp_path))) == expected


def test_no_more_days_than_there_is_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "MAX_DAYS", 10)
    account = Ledger(str(tmp_path))
    for day in range(15):
        account.add(RELAY, HOUR, counts(), NOON + day * DAY)
    assert len(list(account.days())) == 10
    account.save()
    assert next(iter(hours(Ledger(str(tmp_path))))) == "2027-01-01"


def test_a_full_ledger_writes_little_in_a_day(tmp_path: Path) -> None:
    rows = [
        f"{ledger._name(NOON // DAY + day)} {10**12} 10000 0 0 {100 * DAY} 0 0 {DAY} 0\n"
        for day in range(ledger.MAX_DAYS)
    ]
    (tmp_path / DAYS).write_text("".join(rows))
    account = Ledger(str(tmp_path))
    account.add(RELAY, 60, counts(), NOON + (ledger.MAX_DAYS - 1) * DAY)
    before = flash.written
    for minute in range(DAY // 60):
        now = NOON - DAY // 2 + ledger.MAX_DAYS * DAY + minute * 60
        account.add(RELAY, 60, counts(minute << 30, minute, 100), now)
    assert len(list(account.days())) == ledger.MAX_DAYS
    assert 24 * 50 < flash.written - before < 14 << 10


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\xff\x00garbage\n[]\n \n\n5\n",
        b"2026-12-27\n2026-13-45 1 1 1 1 1 1 1 1 1\n2026-12-26 -1 0 0 0 0 0 0 0 0\n",
        b"2026-12-27 1e99 0 0 0 0 0 0 0 0\n2026-12-27  1 0 0 0 0 0 0 0 0\n",
        b"2026-12-27 " + b"9" * 5000 + b" 0 0 0 0 0 0 0 0\n",
        b"2026-12-27" + b" " * 100_000,
        b"2026-12-2",
    ],
)
def test_a_damaged_file_costs_its_lines(damage: bytes, tmp_path: Path) -> None:
    account = Ledger(str(tmp_path))
    account.add(RELAY, HOUR, counts(), NOON - DAY)
    account.add(RELAY, HOUR, counts(), NOON)
    account.save()
    (tmp_path / DAYS).open("ab").write(damage)
    assert hours(Ledger(str(tmp_path))) == {"2026-12-26": 1, "2026-12-27": 1}
    (tmp_path / TODAY).write_bytes(damage)
    assert hours(Ledger(str(tmp_path))) == {"2026-12-26": 1}


def test_a_disk_that_takes_nothing_costs_memories_and_nothing_else(tmp_path: Path) -> None:
    account = Ledger(str(tmp_path / "gone"))
    account.add(RELAY, 2 * HOUR, counts(), NOON)
    account.add(RELAY, HOUR, counts(), NOON + DAY)
    assert hours(account) == {"2026-12-27": 2, "2026-12-28": 1}


steps = st.tuples(
    st.sampled_from(MODES),
    st.integers(0, 3 * HOUR),
    st.integers(0, 1 << 40),
    st.one_of(st.none(), st.integers(0, 1 << 33), st.integers(NOON - 3 * DAY, NOON + 3 * DAY)),
    st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, max_size=30))
def test_whatever_the_clock_does_nothing_is_lost_or_made_up(tmp_path_factory, history) -> None:
    directory = str(tmp_path_factory.mktemp("ledger"))
    account = Ledger(directory)
    relayed = since_start = seconds = 0
    for mode, passed, more, utc, restart in history:
        if restart:
            account.save()
            account = Ledger(directory)
            since_start = 0
            account.add(mode, 0, counts(0), utc)
        elif not seconds and not since_start:
            account.add(mode, 0, counts(0), utc)
        since_start += more
        relayed += more
        seconds += passed
        account.add(mode, passed, counts(since_start), utc)
    assert total(account, "bytes_relayed") <= relayed
    assert sum(total(account, f"{mode}_seconds") for mode in MODES) == seconds
    assert len(list(account.days())) <= ledger.MAX_DAYS + 1


def test_exports_agree(tmp_path: Path) -> None:
    account = Ledger(str(tmp_path))
    account.add(FULL, HOUR, counts(), NOON)
    account.add(RELAY, HOUR, counts(5 << 20), NOON + DAY)
    account.save()
    command = [sys.executable, "-m", "edge", "ledger", "--data-dir", str(tmp_path)]
    environment = {**os.environ, "KWAAINET_CONFIG": "/dev/null"}

    def run(*more: str) -> str:
        done = subprocess.run(
            [*command, *more], capture_output=True, text=True, check=True, env=environment
        )
        return done.stdout

    days = json.loads(run("--json"))
    assert [day["day"] for day in days] == ["2026-12-27", "2026-12-28"]
    assert set(days[0]) == {"day", *FIELDS, "vda_estimate_low", "vda_estimate_high"}
    rows = list(csv.DictReader(run("--csv").splitlines()))
    assert rows == [{name: str(value) for name, value in day.items()} for day in days]
    table = run().splitlines()
    assert table[0].endswith("HOURS  VDA, ESTIMATED")
    assert table[2].split() == ["2026-12-28", "5.2", "0", "0.0", "1.0", "5", "to", "10"]

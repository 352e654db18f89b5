"""What time it is on a machine that has just booted in 1970."""

import os
import sys
import time
from pathlib import Path

import pytest

from edge import clock

YEAR = 365 * 86400


def test_this_program_was_made_before_now_and_after_it_was_begun() -> None:
    assert 1_764_000_000 <= clock.build_time() <= time.time()


@pytest.mark.parametrize("lost", ["/nosuch", ""])
def test_a_binary_without_files_around_it(lost: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", lost)
    monkeypatch.setattr(clock, "__file__", lost)
    assert clock.build_time() == 1_764_000_000


def test_a_clock_is_believed_from_then_on_whatever_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    made = clock.build_time()
    for now, believed in ((0.0, None), (made - 1, None), (made, made), (made + 50 * YEAR,) * 2):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        assert clock.now_if_plausible(made) == believed


def test_numbers_grow_whatever_the_clock_does(monkeypatch: pytest.MonkeyPatch) -> None:
    given = [0]
    for now in (1000.0, 1000.0, 50 * YEAR, 0.0, 2000.0, 60 * YEAR):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        given.append(clock.later(given[-1], since=0.0))
    ahead = 50 * YEAR * 1000
    assert given[1:] == [10**6, 10**6 + 1, ahead, ahead + 1, ahead + 2, 60 * YEAR * 1000]
    assert clock.later(7, since=61.0 * YEAR) == 61 * YEAR * 1000


def test_files_tell_what_time_it_was(tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in ("old", "new", "nonsense", "none")]
    assert clock.newest(paths) == 0.0
    for path, when in zip(paths, (1000, 2000, 1 << 34), strict=False):
        Path(path).touch()
        os.utime(path, (when, when))
    assert clock.newest(paths) == 2000.0

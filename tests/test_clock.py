"""What time it is on a machine that has just booted in 1970."""

import sys
import time

import pytest

from edge import clock

YEAR = 365 * 86400


def test_this_program_was_made_before_now_and_after_it_was_begun() -> None:
    assert 1_764_000_000 <= clock.made() <= time.time()


@pytest.mark.parametrize("lost", ["/nosuch", ""])
def test_a_binary_without_files_around_it(lost: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", lost)
    monkeypatch.setattr(clock, "__file__", lost)
    assert clock.made() == 1_764_000_000


def test_a_clock_is_believed_from_then_on_whatever_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    made = clock.made()
    for now, believed in ((0.0, None), (made - 1, None), (made, made), (made + 50 * YEAR,) * 2):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        assert clock.believed(made) == believed

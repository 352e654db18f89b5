"""What time it is on a machine that has just booted in 1970."""

import os
import time
from pathlib import Path

import pytest

from edge.clock import Clock, clock_of

MADE = 1_700_000_000.0


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The system's clock and the monotonic one."""
    now = [0.0, 1000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    monkeypatch.setattr(time, "monotonic", lambda: now[1])
    return now


def test_a_clock_that_can_be_right_is_believed(system: list[float]) -> None:
    system[0] = MADE + 5
    clock = Clock(MADE, [MADE + 99])
    assert clock.time() == MADE + 5
    assert not clock.wrong
    system[0] += 50 * 365 * 86400
    assert clock.time() == system[0]


def test_before_the_program_was_made_the_newest_file_is_the_clock(system: list[float]) -> None:
    clock = Clock(MADE, [MADE - 5, MADE + 3600])
    assert clock.wrong
    assert clock.time() == MADE + 3600
    system[1] += 60
    assert clock.time() == MADE + 3660
    system[0] = MADE + 86400  # now the network has set it
    assert clock.time() == MADE + 86400
    assert not clock.wrong
    system[0] = 0.0
    assert clock.time() == MADE + 3660


def test_the_ages_of_the_program_and_of_what_was_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "peers").write_text("")
    later = time.time() + 1000
    os.utime(tmp_path / "peers", (later, later))
    assert not clock_of(str(tmp_path)).wrong
    monkeypatch.setattr(time, "time", lambda: 600.0)
    clock = clock_of(str(tmp_path))
    assert clock.wrong
    assert clock.time() == pytest.approx(later, abs=60)
    assert clock_of(str(tmp_path / "nosuch")).time() > MADE

"""Whole days: what the controller makes of them, and the picture of it in the documents."""

from itertools import pairwise
from pathlib import Path

import pytest

from edge.tiers.controller import Settings, Step
from edge.tiers.modes import FULL, LIGHT, PAUSED, RELAY
from tests.tiers import plot
from tests.tiers.days import DAYS, Day, run

EVENING, HEAT, POWER, MEMORY, AUTUMN = DAYS
PICTURE = Path(__file__).parents[2] / "docs" / "modes.svg"


def steps(day: Day) -> list[tuple[float, Step]]:
    return run(day).steps


def modes(day: Day) -> list[str]:
    return [decision.mode for _, decision in steps(day)]


@pytest.mark.parametrize("day", DAYS, ids=lambda day: day.name)
def test_no_day_has_it_flap(day: Day) -> None:
    """A step up comes when nothing has changed for the stay; every step has its reason."""
    found = steps(day)
    for (hour, before), (later, after) in pairwise(found):
        if not after.within(before):
            assert (later - hour) * 3600 >= Settings().stay - 0.001
        assert after.reason
    assert len(found) < 25


def test_a_familys_evening_has_the_line_to_itself_in_one_piece() -> None:
    (start, _), (back, busy), (again, calm) = steps(EVENING)
    assert 18 < back < 19 < 22 < again < 23
    assert (busy.mode, busy.admits, busy.cause) == (RELAY, False, "wan")
    assert (start, calm.mode) == (0, FULL)


def test_a_hot_box_steps_back_before_it_throttles_and_for_a_backup() -> None:
    assert [decision.cause for _, decision in steps(HEAT)] == [
        *("machine", "cpu", "machine", "heat", "machine"),
    ]


def test_a_battery_is_spared_in_steps_and_trusted_again_in_steps() -> None:
    assert modes(POWER)[-6:] == [LIGHT, RELAY, PAUSED, RELAY, LIGHT, FULL]


def test_a_short_memory_closes_then_pauses_and_a_sudden_one_pauses_at_once() -> None:
    assert modes(MEMORY) == [RELAY, RELAY, PAUSED, RELAY, RELAY, PAUSED, RELAY]
    urgent = [decision.urgent for _, decision in steps(MEMORY)]
    assert urgent == [False, False, True, False, False, True, False]


def test_windows_follow_the_wall_clock_through_the_night_summer_time_ends() -> None:
    """02:30 comes twice, so the window from 22:00 is open again for half an hour."""
    found = [(round(hour, 2), decision.terms) for hour, decision in steps(AUTUMN)]
    night, late, off = (FULL, True, 0), (FULL, True, 4 << 20), (PAUSED, False, 0)
    saturday = [(0, night), (3.5, late), (7, off), (23, night)]
    assert found == [*saturday, (27.5, late), (28, night), (28.5, late), (32, off)]


def test_the_picture_in_the_documents_is_of_this_controller() -> None:
    assert PICTURE.read_text() == plot.main(), "run: python -m tests.tiers.plot > docs/modes.svg"

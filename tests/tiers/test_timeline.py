"""The modes of the last day."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.tiers.modes import LIGHT, MODES, PAUSED, RELAY
from edge.tiers.timeline import DAY, MAX_CHANGES, Timeline


def test_it_begins_with_a_mode() -> None:
    assert Timeline(RELAY, 100.0).day(100.0) == [(0, RELAY)]


def test_it_tells_when_each_began_oldest_first() -> None:
    modes = Timeline(RELAY, 100.0)
    modes.enter(PAUSED, 200.0)
    modes.enter(PAUSED, 300.0)
    modes.enter(LIGHT, 400.0)
    assert modes.day(500.0) == [(400, RELAY), (300, PAUSED), (100, LIGHT)]


def test_what_a_day_began_with_is_kept_and_what_ended_before_is_not() -> None:
    modes = Timeline(LIGHT, 0.0)
    modes.enter(RELAY, 10.0)
    modes.enter(PAUSED, 20.0)
    assert modes.day(DAY + 15.0) == [(DAY, RELAY), (DAY - 5, PAUSED)]
    assert modes.day(9.0 * DAY) == [(DAY, PAUSED)]


@given(st.lists(st.tuples(st.floats(0, 2 * DAY), st.sampled_from(MODES))))
def test_it_is_bounded_and_in_order(changes: list[tuple[float, str]]) -> None:
    now, modes = 0.0, Timeline(RELAY, 0.0)
    for passed, mode in changes:
        now += passed
        modes.enter(mode, now)
        day = modes.day(now)
        ages = [age for age, _ in day]
        assert ages == sorted(ages, reverse=True)
        assert day[-1][1] == mode
        assert ages[-1] >= 0 and ages[0] <= DAY and len(day) <= MAX_CHANGES

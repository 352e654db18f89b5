"""The mode controller: its rules one by one, and what holds whatever happens."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.tiers.controller import Controller, Hold, Readings, Settings, Step, thresholds
from edge.tiers.modes import FULL, LIGHT, MODES, PAUSED, RELAY, lower
from edge.tiers.power import AGGRESSIVE, BALANCED, CONSERVATIVE, SUSPENDED, Power
from edge.tiers.schedule import Timetable, Window
from edge.zone import UTC

BEST = Hold("machine", "a machine for everything", FULL)
STAY, CALM = Settings().stay, Settings().calm
REDUCED = Settings().reduced_rate
SATURDAY = 1801267200  # 2027-01-30 00:00 UTC


class Clock:
    """Steps a controller through time."""

    def __init__(self, best: Hold = BEST) -> None:
        self.now = 0.0
        self.allowed = [best]
        self.controller = Controller(Settings(), self.allowed, 0.0)

    def after(self, seconds: float, **values: float) -> Step:
        """`values` are measured all along; the decision at the end."""
        readings = Readings()
        for name, value in values.items():
            setattr(readings, name, value)
        end = self.now + seconds
        while self.now < end:
            self.now = min(self.now + 1.0, end)
            decision = self.controller.decide(readings, self.allowed, self.now)
        return decision


def test_a_calm_machine_does_what_it_is_good_for() -> None:
    decision = Clock(Hold("machine", "a router", RELAY)).after(1)
    assert decision.terms == (RELAY, True, 0)
    assert (decision.cause, decision.reason) == ("machine", "a router")


@pytest.mark.parametrize(
    ("reading", "step", "cause", "patience"),
    [
        ({"memory_used": 0.93}, (RELAY, False, 0), "memory", 5),
        ({"memory_stalled": 0.15}, (RELAY, False, 0), "memory", 5),
        ({"cpu": 0.95}, (RELAY, False, REDUCED), "cpu", 60),
        ({"temperature": 82.0}, (RELAY, False, REDUCED), "heat", 10),
        ({"temperature": 96.0}, (PAUSED, False, REDUCED), "heat", 3),
        ({"wan": 0.6}, (RELAY, False, REDUCED), "wan", 5),
    ],
)
def test_a_reading_must_last_before_it_counts(reading, step, cause, patience) -> None:
    clock = Clock()
    assert clock.after(patience, **reading).terms == (FULL, True, 0)
    clock.after(1, **dict.fromkeys(reading, 0.0))  # a moment of calm begins it anew
    assert clock.after(patience, **reading).terms == (FULL, True, 0)
    decision = clock.after(1, **reading)
    assert decision.terms == step
    assert decision.cause == cause
    assert not decision.urgent


@pytest.mark.parametrize("reading", [{"memory_used": 0.975}, {"memory_stalled": 0.35}])
def test_critical_memory_counts_at_once_and_is_urgent(reading) -> None:
    decision = Clock().after(1, **reading)
    assert decision.mode == PAUSED
    assert decision.urgent


def test_what_wavers_between_enter_and_leave_changes_nothing() -> None:
    clock = Clock()
    assert clock.after(600, wan=0.45).mode == FULL
    assert clock.after(6, wan=0.55).mode == RELAY
    assert clock.after(600, wan=0.3).mode == RELAY
    assert clock.after(CALM + STAY, wan=0.2).mode == FULL


def test_it_steps_up_after_its_stay_and_not_before() -> None:
    clock = Clock()
    clock.after(6, wan=0.9)
    assert clock.after(STAY - 1, wan=0.0).mode == RELAY
    assert clock.after(1, wan=0.0).mode == FULL


def test_what_comes_meanwhile_is_heeded_and_what_has_gone_is_kept() -> None:
    """Too soon to step up from the WAN's hold, and the owner's window asks for another rate."""
    clock = Clock()
    clock.after(6, wan=0.9)
    clock.after(CALM + 1, wan=0.0)  # its hold is over, its stay is not
    clock.allowed = [BEST, Hold("schedule", "night", LIGHT, rate=64 << 10)]
    decision = clock.after(1, wan=0.0)
    assert decision.terms == (RELAY, False, 64 << 10)
    assert decision.cause == "wan,schedule"
    assert clock.after(STAY, wan=0.0).terms == (LIGHT, True, 64 << 10)


def test_a_reading_that_is_lost_holds_nothing_for_long() -> None:
    clock = Clock()
    clock.after(6, wan=0.9)
    assert clock.after(CALM + STAY).mode == FULL


def test_reasons_are_for_people() -> None:
    decision = Clock().after(61, wan=0.834, cpu=0.999)
    assert decision.reason == "others use 100% of the processor; others use 83% of the WAN"


@pytest.mark.parametrize(
    ("charge", "charging", "level"),
    [
        (None, None, AGGRESSIVE),
        (0.9, True, AGGRESSIVE),
        (0.9, False, BALANCED),
        (0.9, None, BALANCED),
        (0.6, True, BALANCED),
        (0.49, True, CONSERVATIVE),
        (0.2, False, CONSERVATIVE),
        (0.19, True, SUSPENDED),
        (0.0, False, SUSPENDED),
    ],
)
def test_power_levels(charge, charging, level) -> None:
    assert Power().update(charge, charging) == level


def test_a_power_level_is_left_upwards_with_a_margin() -> None:
    power = Power()
    assert power.update(0.19, True) == SUSPENDED
    assert power.update(0.22, True) == SUSPENDED
    assert power.update(0.24, True) == CONSERVATIVE
    assert power.update(0.52, True) == CONSERVATIVE
    assert power.update(1.0, True) == AGGRESSIVE


def test_modes_by_battery() -> None:
    assert Clock().after(1, battery=0.6, charging=True).terms == (LIGHT, True, 0)
    assert Clock().after(1, battery=0.4, charging=True).terms == (RELAY, True, REDUCED)
    assert Clock().after(1, battery=0.1, charging=True).terms == (PAUSED, False, REDUCED)


# --- windows ---


@pytest.mark.parametrize(
    ("window", "moment", "covered"),
    [
        (Window((), 480, 1020), (0, 480), True),
        (Window((), 480, 1020), (0, 1020), False),
        (Window(("sat",), 0, 1440), (5, 1439), True),
        (Window(("sat",), 0, 1440), (6, 0), False),
        (Window(("fri",), 1320, 360), (4, 1320), True),
        (Window(("fri",), 1320, 360), (5, 359), True),  # it began on Friday
        (Window(("fri",), 1320, 360), (4, 359), False),
        (Window(("sun",), 1320, 360), (0, 100), True),
        (Window(("fri",), 600, 600), (5, 599), True),  # a day from ten to ten
        (Window(("fri",), 600, 600), (5, 600), False),
    ],
)
def test_windows(window: Window, moment: tuple[int, int], covered: bool) -> None:
    assert window.covers(*moment) is covered


def test_the_first_window_counts_and_none_while_the_time_is_not_known() -> None:
    night, day = Window((), 1320, 360), Window((), 0, 1440)
    schedule = Timetable([night, day], UTC)
    assert schedule.current(SATURDAY) is night
    assert schedule.current(SATURDAY + 12 * 3600) is day
    assert schedule.current(None) is None


# --- whatever happens ---

shares = st.none() | st.floats(0, 1)
readings = st.builds(
    lambda *values: dict(zip(Readings.__slots__, values, strict=True)),
    *(shares, st.none() | st.booleans(), shares, shares, shares),
    st.none() | st.floats(-30, 130),
    shares,
)
holds = st.builds(
    Hold,
    st.just("schedule"),
    st.just("a window"),
    st.sampled_from(MODES),
    st.booleans(),
    st.sampled_from((0, 16 << 10, 1 << 20)),
)
history = st.lists(
    st.tuples(st.floats(0.1, 90), readings, st.lists(holds, max_size=2)), min_size=1, max_size=60
)


def as_readings(values: dict[str, float | None]) -> Readings:
    made = Readings()
    for name, value in values.items():
        setattr(made, name, value)
    return made


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(MODES), history)
def test_whatever_happens(best: str, moments) -> None:
    """Never above the limits, always with a reason, no step up before the stay is over."""
    machine = Hold("machine", "a machine", best)
    controller = Controller(Settings(), [machine], 0.0)
    changed, now, last = 0.0, 0.0, controller.step
    for passed, values, owner in moments:
        now += passed
        allowed = [machine, *owner]
        measured = as_readings(values)
        decision = controller.decide(measured, allowed, now)
        assert all(decision.within(hold) for hold in allowed)
        assert decision.reason
        assert decision.cause
        assert (decision.mode == PAUSED) <= (not decision.admits)
        assert lower(decision.mode, best) == decision.mode
        for rule in thresholds(Settings()):
            value = values[rule.reading]
            if rule.patience == 0 and value is not None and value > rule.enter:
                assert decision.mode == PAUSED
                assert decision.urgent
        if decision.terms != last.terms:
            if not decision.within(last):
                assert now - changed >= STAY
            changed = now
        assert decision.since == changed
        last = decision


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0.5, 5), readings), min_size=1, max_size=200))
def test_no_flapping(moments) -> None:
    """Between one step up and the next there is at least the stay."""
    controller = Controller(Settings(), [BEST], 0.0)
    now, ups, last = 0.0, [0.0], controller.step
    for passed, values in moments * 5:
        now += passed
        decision = controller.decide(as_readings(values), [BEST], now)
        if not decision.within(last):
            ups.append(now)
        last = decision
    assert all(later - earlier >= STAY for earlier, later in pairwise(ups))


@given(readings)
def test_what_is_calm_for_long_enough_ends_every_hold(values) -> None:
    clock = Clock()
    clock.after(60, **values)
    assert clock.after(CALM + STAY + 1).terms == (FULL, True, 0)


def test_what_the_owner_takes_back_ends_at_once_and_what_was_measured_does_not() -> None:
    controller = Controller(Settings(), [BEST], 0.0)
    window = Hold("schedule", "from 18:00 to 22:00", PAUSED)
    readings = Readings()
    assert controller.decide(readings, [BEST, window], 1.0).mode == PAUSED
    controller.release("schedule")
    assert controller.decide(readings, [BEST], 2.0).terms == BEST.terms
    readings.memory_used = 0.99
    assert controller.decide(readings, [BEST, window], 3.0).mode == PAUSED
    readings.memory_used = 0.5
    controller.release("schedule")
    assert controller.decide(readings, [BEST], 4.0).mode == PAUSED

"""Strangers' work beside payloads, on a clock that stands still until it is moved."""

from collections.abc import Generator
from typing import Any

import pytest
from edge.swarm.pace import SHARE, Charged, Pace


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def taken(seconds: float, passing: bool) -> float:
    """How much of `seconds` work takes of which there is more than enough, 1 ms a piece."""
    clock = Clock()
    pace = Pace(clock, clock)
    end = clock.now + seconds
    relayed, took = 0, 0.0
    while clock.now < end:
        relayed += passing
        wait = pace.wait(relayed)
        if wait:
            clock.now += wait
            continue
        began = clock.now
        clock.now += 0.001
        pace.spent(began)
        took += 0.001
    return took


def test_while_payloads_pass_it_takes_its_share() -> None:
    assert SHARE * 0.9 < taken(10.0, True) / 10 < SHARE * 1.1 + 0.01


def test_while_none_pass_it_takes_all() -> None:
    assert taken(10.0, False) > 9.9


def test_a_few_at_once_do_not_wait() -> None:
    clock = Clock()
    pace = Pace(clock, clock)
    for relayed in range(10):
        assert not pace.wait(relayed)
        began = clock.now
        clock.now += 0.001
        pace.spent(began)


def in_debt() -> tuple[Clock, Pace]:
    """A pace that a minute's work has just been charged to, while payloads pass."""
    clock, worked = Clock(), Clock()
    pace = Pace(clock, worked)
    pace.wait(1)
    began = worked()
    worked.now += 60.0
    pace.spent(began)
    return clock, pace


def test_nobody_waits_for_long() -> None:
    _, pace = in_debt()
    assert 0.4 < pace.wait(2) <= 0.5


def test_a_debt_is_forgotten_when_nothing_has_passed_for_a_while() -> None:
    clock, pace = in_debt()
    assert pace.wait(2)
    clock.now += 0.3
    assert not pace.wait(2)


def test_time_that_strangers_take_is_no_quiet() -> None:
    clock = Clock()
    pace = Pace(clock, clock)
    pace.wait(1)
    began = clock.now
    clock.now += 0.3  # in which nothing else could have been done
    pace.spent(began)
    assert pace.wait(1)
    assert pace.protects


# --- handlers, step by step ---


class Steps:
    """Work of three steps of 10 ms each; between them a minute goes by that is not its own."""

    def __init__(self, worked: Clock) -> None:
        self.worked = worked
        self.thrown: BaseException | None = None

    def __await__(self) -> Generator[str, None, None]:
        for name in ("first", "second"):
            self.worked.now += 0.01
            try:
                yield name
            except KeyError as error:
                self.thrown = error
        self.worked.now += 0.01


def charged() -> tuple[Clock, Steps, Pace, Generator[Any, Any, None]]:
    """The clock of work, work, the pace it is charged to, and the work under way."""
    clock, worked = Clock(), Clock()
    pace = Pace(clock, worked)
    pace.wait(1)
    steps = Steps(worked)
    return worked, steps, pace, Charged(pace, steps).__await__()


def test_steps_are_charged_and_what_is_between_them_is_not() -> None:
    worked, _, pace, run = charged()
    assert run.send(None) == "first"
    worked.now += 60.0
    assert run.send(None) == "second"
    assert not pace.wait(2), "two steps are within the burst"
    worked.now += 60.0
    with pytest.raises(StopIteration):
        run.send(None)
    assert pace.wait(3) == pytest.approx(0.1), "the third is 10 ms too many, at a tenth of the time"


def test_what_is_thrown_at_it_reaches_the_work() -> None:
    _, steps, _, run = charged()
    run.send(None)
    error = KeyError()
    assert run.throw(error) == "second"
    assert steps.thrown is error
    with pytest.raises(ValueError, match="given up"):
        run.throw(ValueError("given up"))

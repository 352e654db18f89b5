"""Strangers' work beside payloads, on a clock that stands still until it is moved."""

from edge.swarm.pace import SHARE, Pace


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

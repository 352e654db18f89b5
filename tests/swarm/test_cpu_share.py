"""Work beside payloads of higher classes, on a clock that stands still until it is moved."""

from collections.abc import Generator
from typing import Any

import pytest

from edge.swarm.cpu_share import Charged, CpuShare
from edge.swarm.work import BULK_SHARE, CONTROL_SHARE


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Moved:
    """Payload bytes of higher classes."""

    count = 0

    def __call__(self) -> int:
        return self.count


def made(share: float = CONTROL_SHARE) -> tuple[Clock, Clock, Moved, CpuShare]:
    """Clocks of the time and of this work, and what counts the payloads; one has just passed."""
    clock, worked, moved = Clock(), Clock(), Moved()
    cpu = CpuShare(share, moved, clock, worked)
    moved.count += 1
    assert not cpu.wait()
    return clock, worked, moved, cpu


def work(seconds: float, cpu: CpuShare, *clocks: Clock) -> None:
    """Charge `seconds` to `cpu`, by each of `clocks`."""
    began = cpu.worked()
    for clock in clocks:
        clock.now += seconds
    cpu.spent(began)


def taken(
    seconds: float, passing: bool, share: float = CONTROL_SHARE, piece: float = 0.001
) -> float:
    """How much of `seconds` work takes of which there is more than enough, `piece` at a time."""
    clock, worked, moved, cpu = made(share)
    end = clock.now + seconds
    while clock.now < end:
        moved.count += passing
        wait = cpu.wait()
        if wait:
            clock.now += wait
        else:
            work(piece, cpu, clock, worked)
    return cpu.taken


@pytest.mark.parametrize("share", [CONTROL_SHARE, BULK_SHARE])
def test_while_payloads_pass_it_takes_its_share(share: float) -> None:
    assert share * 0.9 < taken(10.0, True, share) / 10 < share * 1.1 + 0.01


@pytest.mark.parametrize("share", [CONTROL_SHARE, BULK_SHARE])
@pytest.mark.parametrize("piece", [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0])
def test_however_long_a_piece_takes(share: float, piece: float) -> None:
    """A signature of a kind that a stranger chooses took 20 ms, and a second on a router."""
    seconds = 1000 * piece
    assert share * 0.9 < taken(seconds, True, share, piece) / seconds < share * 1.05


def test_while_none_pass_it_takes_all() -> None:
    assert taken(10.0, False) > 9.7


def test_a_few_at_once_do_not_wait() -> None:
    clock, worked, moved, cpu = made()
    for _ in range(10):
        moved.count += 1
        assert not cpu.wait()
        work(0.001, cpu, clock, worked)


def in_debt() -> tuple[Clock, Moved, CpuShare]:
    """A share that a minute's work has just been charged to, while payloads pass."""
    clock, worked, moved, cpu = made()
    work(60.0, cpu, worked)
    moved.count += 1
    return clock, moved, cpu


def test_nobody_waits_for_long() -> None:
    _, _, cpu = in_debt()
    assert 0.4 < cpu.wait() <= 0.5


def test_a_debt_is_forgotten_when_nothing_has_passed_for_a_while() -> None:
    clock, _, cpu = in_debt()
    assert cpu.wait()
    clock.now += 61.0  # the minute counts as one in which nothing could pass
    assert not cpu.wait()


def test_time_that_the_work_takes_is_no_quiet() -> None:
    clock, worked, _, cpu = made()
    work(0.3, cpu, clock, worked)
    assert cpu.wait()
    assert cpu.protects


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


def charged() -> tuple[Clock, Steps, CpuShare, Generator[Any, Any, None]]:
    """The clock of work, work, the share it is charged to, and the work under way."""
    _, worked, _, cpu = made()
    steps = Steps(worked)
    return worked, steps, cpu, Charged(cpu, steps).__await__()


def test_steps_are_charged_and_what_is_between_them_is_not() -> None:
    worked, _, cpu, run = charged()
    assert run.send(None) == "first"
    worked.now += 60.0
    assert run.send(None) == "second"
    assert not cpu.wait(), "two steps are within the burst"
    worked.now += 60.0
    with pytest.raises(StopIteration):
        run.send(None)
    assert cpu.wait() == pytest.approx(0.1), "the third is 10 ms too many, at a tenth of the time"
    assert cpu.taken == pytest.approx(0.03)


def test_what_is_thrown_at_it_reaches_the_work() -> None:
    _, steps, _, run = charged()
    run.send(None)
    error = KeyError()
    assert run.throw(error) == "second"
    assert steps.thrown is error
    with pytest.raises(ValueError, match="given up"):
        run.throw(ValueError("given up"))

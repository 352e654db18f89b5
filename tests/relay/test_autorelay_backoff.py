"""How long a relay rests after a failure, on a clock that stands still until it is moved."""

from __future__ import annotations

from edge.relay.autorelay import LONGEST_BACKOFF, REFUSED_BACKOFF, UNREACHED_BACKOFF
from edge.swarm.backoff import Backoff
from tests.relay.hosts import peer_id

A, B = peer_id(1), peer_id(2)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_rest_ends_with_its_time() -> None:
    clock = Clock()
    backoff = Backoff(clock, LONGEST_BACKOFF)
    assert not backoff.rests(A)
    assert backoff.failed(A, REFUSED_BACKOFF) == 30
    clock.now += 29.9
    assert backoff.rests(A)
    assert not backoff.rests(B)
    clock.now += 0.1
    assert not backoff.rests(A)


def test_each_failure_doubles_the_rest_up_to_the_longest() -> None:
    backoff = Backoff(Clock(), LONGEST_BACKOFF)
    rests = [backoff.failed(A, REFUSED_BACKOFF) for _ in range(7)]
    assert rests == [30, 60, 120, 240, 480, LONGEST_BACKOFF, LONGEST_BACKOFF]


def test_one_that_could_not_be_reached_rests_shortly() -> None:
    backoff = Backoff(Clock(), LONGEST_BACKOFF)
    assert [backoff.failed(A, UNREACHED_BACKOFF) for _ in range(4)] == [2, 4, 8, 16]
    assert backoff.failed(A, REFUSED_BACKOFF) == 32


def test_a_refusal_after_short_rests_is_no_shorter_than_a_first_one() -> None:
    backoff = Backoff(Clock(), LONGEST_BACKOFF)
    backoff.failed(A, UNREACHED_BACKOFF)
    assert backoff.failed(A, REFUSED_BACKOFF) == 30


def test_a_success_begins_anew() -> None:
    backoff = Backoff(Clock(), LONGEST_BACKOFF)
    for _ in range(4):
        backoff.failed(A, UNREACHED_BACKOFF)
    backoff.forget(A)
    assert not backoff.rests(A)
    assert backoff.failed(A, UNREACHED_BACKOFF) == 2


def test_a_fresh_start_lets_nobody_rest() -> None:
    backoff = Backoff(Clock(), LONGEST_BACKOFF)
    for relay in (A, B):
        backoff.failed(relay, REFUSED_BACKOFF)
    backoff.clear()
    assert not backoff.rests(A)
    assert not backoff.rests(B)
    assert backoff.failed(A, UNREACHED_BACKOFF) == 2


def test_the_table_is_bounded() -> None:
    backoff = Backoff(Clock(), LONGEST_BACKOFF)
    for number in range(300):
        backoff.failed(peer_id(number), REFUSED_BACKOFF)
    assert not backoff.rests(peer_id(0))
    assert backoff.rests(peer_id(299))
    assert sum(backoff.rests(peer_id(number)) for number in range(300)) == 256

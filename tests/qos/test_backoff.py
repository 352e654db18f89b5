"""When relaying slows down, by how much, and how it comes back. Figures are bytes a second."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.qos.backoff import FLOOR, FREE, LINE, QUEUE, START, Policy, Reading, State, decide

MB = 1_000_000
LEARNT = Policy((0, 0), 30)
KNOWN = Policy((4 * MB, 40 * MB), 30)
SILENT = (0.0, 0.0)


def after(state: State, seconds: int, reading: Reading, policy: Policy) -> State:
    for _ in range(seconds):
        state = decide(state, reading, policy)
    return state


def test_alone_on_a_short_queue_there_is_no_limit() -> None:
    for delay in (None, 0.0, 29.0):
        assert after(START, 600, Reading((3 * MB, 3 * MB), SILENT, delay), KNOWN).rate == 0


def test_a_queue_cuts_the_rate_until_it_is_gone() -> None:
    reading = Reading((2 * MB, 2 * MB), SILENT, 80.0)
    first = decide(START, reading, LEARNT)
    assert (first.rate, first.reason) == (int(2 * MB * 0.7), QUEUE)
    assert decide(first, reading, LEARNT).rate == int(first.rate * 0.7)
    assert after(first, 60, reading, LEARNT).rate == FLOOR


def test_others_on_a_known_line_get_what_they_use_and_a_tenth_more() -> None:
    state = decide(START, Reading((1.5 * MB, MB), (2.5 * MB, MB), None), KNOWN)
    assert (state.rate, state.reason) == (int(4 * MB * 0.9 - 2.5 * MB), LINE)
    full = decide(START, Reading((1.5 * MB, MB), (4 * MB, MB), None), KNOWN)
    assert full.rate == FLOOR


def test_the_fuller_way_decides() -> None:
    state = decide(START, Reading((MB, MB), (3 * MB, 38 * MB), None), KNOWN)
    assert state.rate == FLOOR  # of 40 down, 38 are taken


def test_others_on_an_empty_line_or_with_a_trickle_are_in_nobodys_way() -> None:
    assert decide(START, Reading((MB, MB), (MB, MB), None), KNOWN).rate == 0
    assert decide(START, Reading((3.9 * MB, 3.9 * MB), (0.1 * MB, 0), None), KNOWN).rate == 0


def test_what_was_seen_of_the_line_counts_where_nothing_else_is_known() -> None:
    seen = after(START, 5, Reading((8 * MB, 8 * MB), SILENT, None), LEARNT)
    state = decide(seen, Reading((MB, MB), (7 * MB, 0), None), LEARNT)
    assert state.reason == LINE
    assert state.rate == pytest.approx(8 * MB / 8, rel=0.01)
    measured = decide(seen, Reading((MB, MB), (7 * MB, 0), 1.0), LEARNT)
    assert measured.rate == 0  # no queue says that the line has room


def test_beside_others_a_small_queue_is_given_way_to_slowly() -> None:
    state = State(MB, (4 * MB, 4 * MB), 0, QUEUE)
    there = after(state, 30, Reading((MB, MB), (2 * MB, 0), 15.0), LEARNT)
    assert there.rate < MB / 5
    alone = after(state, 30, Reading((MB, MB), SILENT, 15.0), LEARNT)
    assert alone.rate > 2 * MB


def test_it_comes_back_when_all_is_quiet() -> None:
    state = State(FLOOR, (4 * MB, 4 * MB), 0, QUEUE)
    seconds = 0
    while state.rate:
        state = decide(state, Reading((state.rate, state.rate), SILENT, 0.0), LEARNT)
        seconds += 1
    assert seconds < 45
    assert state.reason == FREE


rates = st.floats(0, 1e10)
pairs = st.tuples(rates, rates)
readings = st.builds(Reading, pairs, pairs, st.none() | st.floats(0, 1000))
policies = st.builds(
    Policy, st.tuples(st.integers(0, 1 << 40), st.integers(0, 1 << 40)), st.integers(5, 1000)
)


@given(st.lists(readings, max_size=40), policies)
def test_whatever_is_read_the_rate_is_none_or_at_least_the_floor(
    seen: list[Reading], policy: Policy
) -> None:
    state = START
    for reading in seen:
        state = decide(state, reading, policy)
        assert state.rate == 0 or state.rate >= FLOOR
        assert (state.rate == 0) == (state.reason == FREE)

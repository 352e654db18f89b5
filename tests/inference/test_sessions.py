"""Sessions: positions, late and repeated calls, pages, ends."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edge.budget import Budget
from edge.inference import sessions as module
from edge.inference.sessions import IDLE, MAX_PER_PEER, PAGE, SessionError, Sessions
from edge.units import MIB
from edge.wire.inference import FULL, GAP, LATE
from edge.wire.peerid import PeerId

COST = 1000
A = PeerId.from_string("12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA")
B = PeerId.from_string("12D3KooWGRUqNH5MWPCoLS9VmmYVW1vTqgvHMDkLhSZ1FRdcRF4K")


class Made:
    """Sessions of a pool of 3.6 MB, at a time that a test sets."""

    def __init__(self, most: int = 4096) -> None:
        self.now = 0.0
        self.ended: list[int] = []
        budget = Budget(8 * MIB, 4 * MIB)
        self.pool = budget.pool("sessions", 1.0)
        self.sessions = Sessions(self.pool, COST, most, lambda: self.now, self.ended.append)

    def compute(self, key: tuple[PeerId, int], call: int, position: int, rows: int = 1) -> bytes:
        """As a server does; the answer tells of the call."""
        known = self.sessions.answered(key, call)
        if known is not None:
            return known
        session = self.sessions.place(key, position, rows)
        session.begun = True
        session.length += rows
        self.sessions.keep(session, call, f"{call}".encode())
        return f"{call}".encode()

    def refusal(
        self, key: tuple[PeerId, int], call: int, position: int, rows: int = 1
    ) -> SessionError:
        with pytest.raises(SessionError) as caught:
            self.compute(key, call, position, rows)
        return caught.value


def test_rows_are_appended_and_a_step_back_forgets() -> None:
    made = Made()
    made.compute((A, 1), 1, 0, 32)
    made.compute((A, 1), 2, 32)
    assert made.sessions.place((A, 1), 10, 1).length == 10
    assert made.refusal((A, 1), 3, 12).error == GAP


def test_a_hole_is_never_computed_on() -> None:
    made = Made()
    refused = made.refusal((A, 1), 1, 1)
    assert (refused.error, refused.position, len(made.sessions)) == (GAP, 0, 0)
    made.compute((A, 1), 1, 0, 5)
    assert made.refusal((A, 1), 2, 6).position == 5


def test_the_last_call_is_answered_again_and_an_older_one_changes_nothing() -> None:
    made = Made()
    for call in range(3):
        made.compute((A, 1), call, call)
    assert made.compute((A, 1), 2, 2) == b"2"
    assert made.refusal((A, 1), 1, 1).error == LATE
    assert made.refusal((A, 1), 1, 1).position == 3
    assert made.compute((A, 1), 3, 3) == b"3"


def test_another_peers_session_of_the_same_number_is_another() -> None:
    made = Made()
    made.compute((A, 1), 1, 0, 3)
    assert made.refusal((B, 1), 2, 3).error == GAP
    made.compute((B, 1), 1, 0, 2)
    made.sessions.close_all_of(A)
    assert made.refusal((A, 1), 2, 3).error == GAP
    made.compute((B, 1), 2, 2)


def test_pages_are_leased_at_the_start_and_given_back_at_the_end() -> None:
    made = Made()
    made.sessions.place((A, 1), 0, 1, PAGE + 1).begun = True
    assert made.pool.used == 2 * PAGE * COST + module._SESSION
    made.sessions.close((A, 1))
    assert (made.pool.used, made.ended) == (0, [1])


def test_full_tells_what_is_left() -> None:
    made = Made()
    room = made.sessions.left
    assert room % PAGE == 0 and room * COST <= made.pool.ceiling
    with pytest.raises(SessionError) as caught:
        made.sessions.place((A, 1), 0, 1, room + PAGE)
    assert (caught.value.error, caught.value.left) == (FULL, room)
    made.sessions.place((A, 1), 0, 1, room - PAGE)
    assert made.sessions.left == 0 or made.sessions.left == PAGE


def test_a_session_is_no_longer_than_it_was_begun_for() -> None:
    made = Made()
    made.compute((A, 1), 1, 0, 32)
    made.compute((A, 1), 2, 32, 32)
    assert made.refusal((A, 1), 3, PAGE).error == FULL
    assert made.sessions.place((A, 1), PAGE - 1, 1).length == PAGE - 1


def test_the_models_end_is_the_sessions() -> None:
    made = Made(most=100)
    with pytest.raises(SessionError, match="100 positions"):
        made.sessions.place((A, 1), 0, 1, 101)


def test_who_has_many_gets_no_more() -> None:
    made = Made()
    for number in range(MAX_PER_PEER):
        made.compute((A, number), 1, 0)
    assert made.refusal((A, 99), 1, 0).error == FULL
    made.compute((B, 99), 1, 0)


def test_a_thousand_abandoned_sessions_cost_nothing_in_the_end() -> None:
    made = Made()
    for number in range(1000):
        made.now += IDLE / 8
        made.compute((A, number), 1, 0)
        assert len(made.sessions) <= 8
    made.now += IDLE
    made.sessions.expire()
    assert (made.pool.used, len(made.sessions), len(made.ended)) == (0, 0, 1000)


def test_use_puts_the_end_off() -> None:
    made = Made()
    made.compute((A, 1), 1, 0)
    made.compute((A, 2), 1, 0)
    made.now = IDLE - 1
    made.compute((A, 1), 1, 0)  # asked again
    made.now = IDLE
    made.sessions.expire()
    assert made.refusal((A, 2), 2, 1).error == GAP
    made.compute((A, 1), 2, 1)


def test_an_answer_that_finds_no_memory_is_not_kept() -> None:
    made = Made()
    session = made.sessions.place((A, 1), 0, 1)
    session.length = 1
    made.sessions.keep(session, 1, bytes(made.pool.ceiling))
    assert made.refusal((A, 1), 1, 0).error == LATE
    made.sessions.close((A, 1))
    assert made.pool.used == 0


def test_what_ended_while_it_was_computed_keeps_nothing() -> None:
    made = Made()
    session = made.sessions.place((A, 1), 0, 1)
    made.sessions.close((A, 1))
    made.sessions.keep(session, 1, b"answer")
    assert made.pool.used == 0


def test_a_backend_that_died_has_nothing_to_end() -> None:
    made = Made()
    made.compute((A, 1), 1, 0)
    made.sessions.lost()
    assert (made.ended, made.pool.used) == ([], 0)
    assert made.refusal((A, 1), 2, 1).position == 0


class Calls(RuleBasedStateMachine):
    """Two callers that repeat, skip, step back and vanish: an answer is never another's."""

    def __init__(self) -> None:
        super().__init__()
        self.made = Made()
        self.rows: dict[tuple[PeerId, int], list[tuple[PeerId, int]]] = {}
        self.call = 0

    @rule(
        peer=st.sampled_from([A, B]),
        number=st.integers(0, 2),
        back=st.integers(-2, 9),
        rows=st.integers(1, 8),
    )
    def forward(self, peer: PeerId, number: int, back: int, rows: int) -> None:
        key, self.call = (peer, number), self.call + 1
        known = self.rows.get(key, [])
        position = max(len(known) - back, 0)
        try:
            session = self.made.sessions.place(key, position, rows)
        except SessionError as refused:
            full = position + rows > PAGE if known else False
            assert refused.error == (GAP if position > len(known) else FULL)
            assert position > len(known) or full
            return
        session.begun = True
        session.length += rows
        self.made.sessions.keep(session, self.call, b"x" * rows)
        self.rows[key] = known[:position] + [key] * rows

    @rule(peer=st.sampled_from([A, B]))
    def leave(self, peer: PeerId) -> None:
        self.made.sessions.close_all_of(peer)
        self.rows = {key: rows for key, rows in self.rows.items() if key[0] != peer}

    @rule(seconds=st.sampled_from([1.0, IDLE / 2]))
    def wait(self, seconds: float) -> None:
        self.made.now += seconds
        self.made.sessions.expire()
        alive = set(self.made.sessions._sessions)
        self.rows = {key: rows for key, rows in self.rows.items() if key in alive}

    @invariant()
    def lengths_are_what_was_computed(self) -> None:
        lengths = {key: session.length for key, session in self.made.sessions._sessions.items()}
        assert lengths == {key: len(rows) for key, rows in self.rows.items()}

    @invariant()
    def what_is_leased_is_what_there_is(self) -> None:
        alive = self.made.sessions._sessions.values()
        kept = sum(len(session.answer or b"") for session in alive)
        pages = sum(session.positions for session in alive) * COST
        assert self.made.pool.used == kept + pages + module._SESSION * len(alive)


TestCalls = Calls.TestCase
TestCalls.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)

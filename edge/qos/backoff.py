"""How fast the node may relay while others use the line: a pure function, called once a second.

Two things make it slow down. Others fill the line: then relaying gets what they leave, less a tenth
of the line to grow into. Or the way to the gateway takes longer than its least: somewhere a queue
stands, be it ours or theirs, and calls suffer; then relaying drops to 7/10 at a time, as TCP would.
When neither is so it recovers: fast up to half of where it last went wrong, gently from there on.

Source: RFC 6297 (less-than-best-effort transports), RFC 6817 (a queueing delay as the signal)
"""

from __future__ import annotations

from typing import NamedTuple

FLOOR = 16 * 1024  # bytes a second that relaying always gets
FREE, LINE, QUEUE = "free", "line", "queue"  # why the rate is what it is

_FULL = 0.8  # of the line in use, from which it counts as full
_SPARE = 0.1  # of the line that is left to others
_PRESENT = 0.05  # of the line that others must use to count
_LEARNT_SHARE = 8  # relaying gets this part of a line whose capacity is a guess, so as to find out
_CUT = 0.7
_FAST, _GENTLE = 1.2, 1.03  # growth a second
_FORGET = 0.9999  # what was seen of the line loses half in two hours

Pair = tuple[float, float]  # up, down


class Reading(NamedTuple):
    """Bytes a second. `delay`: milliseconds above the least, None if that is unmeasured."""

    own: Pair
    others: Pair
    delay: float | None


class Policy(NamedTuple):
    """`line`: its capacity in bytes a second, 0 to learn it. `max_delay`: milliseconds."""

    line: tuple[int, int]
    max_delay: int


class State(NamedTuple):
    """`rate`: bytes a second, 0 for any number. `seen`: the most. `last_cut`: the rate then."""

    rate: int
    seen: Pair
    last_cut: int
    reason: str


START = State(0, (0.0, 0.0), 0, FREE)


def decide(state: State, reading: Reading, policy: Policy) -> State:
    """The state after one more second."""
    used = [mine + theirs for mine, theirs in zip(reading.own, reading.others, strict=True)]
    seen = max(state.seen[0] * _FORGET, used[0]), max(state.seen[1] * _FORGET, used[1])
    rate, last_cut, reason = state.rate, state.last_cut, FREE
    room = _room(reading, policy, used, seen)
    if reading.delay is not None and reading.delay > policy.max_delay:
        going = max(reading.own)
        rate = last_cut = max(FLOOR, int(min(rate or going, max(going, FLOOR)) * _CUT))
        reason = QUEUE
        if room is not None:
            rate = min(rate, room)
    elif room is not None:
        rate = min(room, _grown(rate, last_cut)) if rate else room
        reason = LINE
    elif rate:
        rate = _grown(rate, last_cut)
        reason = state.reason
        if rate >= max(*policy.line, *seen):
            rate, last_cut, reason = 0, 0, FREE
    return State(rate, seen, last_cut, reason)


def _room(reading: Reading, policy: Policy, used: list[float], seen: Pair) -> int | None:
    """What others leave of the line; None while they leave enough.

    A capacity that is only a guess counts where no delay says better.
    """
    room = None
    for way, known in enumerate(policy.line):
        if not known and reading.delay is not None:
            continue
        capacity = known or seen[way]
        others = reading.others[way]
        if others <= max(FLOOR, capacity * _PRESENT) or used[way] < capacity * _FULL:
            continue
        least = FLOOR if known else max(FLOOR, capacity / _LEARNT_SHARE)
        left = int(max(least, capacity * (1 - _SPARE) - others))
        room = left if room is None else min(room, left)
    return room


def _grown(rate: int, last_cut: int) -> int:
    factor = _FAST if not last_cut or rate < last_cut / 2 else _GENTLE
    return int(rate * factor) + 1024

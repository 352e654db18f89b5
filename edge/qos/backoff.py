"""How fast the node may relay while others use the line: a pure function, called once a second.

Two things make it slow down. Others fill the line: then relaying gets what they leave, less a tenth
of the line to grow into. Or the way to the gateway takes longer than its least: somewhere a queue
stands, be it ours or theirs, and calls suffer; then relaying drops to 7/10 at a time, as TCP would.
When neither is so it recovers, gently at first and fast once it has been quiet for a while; beside
others whose packets queue but a little it goes on to give way, slowly.

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
_CUT, _YIELD = 0.7, 0.93  # what is left after a second
_FAST, _GENTLE = 1.2, 1.03  # growth a second
_QUIET = 5  # seconds after which it is fast
_EASY = 0.25  # of the delay that is allowed, up to which the way counts as quiet
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
    """`rate`: bytes a second, 0 for any number. `seen`: the most. `quiet`: seconds of it."""

    rate: int
    seen: Pair
    quiet: int
    reason: str


START = State(0, (0.0, 0.0), 0, FREE)


def decide(state: State, reading: Reading, policy: Policy) -> State:
    """The state after one more second."""
    used = reading.own[0] + reading.others[0], reading.own[1] + reading.others[1]
    seen = max(state.seen[0] * _FORGET, used[0]), max(state.seen[1] * _FORGET, used[1])
    room = _room(reading, policy, used, seen)
    if reading.delay is not None and reading.delay > policy.max_delay:
        going = max(reading.own)
        rate = max(FLOOR, int(min(state.rate or going, max(going, FLOOR)) * _CUT))
        return State(rate if room is None else min(rate, room), seen, 0, QUEUE)
    easy = reading.delay is None or reading.delay <= policy.max_delay * _EASY
    quiet = state.quiet + 1 if easy else 0
    if room is None and not state.rate:
        return State(0, seen, quiet, FREE)
    rate = state.rate
    if quiet > _QUIET:
        rate = int(rate * _FAST) + 1024
    elif easy or not _present(reading, policy, seen):
        rate = int(rate * _GENTLE) + 1024
    else:
        rate = max(FLOOR, int(rate * _YIELD))
    if room is not None:
        return State(min(rate, room) if state.rate else room, seen, quiet, LINE)
    if rate >= max(*policy.line, *seen):
        return State(0, seen, quiet, FREE)
    return State(rate, seen, quiet, state.reason)


def _present(reading: Reading, policy: Policy, seen: Pair) -> bool:
    """Whether others use the line at all."""
    return any(
        others > max(FLOOR, (known or most) * _PRESENT)
        for others, known, most in zip(reading.others, policy.line, seen, strict=True)
    )


def _room(reading: Reading, policy: Policy, used: Pair, seen: Pair) -> int | None:
    """The rate that others leave of the line; None while they leave enough.

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

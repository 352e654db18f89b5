"""Which pieces are asked for next: peers are given, with the speeds that they have."""

from __future__ import annotations

import heapq
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from edge.cache.fragments.schedule import Run, Schedule, merged, without
from edge.wire.fragment import MAX_PIECES
from edge.wire.merkle import PIECE

RANGES = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20))).map(
    lambda found: [(start, start + length) for start, length in found]
)


def members(ranges: list[tuple[int, int]]) -> set[int]:
    return {piece for start, end in ranges for piece in range(start, end)}


@given(RANGES, st.integers(0, 60), st.integers(0, 20))
def test_ranges_are_sets_of_pieces(ranges: list[tuple[int, int]], start: int, length: int) -> None:
    joined = merged(ranges)
    assert members(joined) == members(ranges)
    assert all(end < start for (_, end), (start, _) in pairwise(joined))
    assert members(without(joined, start, start + length)) == members(joined) - set(
        range(start, start + length)
    )


class Swarm:
    """Peers that deliver at fixed speeds, in a time of their own; each has one run at a time."""

    def __init__(self, wanted: list[tuple[int, int]], speeds: dict[str, float]) -> None:
        self.schedule = Schedule(wanted)
        self.speeds = speeds
        self.now = 0.0
        self.came: list[tuple[int, str]] = []
        self.sent = dict.fromkeys(speeds, 0)
        self._due: list[tuple[float, int, str, Run]] = []
        self._count = 0
        self._idle = set(speeds)

    def join(self, has: list[tuple[int, int]]) -> None:
        for peer in self.speeds:
            self.schedule.join(peer, has)

    def run(self) -> None:
        while not self.schedule.done:
            self._ask_all()
            if not self._due:
                return
            self._deliver()

    def _ask_all(self) -> None:
        for peer in sorted(self._idle):
            found = self.schedule.next(peer, self.now)
            if found is not None:
                assert found[0].end - found[0].first <= MAX_PIECES
                self._idle.discard(peer)
                self._send(peer, found[0])

    def _send(self, peer: str, run: Run) -> None:
        self._count += 1
        took = PIECE / self.speeds[peer]
        heapq.heappush(self._due, (self.now + took, self._count, peer, run))

    def _deliver(self) -> None:
        self.now, _, peer, run = heapq.heappop(self._due)
        self.sent[peer] += 1
        if not run.over:
            self.came.append((run.at, peer))
            self.schedule.came(run, self.now)
        if run.over:
            self._idle.add(peer)
        else:
            self._send(peer, run)


def test_every_piece_comes_once() -> None:
    swarm = Swarm([(0, 100), (300, 333)], {"a": 4e6, "b": 1e6, "c": 5e5})
    swarm.join([(0, 400)])
    swarm.run()
    assert sorted(piece for piece, _ in swarm.came) == [*range(100), *range(300, 333)]


def test_peers_get_as_much_as_they_are_fast() -> None:
    swarm = Swarm([(0, 400)], {"fast": 8e6, "slow": 1e6})
    swarm.join([(0, 400)])
    swarm.run()
    assert 6 < swarm.sent["fast"] / swarm.sent["slow"] < 10
    perfect = 400 * PIECE / 9e6
    assert swarm.now < perfect * 1.1


def test_the_end_does_not_wait_for_the_slowest() -> None:
    swarm = Swarm([(0, 40)], {"fast": 1e7, "slow": 2e4})
    swarm.join([(0, 40)])
    swarm.run()
    assert swarm.now < 40 * PIECE / 1e7 * 2 + 0.5
    assert sum(swarm.sent.values()) <= 42


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.floats(1e4, 1e8), min_size=1),
    st.integers(1, 300),
)
def test_whatever_the_speeds_little_is_sent_twice(speeds: dict[str, float], count: int) -> None:
    swarm = Swarm([(0, count)], speeds)
    swarm.join([(0, count)])
    swarm.run()
    assert sorted(piece for piece, _ in swarm.came) == list(range(count))
    assert sum(swarm.sent.values()) <= count + 2 * len(speeds)


def test_who_has_a_part_is_asked_for_that() -> None:
    schedule = Schedule([(0, 10)])
    schedule.join("a", [(3, 5), (8, 9)])
    ranges = []
    while (found := schedule.next("a", 0.0)) is not None:
        ranges.append((found[0].first, found[0].end))
    assert members(ranges) == {3, 4, 8}
    assert schedule.missing == 10


def test_what_a_peer_fails_to_send_goes_to_another() -> None:
    schedule = Schedule([(0, 4)])
    schedule.join("a", [(0, 4)])
    found = schedule.next("a", 0.0)
    assert found is not None
    run = found[0]
    schedule.came(run, 1.0)
    assert schedule.failed(run) == 1
    assert run.over
    schedule.join("b", [(0, 4)])
    again = schedule.next("b", 1.0)
    assert again is not None
    assert (again[0].first, schedule.missing) == (1, 3)


def test_the_runs_of_a_peer_that_leaves_are_over() -> None:
    schedule = Schedule([(0, 2)])
    schedule.join("a", [(0, 2)])
    found = schedule.next("a", 0.0)
    assert found is not None
    assert schedule.leave("a") == [found[0]]
    assert found[0].over
    assert schedule.left == [(0, 2)]
    assert schedule.next("a", 0.0) is None


def test_a_peer_is_not_asked_again_for_what_it_lacks() -> None:
    schedule = Schedule([(0, 4)])
    schedule.join("a", [(0, 4)])
    found = schedule.next("a", 0.0)
    assert found is not None
    assert schedule.useful("a")
    schedule.lacks(found[0])
    assert schedule.next("a", 0.0) is None
    assert not schedule.useful("a")
    assert not schedule.done


def test_hostile_maps_of_pieces_take_little() -> None:
    schedule = Schedule([(0, 1 << 14)])
    schedule.join("a", [(at, at + 1) for at in range(0, 1 << 14, 2)])
    assert len(schedule.sources["a"].has) == 256

"""Which pieces of a file are asked for next, and of whom: a value, without clock or tasks.

What nobody is asked for yet are a few ranges. A peer gets a run of them that takes it about a
second, by the speed that it has shown. When none are left, who has nothing to do takes over what a
slower peer has ahead of it: the end of its run in proportion to both speeds, or all of it, should
even the piece that it is at come sooner that way. So the last piece waits for no slow peer, and a
piece is asked for twice only when that halves the time until it is there.

Runs end where segments of the store do, and a peer goes on where it ended, so that what is written
at once is in one piece of the disk.
"""

from __future__ import annotations

from edge.wire.fragment import MAX_PIECES
from edge.wire.merkle import PIECE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    Ranges = list[tuple[int, int]]  # of pieces: the first, and behind the last

AT_FIRST = 16  # pieces of a peer's first run
ALIGN = 16  # pieces of a segment of the store
_RUN = 1.0  # seconds that one takes
_WORTH = 0.25  # seconds that taking over has to save
_KEPT = 0.5  # of a speed, when a new one is measured
_ENDS = 4  # that are remembered of a peer
_MAX_RANGES = 256  # of what a peer has, or of what is wanted


class Run:
    """Pieces [first, end) that `peer` is asked for. `at`: the next one to come; when it has come to
    `end`, which another may have moved, the run is over.
    """

    __slots__ = ("at", "end", "first", "moved", "peer")

    def __init__(self, peer: Hashable, first: int, end: int, now: float) -> None:
        self.peer = peer
        self.first = self.at = first
        self.end = end
        self.moved = now  # when a piece came last, or the run began

    @property
    def over(self) -> bool:
        return self.at >= self.end


class Source:
    """A peer. `has`: the ranges that it has; `speed`: bytes a second of one run, 0: not known;
    `ends`: of its last runs.
    """

    __slots__ = ("ends", "failures", "has", "speed")

    def __init__(self, has: Ranges) -> None:
        self.has = has
        self.speed = 0.0
        self.failures = 0  # since a piece came last
        self.ends: list[int] = []

    def holds(self, start: int, end: int) -> tuple[int, int]:
        """The first range in [start, end) that it has; empty: none."""
        for first, behind in self.has:
            if first < end and behind > start:
                return max(first, start), min(behind, end)
        return end, end


class Schedule:
    """The pieces in `wanted`, of which a bounded number of ranges is looked at."""

    def __init__(self, wanted: Iterable[tuple[int, int]]) -> None:
        self.left = merged(wanted)
        self.sources: dict[Hashable, Source] = {}
        self.runs: set[Run] = set()

    @property
    def done(self) -> bool:
        """Whether all pieces have come."""
        return not self.left and not self.runs

    @property
    def missing(self) -> int:
        """How many pieces have not come."""
        waiting = sum(end - start for start, end in self.left)
        return waiting + sum(run.end - run.at for run in self.runs)

    def join(self, peer: Hashable, has: Iterable[tuple[int, int]]) -> None:
        """`peer` may be asked for pieces in `has`."""
        self.sources[peer] = Source(merged(has)[:_MAX_RANGES])

    def leave(self, peer: Hashable) -> list[Run]:
        """`peer` is asked no more; its runs, which are over."""
        self.sources.pop(peer, None)
        gone = [run for run in self.runs if run.peer == peer]
        for run in gone:
            self.put_back(run)
        return gone

    def useful(self, peer: Hashable) -> bool:
        """Whether `peer` has something that has not come, asked for or not."""
        source = self.sources.get(peer)
        if source is None:
            return False
        coming = [(run.at, run.end) for run in self.runs]
        return any(source.holds(*each)[0] < each[1] for each in [*self.left, *coming])

    def next(self, peer: Hashable, now: float) -> tuple[Run, Run | None] | None:
        """What `peer` is asked for now, and the run of which that was taken over.

        None: there is nothing that it could do, for the moment.
        """
        source = self.sources.get(peer)
        if source is None:
            return None
        found = self._from_left(source)
        if found is not None:
            return self._begin(peer, found, now), None
        victim, start = self._from_others(peer, source, now)
        if victim is None:
            return None
        found = (start, victim.end)
        victim.end = start
        if victim.over:
            self.runs.discard(victim)
        return self._begin(peer, found, now), victim

    def came(self, run: Run, now: float) -> None:
        """The next piece of `run` has come and is kept."""
        source = self.sources.get(run.peer)
        if source is not None:
            speed = PIECE / max(now - run.moved, 1e-6)
            source.speed = speed + (source.speed - speed) * _KEPT if source.speed else speed
            source.failures = 0
        run.at += 1
        run.moved = now
        if run.over:
            self.runs.discard(run)

    def failed(self, run: Run) -> int:
        """`run` ends early; how often its peer has failed since a piece came from it last."""
        if run not in self.runs:
            return 0  # it was taken over
        self.put_back(run)
        source = self.sources.get(run.peer)
        if source is None:
            return 0
        source.speed /= 2
        source.failures += 1
        return source.failures

    def lacks(self, run: Run) -> None:
        """The peer has not what it is asked for in `run`."""
        source = self.sources.get(run.peer)
        if source is not None:
            source.has = without(source.has, run.at, run.end)[:_MAX_RANGES]
        self.put_back(run)

    def _begin(self, peer: Hashable, found: tuple[int, int], now: float) -> Run:
        run = Run(peer, *found, now)
        self.runs.add(run)
        return run

    def put_back(self, run: Run) -> None:
        """What has not come of `run` waits for somebody else; nobody is to blame."""
        self.runs.discard(run)
        if not run.over:
            self.left = merged([*self.left, (run.at, run.end)])
            run.end = run.at

    def _from_left(self, source: Source) -> tuple[int, int] | None:
        """The first pieces that nobody was asked for and `source` has, now taken."""
        most = AT_FIRST
        if source.speed:
            most = max(1, min(int(source.speed * _RUN / PIECE), MAX_PIECES))
        left = sum(end - start for start, end in self.left)
        most = min(most, max(1, -(-left // (len(self.sources) or 1))))
        held = [source.holds(*each) for each in self.left]
        first, behind = _best([each for each in held if each[0] < each[1]], source.ends)
        if first == behind:
            return None
        end = min(behind, first + most)
        if first // ALIGN != end // ALIGN:
            end -= end % ALIGN if end < behind else 0
        self.left = without(self.left, first, end)
        source.ends = [end, *source.ends[:_ENDS]]
        return first, end

    def _from_others(self, peer: Hashable, source: Source, now: float) -> tuple[Run | None, int]:
        """The run whose end `source` takes over, and from which piece on."""
        best: Run | None = None
        at, saved = 0, _WORTH
        for run in self.runs:
            if run.peer == peer:
                continue
            start, gain = self._taken(run, source, now)
            if gain > saved:
                best, at, saved = run, start, gain
        return best, at

    def _taken(self, run: Run, source: Source, now: float) -> tuple[int, float]:
        """Where the part of `run` that `source` takes over begins, and the seconds that saves."""
        theirs, ours = self._speed(run, now), source.speed or 1.0
        pieces = run.end - run.at
        alone = pieces * PIECE / theirs
        part = min(int(pieces * ours / (ours + theirs)), pieces - 1)
        start = run.end - part
        if pieces * PIECE / ours * 2 < alone and pieces == 1:
            start = run.at  # even the piece that is under way
        if start >= run.end or source.holds(start, run.end) != (start, run.end):
            return run.end, 0.0
        took = max((run.end - start) * PIECE / ours, (start - run.at) * PIECE / theirs)
        return start, alone - took

    def _speed(self, run: Run, now: float) -> float:
        """Of a run, which is slower than its peer was before if nothing has come for long."""
        source = self.sources.get(run.peer)
        shown = PIECE / max(now - run.moved, 1e-6)
        return min(source.speed, shown) if source is not None and source.speed else shown


def _best(held: Ranges, ends: list[int]) -> tuple[int, int]:
    """What is best asked for of the ranges `held`: what follows on the last, else from the first
    segment on of which there is nothing; empty: there are none.
    """
    for first, behind in held:
        if first in ends:
            return first, behind
    for first, behind in held:
        begun = -(-first // ALIGN) * ALIGN
        if begun < behind:
            return begun, behind
    return held[0] if held else (0, 0)


def merged(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """The same pieces in order, in as few ranges as there can be."""
    found: Ranges = []
    for start, end in sorted(ranges):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        elif start < end:
            found.append((start, end))
    return found


def without(ranges: Ranges, start: int, end: int) -> Ranges:
    """What is left of `ranges` when [start, end) is taken away."""
    found: Ranges = []
    for first, behind in ranges:
        found += [
            part
            for part in ((first, min(behind, start)), (max(first, end), behind))
            if part[0] < part[1]
        ]
    return found

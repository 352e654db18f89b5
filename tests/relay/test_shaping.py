"""Token buckets and turns, on a clock that stands still until it is moved."""

from edge.relay.accounting import Usage
from edge.relay.shaping import QUANTUM, Bucket, Shaper


class Clock:
    """The part of an event loop that the shaper uses."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.due: list[tuple[float, object]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: object) -> object:
        self.due.append((self.now + delay, callback))
        return self

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.due and self.due[0][0] <= end:
            self.now, callback = self.due.pop(0)
            callback()  # type: ignore[operator]
        self.now = end


class Leg:
    """What waits in the shaper's queue: `pending` bytes from one peer to another."""

    def __init__(self, shaper: Shaper, pending: int) -> None:
        self.shaper = shaper
        self.pending = pending
        self.queued = self.blocked = False
        self.source, self.target = Usage(), Usage()
        self.sent_at: list[float] = []

    def send_pending(self, most: int) -> int:
        most = self.shaper.allowed(self.source, self.target, min(most, self.pending))
        self.pending -= most
        if most:
            self.sent_at.append(self.shaper._loop.time())
        return most


def test_a_bucket_fills_at_its_rate_and_no_further_than_its_depth() -> None:
    bucket = Bucket(10_000_000, 0.0)
    bucket.spend(bucket.left(0.0))
    assert bucket.left(0.0) == 0
    assert bucket.left(0.01) == 100_000
    assert bucket.left(60.0) == bucket.depth == 500_000


def test_all_together_stay_at_the_rate() -> None:
    clock = Clock()
    shaper = Shaper(clock)  # type: ignore[arg-type]
    shaper.configure(1_000_000, 0)
    legs = [Leg(shaper, 10_000_000) for _ in range(4)]
    for leg in legs:
        shaper.wait(leg)  # type: ignore[arg-type]
    clock.run(5.0)
    sent = [10_000_000 - leg.pending for leg in legs]
    assert 4_900_000 <= sum(sent) <= 5_100_000
    assert max(sent) - min(sent) <= 2 * QUANTUM  # each the same share


def test_one_peer_stays_at_its_own_rate() -> None:
    clock = Clock()
    shaper = Shaper(clock)  # type: ignore[arg-type]
    shaper.configure(0, 200_000)
    greedy, other = Leg(shaper, 10_000_000), Leg(shaper, 100_000)
    for leg in (greedy, other):
        shaper.wait(leg)  # type: ignore[arg-type]
    clock.run(2.0)
    assert 10_000_000 - greedy.pending <= 2 * 200_000 + 65536
    assert other.pending == 0


def test_who_begins_to_wait_goes_before_who_keeps_waiting() -> None:
    clock = Clock()
    shaper = Shaper(clock)  # type: ignore[arg-type]
    shaper.configure(1_000_000, 0)
    bulk = [Leg(shaper, 50_000_000) for _ in range(8)]
    for leg in bulk:
        shaper.wait(leg)  # type: ignore[arg-type]
    clock.run(1.0)
    small = Leg(shaper, 1024)
    shaper.wait(small)  # type: ignore[arg-type]
    began = clock.now
    clock.run(1.0)
    assert small.pending == 0
    assert small.sent_at[0] - began <= 0.03


def test_a_leg_that_ends_is_forgotten() -> None:
    clock = Clock()
    shaper = Shaper(clock)  # type: ignore[arg-type]
    shaper.configure(1_000, 0)
    leg = Leg(shaper, 1_000_000)
    shaper.wait(leg)  # type: ignore[arg-type]
    shaper.forget(leg)  # type: ignore[arg-type]
    clock.run(10.0)
    assert leg.pending == 1_000_000
    assert not leg.queued

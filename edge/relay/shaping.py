"""How fast the relay relays: token buckets for all together and for each peer, fair to circuits.

Every relayed byte is received once and sent once, so one rate for all serves as the cap of both
directions of the line; each peer has a bucket for what it sends and one for what it gets.

While tokens last, payloads pass untouched. What finds none waits in its circuit and its leg is put
into a queue. Each turn a leg may send a quantum: those that have just begun to wait come before
those that keep waiting (the deficit round robin of RFC 8290), so that a small request does not
queue behind a bulk transfer.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sized

QUANTUM = 16 * 1024  # bytes a leg may send in its turn
_TICK = 0.01  # seconds between turns
_BURST = 0.05  # seconds of a rate that may pass at once
_LEAST_BURST = 64 * 1024


class Bucket:
    """Tokens of bytes that fill at `rate` a second; a rate of 0 is no limit."""

    __slots__ = ("_at", "_tokens", "rate")

    def __init__(self, rate: int, now: float) -> None:
        self.rate = rate
        self._tokens = self.depth
        self._at = now

    @property
    def depth(self) -> float:
        return max(self.rate * _BURST, _LEAST_BURST)

    def left(self, now: float) -> int:
        """Bytes that may pass now."""
        self._tokens = min(self.depth, self._tokens + (now - self._at) * self.rate)
        self._at = now
        return int(self._tokens)

    def spend(self, length: int) -> None:
        """`length` bytes have passed."""
        self._tokens -= length


class Account(Protocol):
    """One peer's; `buckets`: for what it sends and for what it gets, made when they are needed."""

    buckets: tuple[Bucket, Bucket] | None


class Waiter(Protocol):
    """A sender that waits until its bytes may pass. `queued`: whether it does, for the shaper."""

    queued: bool

    @property
    def pending(self) -> Sized:
        """The bytes that are to pass."""

    @property
    def blocked(self) -> bool:
        """Whether it would ask again by itself: tokens are not what it lacks."""

    def send_pending(self, most: int) -> int:
        """Send up to `most` bytes; returns how many passed."""


class Shaper:
    """`rate`: bytes a second in all; `peer_rate`: of one peer, each way. 0 is no limit."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.rate = 0
        self.peer_rate = 0
        self._all = Bucket(0, loop.time())
        self._new: deque[Waiter] = deque()
        self._old: deque[Waiter] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self.delayed = 0  # times that bytes had to wait

    @property
    def active(self) -> bool:
        """Whether anything is limited at all."""
        return bool(self.rate or self.peer_rate)

    def configure(self, rate: int, peer_rate: int) -> None:
        """New rates, from now on."""
        self.peer_rate = peer_rate
        self.set_rate(rate)

    def set_rate(self, rate: int) -> None:
        """A new rate for all together; it may be set often: tokens there are stay."""
        now = self._loop.time()
        if self.rate and rate:
            self._all.left(now)
            self._all.rate = rate
        else:
            self._all = Bucket(rate, now)
        self.rate = rate
        self._schedule()

    def allowed(self, source: Account, target: Account, length: int) -> int:
        """How many of `length` bytes from `source` to `target` may pass now; they are charged."""
        now = self._loop.time()
        buckets = self._buckets(source, target, now)
        for bucket in buckets:
            length = min(length, bucket.left(now))
        if length <= 0:
            return 0
        for bucket in buckets:
            bucket.spend(length)
        return length

    def wait(self, waiter: Waiter) -> None:
        """`waiter` has bytes pending that found no tokens."""
        if not waiter.queued:
            waiter.queued = True
            self.delayed += 1
            self._new.append(waiter)
            self._schedule()

    def forget(self, waiter: Waiter) -> None:
        """`waiter` has ended."""
        if waiter.queued:
            waiter.queued = False
            for queue in (self._new, self._old):
                if waiter in queue:
                    queue.remove(waiter)

    def _buckets(self, source: Account, target: Account, now: float) -> list[Bucket]:
        buckets = [self._all] if self.rate else []
        if self.peer_rate:
            for account, way in ((source, 0), (target, 1)):
                if account.buckets is None or account.buckets[0].rate != self.peer_rate:
                    account.buckets = (Bucket(self.peer_rate, now), Bucket(self.peer_rate, now))
                buckets.append(account.buckets[way])
        return buckets

    def _schedule(self) -> None:
        if self._timer is None and (self._new or self._old):
            self._timer = self._loop.call_later(_TICK, self._turn)

    def _turn(self) -> None:
        """Give each waiter a quantum, again and again, until tokens or waiters run out."""
        self._timer = None
        while self._round():
            pass
        self._schedule()

    def _round(self) -> bool:
        """One quantum for each waiter; True if any had its own in full.

        A waiter that finds no tokens keeps its place in front of those that have had some.
        """
        waiting = [*self._new, *self._old]
        self._new.clear()
        self._old.clear()
        passed: list[Waiter] = []
        full = False
        for waiter in waiting:
            sent = waiter.send_pending(QUANTUM)
            full = full or sent >= QUANTUM
            if not waiter.pending or waiter.blocked:
                waiter.queued = False
            elif sent:
                passed.append(waiter)
            else:
                self._old.append(waiter)
        self._old += passed
        return full

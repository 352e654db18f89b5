"""Provider records: who has said that it provides what a key stands for.

A peer speaks for itself only, and a record lasts as long as libp2p has it. Where nobody pays for
what he writes, quotas decide: for each peer, for each key, and in all. When the whole is full, the
origin (an IP group, or the relay that a peer comes through) that has most records loses its oldest,
so that a flood pushes out itself.

Source: libp2p/specs kad-dht, "Content provider advertisement and discovery"
"""

from __future__ import annotations

from edge.budget import within
from edge.wire.kad import K

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.budget import Pool
    from edge.wire.peerid import PeerId

RECORD = 896  # bytes that one costs, of a peer and an origin with no other
TTL = 48 * 3600.0  # seconds; providers say it again after 22 hours
MAX_RECORDS = 4096
MAX_PER_PEER = 128
MAX_PER_KEY = K  # as many as an answer holds
_PART = 4  # of the memory, one in so many is for the records


class Record:
    """`expires_at`: in loop time. `origin`: what quotas count it under."""

    __slots__ = ("expires_at", "origin")

    def __init__(self, expires_at: float, origin: bytes) -> None:
        self.expires_at = expires_at
        self.origin = origin


class Providers:
    """The records. `pool`: leases their memory; `clock`: seconds, monotonic."""

    def __init__(self, pool: Pool, clock: Callable[[], float]) -> None:
        self._pool = pool
        self._clock = clock
        self._keys: dict[bytes, dict[PeerId, Record]] = {}
        self._per_peer: dict[PeerId, int] = {}
        # By origin: its records as (key, peer), the oldest first.
        self._origins: dict[bytes, dict[tuple[bytes, PeerId], None]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def most(self) -> int:
        """Records that there may be."""
        return within(16, self._pool.ceiling // _PART // RECORD, MAX_RECORDS)

    def add(self, key: bytes, peer: PeerId, origin: bytes) -> bool:
        """`peer` provides `key`, from now on for TTL. False: that is beyond its quota."""
        self.remove(key, peer)
        holders = self._keys.get(key, {})
        if len(holders) >= MAX_PER_KEY or self._per_peer.get(peer, 0) >= MAX_PER_PEER:
            return False
        while self._count >= self.most or not self._pool.take(RECORD):
            if not self._push_out():
                return False
        # What was pushed out may have been the last one of this key.
        self._keys.setdefault(key, {})[peer] = Record(self._clock() + TTL, origin)
        self._origins.setdefault(origin, {})[key, peer] = None
        self._per_peer[peer] = self._per_peer.get(peer, 0) + 1
        self._count += 1
        return True

    def of(self, key: bytes) -> list[PeerId]:
        """Who provides `key`, as far as is known here; who said so last is first."""
        now = self._clock()
        holders = reversed(self._keys.get(key, {}).items())
        return [peer for peer, record in holders if record.expires_at > now]

    def expire(self) -> None:
        """Forget what has not been said again in time."""
        now = self._clock()
        for records in list(self._origins.values()):
            for key, peer in list(records):
                if self._keys[key][peer].expires_at > now:
                    break  # as all that follow
                self.remove(key, peer)

    def _push_out(self) -> bool:
        """Make room: the oldest record of the origin that has most of them goes."""
        origin = max(self._origins, key=lambda one: len(self._origins[one]), default=None)
        if origin is None:
            return False
        self.remove(*next(iter(self._origins[origin])))
        return True

    def remove(self, key: bytes, peer: PeerId) -> None:
        """Forget that `peer` provides `key`, if it is known."""
        holders = self._keys.get(key, {})
        record = holders.pop(peer, None)
        if record is None:
            return
        if not holders:
            del self._keys[key]
        records = self._origins[record.origin]
        del records[key, peer]
        if not records:
            del self._origins[record.origin]
        self._per_peer[peer] -= 1
        if not self._per_peer[peer]:
            del self._per_peer[peer]
        self._count -= 1
        self._pool.give(RECORD)

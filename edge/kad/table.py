"""The routing table: peers of the DHT in buckets by their distance, as Kademlia has it.

It holds connected peers only, so each entry is alive. Whoever came first stays: a newcomer to a
full bucket waits until a place is free, and nobody is pushed out by ids that were made to be near.
An address has few entries in the whole table, and the networks around it (edge.swarm.crowd) a few
times as many, for where one address is free a whole network is.

Source: Maymounkov and Mazieres, "Kademlia" (2002), 2.2 and 2.4; libp2p/specs kad-dht
"""

from __future__ import annotations

import hashlib

from edge.swarm.crowd import Crowd
from edge.wire.ip import LOOPBACK, ip_group, scope
from edge.wire.kad import K

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

    from edge.budget import Pool
    from edge.wire.kad import Peer
    from edge.wire.peerid import PeerId

ENTRY = 2048  # bytes that a peer costs, in its place or waiting, with what is told of it
_PER_ADDRESS = 2  # entries
_PART = 4  # of the memory, one in so many is for the table
_BITS = 256


def kad_id(key: bytes) -> int:
    """The place of `key`, or of the bytes of a peer id, among all: its SHA-256."""
    return int.from_bytes(hashlib.sha256(key).digest(), "big")


class Entry:
    """A peer in the table. `id`: as of `kad_id`; `group`: as of edge.swarm.crowd.

    `told`: what others were told of it last, and what that depended on (edge.kad.contacts).
    """

    __slots__ = ("group", "id", "peer", "told")

    def __init__(self, peer: PeerId, ip: bytes) -> None:
        self.peer = peer
        self.id = kad_id(peer.bytes)
        self.told: tuple[object, Peer] | None = None
        # The machine itself is under no limit: nobody comes from there but its own users.
        self.group = b"" if scope(ip) == LOOPBACK else ip_group(ip)


class Bucket:
    """Peers at about the same distance: K at most have a place, and as many `wait` for one."""

    __slots__ = ("placed", "waiting")

    def __init__(self) -> None:
        self.placed: dict[PeerId, Entry] = {}
        self.waiting: dict[PeerId, Entry] = {}  # who waits for longest is first

    @property
    def full(self) -> bool:
        """Whether nobody else may even wait."""
        return len(self.waiting) >= K

    def remove(self, peer: PeerId) -> None:
        """Forget `peer`, which is in here."""
        if self.waiting.pop(peer, None) is None:
            del self.placed[peer]
            first = next(iter(self.waiting), None)
            if first is not None:
                self.placed[first] = self.waiting.pop(first)


class RoutingTable:
    """The table of the node `own`. `pool`: leases its memory."""

    def __init__(self, own: PeerId, pool: Pool) -> None:
        self._own = kad_id(own.bytes)
        self._pool = pool
        self._buckets: dict[int, Bucket] = {}  # by the bits that their ids have in common with ours
        self._entries: dict[PeerId, Entry] = {}
        self._crowd = Crowd()  # of them

    def __len__(self) -> int:
        """How many peers have a place."""
        return sum([len(bucket.placed) for bucket in self._buckets.values()])

    def __contains__(self, peer: PeerId) -> bool:
        """Whether `peer` has a place."""
        return any(peer in bucket.placed for bucket in self._buckets.values())

    def entry(self, peer: PeerId) -> Entry | None:
        """The entry of `peer`, if it has one."""
        return self._entries.get(peer)

    def add(self, peer: PeerId, ip: bytes) -> None:
        """`peer`, connected from `ip` (4 or 16 bytes), speaks the protocol."""
        if peer in self._entries:
            return
        entry = Entry(peer, ip)
        index = self._index(entry)
        bucket = self._buckets.get(index) or Bucket()
        full = bucket.full or len(self._entries) >= self._pool.ceiling // _PART // ENTRY
        crowded = self._crowd.full(entry.group, _PER_ADDRESS) is not None
        if full or crowded or not self._pool.take(ENTRY):
            return
        self._buckets[index] = bucket
        self._entries[peer] = entry
        self._crowd.enter(entry.group)
        (bucket.placed if len(bucket.placed) < K else bucket.waiting)[peer] = entry

    def remove(self, peer: PeerId) -> None:
        """`peer` is gone, or does not speak the protocol any more; who waited takes its place."""
        entry = self._entries.pop(peer, None)
        if entry is None:
            return
        self._pool.give(ENTRY)
        self._crowd.leave(entry.group)
        index = self._index(entry)
        bucket = self._buckets[index]
        bucket.remove(peer)
        if not bucket.placed:
            del self._buckets[index]

    def nearest(self, key: int, count: int, without: Container[PeerId | None] = ()) -> list[PeerId]:
        """The `count` peers nearest to `key`, the nearest first; none of `without`."""
        entries = [entry for bucket in self._buckets.values() for entry in bucket.placed.values()]
        entries.sort(key=lambda entry: entry.id ^ key)
        return [entry.peer for entry in entries if entry.peer not in without][:count]

    # --- inside ---

    def _index(self, entry: Entry) -> int:
        return _BITS - (entry.id ^ self._own).bit_length()

"""The reservations that the relay holds for others: who has one, until when, how many there may be.

A table without I/O: the service decides who is asked, logs, and keeps connections.
"""

from __future__ import annotations

import math

from edge.relay.accounting import PEER_ENTRY
from edge.swarm.crowd import Crowd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.budget import Pool
    from edge.relay.admission import Admission
    from edge.relay.resources import Resources
    from edge.wire.peerid import PeerId

_ASLEEP = b"asleep"  # the group of reservations that are kept for peers without a connection


class Reservation:
    """One peer's: until when (loop time), and what per-IP limits count it under.

    `foreign`: the peer is not known to be of this network. `spare`: its group had no more to have.
    """

    __slots__ = ("expires_at", "foreign", "group", "spare")

    def __init__(self, expires_at: float, group: bytes, foreign: bool, spare: bool = False) -> None:
        self.expires_at = expires_at
        self.group = group
        self.foreign = foreign
        self.spare = spare

    @property
    def asleep(self) -> bool:
        """Whether it is only kept: its peer has to be woken."""
        return self.group == _ASLEEP


class Reservations:
    """At most one for each peer, the one renewed last at the end. `pool`: leases their memory.

    `limits` and the share that `admission` leaves to foreigners hold for new reservations; those
    there are stay when they shrink. Sleepers have a reservation at all times.
    """

    def __init__(self, limits: Resources, admission: Admission, pool: Pool) -> None:
        self._limits = limits
        self._admission = admission
        self._pool = pool
        self._table: dict[PeerId, Reservation] = {}
        self._origins = Crowd()
        self._sleepers: frozenset[PeerId] = frozenset()
        self._foreigners = 0

    def __len__(self) -> int:
        return len(self._table)

    def __iter__(self) -> Iterator[PeerId]:
        return iter(list(self._table))

    def __contains__(self, peer: PeerId) -> bool:
        return peer in self._table

    def get(self, peer: PeerId) -> Reservation | None:
        """The reservation of `peer`, if it has one."""
        return self._table.get(peer)

    def may_sleep(self, peer: PeerId) -> bool:
        """Whether the reservation of `peer` outlasts its connections."""
        return peer in self._sleepers

    # --- limits ---

    def full(self, foreign: bool) -> bool:
        """Whether there is none left, for a foreigner or for a peer of this network."""
        limit = self._limits.max_reservations
        if foreign and self._foreigners >= self._admission.foreign_limit(limit):
            return True
        return len(self._table) >= limit

    def group_full(self, peer: PeerId, group: bytes) -> bool:
        """Whether other peers have taken all that `group`, or a network around it, may have."""
        held = self._table.get(peer)
        if held is not None and held.group == group:
            return False
        limit, before = self._limits.max_reservations_per_ip, held.group if held else b""
        return self._origins.full(group, limit, without=before) is not None

    def foreigners(self) -> list[PeerId]:
        """The peers that yield to a peer of this network, the one renewed last at the end."""
        return [
            peer
            for peer, held in self._table.items()
            if held.foreign and peer not in self._sleepers
        ]

    def spare(self) -> list[PeerId]:
        """Those of this network that have what was left over, and yield to one of another group."""
        return [
            peer
            for peer, held in self._table.items()
            if held.spare and not held.foreign and peer not in self._sleepers
        ]

    # --- changes ---

    def add(self, peer: PeerId, group: bytes, foreign: bool, expires_at: float) -> bool:
        """Grant or renew; the limits have been asked. False: there is no memory for it."""
        held = self._table.get(peer)
        if held is None and not self._pool.take(PEER_ENTRY):
            return False
        spare = held.spare if held and held.group == group else self.group_full(peer, group)
        self._pop(peer)
        self._put(peer, Reservation(expires_at, group, foreign, spare))
        return True

    def remove(self, peer: PeerId) -> None:
        """Forget the reservation of `peer`, if it has one."""
        if self._pop(peer):
            self._pool.give(PEER_ENTRY)

    def expire(self, peer: PeerId) -> bool:
        """The reservation of `peer` is over. True: it is kept, as `peer` may sleep."""
        if peer in self._sleepers:
            self._add_sleeping(peer)
            return True
        self.remove(peer)
        return False

    def expired(self, now: float) -> list[PeerId]:
        """Whose time is up at `now`."""
        return [peer for peer, held in self._table.items() if held.expires_at <= now]

    def classify(self, peer: PeerId, foreign: bool) -> None:
        """It has become known whether `peer`, who has a reservation, is a foreigner."""
        held = self._table[peer]
        self._foreigners += foreign - held.foreign
        held.foreign = foreign

    def keep(self, sleepers: frozenset[PeerId]) -> None:
        """From now on exactly `sleepers` have reservations that outlast their connections."""
        self._sleepers = sleepers
        for peer, held in list(self._table.items()):
            if held.asleep and peer not in sleepers:
                self.remove(peer)
        for peer in sleepers:
            if peer not in self._table:
                self._add_sleeping(peer)

    # --- inside ---

    def _add_sleeping(self, peer: PeerId) -> None:
        self.add(peer, _ASLEEP, foreign=False, expires_at=math.inf)

    def _put(self, peer: PeerId, reservation: Reservation) -> None:
        self._table[peer] = reservation
        self._foreigners += reservation.foreign
        self._origins.enter(reservation.group)

    def _pop(self, peer: PeerId) -> bool:
        """Whether `peer` had a reservation; its lease remains, for the one that replaces it."""
        held = self._table.pop(peer, None)
        if held is None:
            return False
        self._foreigners -= held.foreign
        self._origins.leave(held.group)
        return True

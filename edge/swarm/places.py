"""Who has a place in the table of connections: limits by origin, and who gives way when it is full.

What is known decides when. When a connection is accepted, that is where it comes from: an address,
the networks around it and a relay have their limits (edge.swarm.crowd). After the handshake it is
who comes. A newcomer to a full table takes the place of the connection that is worth least, so that
nobody keeps others out by being early: one that carries no admitted work, that nobody wants kept,
of a foreigner before one of this network's own, of the origin that has most before others, the
oldest. Foreigners have nine tenths of the table; whoever has not identified itself so far is one,
unless the owner has listed it. Who is listed is never displaced. Connections that this node dials
always have a place.
"""

from __future__ import annotations

from edge.swarm.crowd import Crowd
from edge.swarm.work import CONTROL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

    from edge.swarm.connection import Connection
    from edge.swarm.shared import Shared
    from edge.wire.peerid import PeerId

    Table = dict[PeerId, list[Connection]]

# How much a peer is favoured. OWN is what it says of itself: it decides who goes first, no more.
FOREIGN, OWN, LISTED = range(3)
PATIENCE = 2.0  # seconds that a newcomer has to come to something before it gives way to another
_KEPT = 10  # one part in so many of the table is not for foreigners


class Places:
    """The places of one swarm. `table`: its open connections; `protected`: peers that are kept.

    `favour`: how much the peer on a connection is favoured: FOREIGN, OWN or LISTED.
    """

    def __init__(self, shared: Shared, table: Table, protected: Container[PeerId | None]) -> None:
        self.favour: Callable[[Connection], int] = lambda _: FOREIGN
        self._shared = shared
        self._table = table
        self._protected = protected
        self.origins = Crowd()  # of all connections, those in the handshake too

    # --- where from ---

    def crowded(self, group: bytes) -> bool:
        """Whether `group`, or a network that it is in, has as many connections as it may have."""
        limit = self._shared.limits.max_connections_per_ip
        return self.origins.full(group, limit) is not None

    # --- who ---

    def full_for_all(self, count: int) -> bool:
        """Whether, with `count` open connections, there is no place for anybody, whoever it is."""
        return count >= self._shared.limits.max_connections and self._least_valuable() is None

    def make_room(self, newcomer: Connection, count: int) -> bool:
        """Whether `newcomer` has a place beside `count` open connections; another may give way."""
        limits, peer = self._shared.limits, newcomer.peer
        assert peer is not None
        if len(self._table.get(peer, ())) >= limits.max_connections_per_peer:
            return True  # that of its peer's oldest
        most = limits.max_connections
        share = most - most // _KEPT
        too_many = count >= share and self._foreign(newcomer) and self._foreigners() >= share
        if count < most and not too_many:
            return True
        displaced = self._least_valuable()
        if displaced is None or (too_many and not self._foreign(displaced)):
            return newcomer.initiator
        self._shared.count_refusal("connection-displaced")
        displaced.close("another one needs its place")
        return True

    def _foreign(self, connection: Connection) -> bool:
        return not connection.initiator and self.favour(connection) == FOREIGN

    def _foreigners(self) -> int:
        return sum([self._foreign(one) for some in self._table.values() for one in some])

    def _least_valuable(self) -> Connection | None:
        before = self._shared.loop.time() - PATIENCE
        theirs = [one for one in self._spare() if one.opened_at <= before]
        strangers = [one for one in theirs if self.favour(one) < LISTED]
        return min(strangers, key=self._value, default=None)

    def _spare(self) -> Iterator[Connection]:
        """Those that came to us, and carry no admitted work; of a protected peer one is kept."""
        for peer, siblings in self._table.items():
            spare = [one for one in siblings if one.work == CONTROL and not one.initiator]
            lasting = [one for one in siblings if not one.leaving]
            if peer in self._protected and lasting and all(one in spare for one in lasting):
                spare.remove(max(lasting, key=most_wanted))
            yield from spare

    def _value(self, connection: Connection) -> tuple[int, int, float]:
        crowd = self.origins.size(connection.group)
        return self.favour(connection), -crowd, connection.opened_at


def most_wanted(connection: Connection) -> tuple[bool, float]:
    """The order of connections to one peer: direct before relayed, then the newest."""
    return connection.direct, connection.opened_at

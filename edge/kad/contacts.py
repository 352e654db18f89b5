"""Where peers can be reached, as this node tells others.

Known are the connected peers, those that hold a reservation here, and remembered ones. An address
is told to whom it means something: a private one to peers that are on such a network themselves, as
with our own (edge.swarm.addresses), and never to the internet. What is most likely to work comes
first: a direct public address, then circuits through this node, then those through others.
"""

from __future__ import annotations

from edge.wire import kad
from edge.wire.errors import RemoteProtocolError
from edge.wire.ip import CGNAT, LINK_LOCAL, LOOPBACK, PRIVATE, PUBLIC
from edge.wire.multiaddr import fitting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge.host import Host
    from edge.kad.table import RoutingTable
    from edge.swarm.connection import Connection
    from edge.wire.multiaddr import Multiaddr
    from edge.wire.peerid import PeerId

MAX_ADDRESSES = 8  # told of a peer
_DIRECT = 3  # that come before its circuits, which have room in any case
_LONGEST = 128  # bytes of an address that a peer claims
_ROOM = 600  # bytes of an answer that they may take, so that K peers fit
_OVERHEAD = 4  # bytes that each takes beside its own
_NEAR = (PUBLIC, None, PRIVATE, CGNAT)  # None: a name
# The scopes of the addresses that a peer is told, by that of its own.
_TOLD: dict[str | None, tuple[str | None, ...]] = {
    PRIVATE: _NEAR,
    CGNAT: _NEAR,
    LINK_LOCAL: _NEAR,
    LOOPBACK: (*_NEAR, LOOPBACK),
}


class Contacts:
    """Of the peers of `host`. What was made of one is kept with its entry in `table`."""

    def __init__(self, host: Host, table: RoutingTable) -> None:
        self._host = host
        self._table = table
        self._swarm = host.swarm

    def of(self, peers: Iterable[PeerId], asker: Connection) -> list[kad.Peer]:
        """Those of `peers` for which there is an address that helps the peer on `asker`."""
        scopes = self._scopes(asker)
        here = self._host.addresses.usable_by(asker)
        local = asker.local  # where it has reached us, if nothing else is known
        if not here and local is not None and local.scope() in scopes:
            here = [local]
        found = [self._contact(peer, scopes, here) for peer in peers]
        return [contact for contact in found if contact.addrs]

    def addresses(self, peer: PeerId) -> list[Multiaddr]:
        """Where `peer` has said that it is, the most likely to work first."""
        return self._ranked(peer, _TOLD[LOOPBACK], self._host.addresses.confirmed)

    def _contact(
        self, peer: PeerId, scopes: tuple[str | None, ...], here: list[Multiaddr]
    ) -> kad.Peer:
        entry, connection = self._table.entry(peer), self._swarm.connection_to(peer)
        info = connection.info if connection is not None else None
        depends_on = info, scopes, here, self._host.relays_for(peer)
        if entry is not None and entry.told is not None and entry.told[0] == depends_on:
            return entry.told[1]
        told = fitting(self._ranked(peer, scopes, here), _ROOM, _OVERHEAD, MAX_ADDRESSES)
        connected = kad.NOT_CONNECTED if connection is None else kad.CONNECTED
        contact = kad.Peer(id=peer.bytes, addrs=[a.bytes for a in told], connection=connected)
        if entry is not None:
            entry.told = depends_on, contact
        return contact

    def _ranked(
        self, peer: PeerId, scopes: tuple[str | None, ...], here: list[Multiaddr]
    ) -> list[Multiaddr]:
        """The addresses of `peer` in `scopes`. `here`: those of this node, for circuits."""
        if peer == self._swarm.peer_id:
            return here
        public: list[Multiaddr] = []
        near: list[Multiaddr] = []
        through_others: list[Multiaddr] = []
        for address in self._claimed(peer):
            scope = address.scope()
            if scope not in scopes:
                continue
            if address.is_circuit:
                through_others += _circuit_to(peer, address)
            else:
                (public if scope in (PUBLIC, None) else near).append(address.without_peer())
        circuits: list[Multiaddr] = []
        if self._host.relays_for(peer):
            own = self._swarm.peer_id
            circuits = [address.with_peer(own).via_circuit(peer) for address in here]
        first, rest = public[:_DIRECT], public[_DIRECT:]
        return list(dict.fromkeys([*first, *circuits, *through_others, *rest, *near]))

    def _claimed(self, peer: PeerId) -> list[Multiaddr]:
        """What `peer` says of itself now, else what is remembered; first, where it was dialled."""
        connection = self._swarm.connection_to(peer)
        if connection is None or connection.info is None:
            return self._host.store.addresses(peer)
        claimed = [
            address
            for address in connection.info.addresses
            if address.peer_id() in (None, peer) and len(address.bytes) <= _LONGEST
        ]
        if connection.initiator and connection.direct:
            claimed.insert(0, connection.remote)
        return claimed

    def _scopes(self, asker: Connection) -> tuple[str | None, ...]:
        scope = asker.remote.scope() if asker.direct else PUBLIC
        return _TOLD.get(scope, (PUBLIC, None))


def _circuit_to(peer: PeerId, address: Multiaddr) -> list[Multiaddr]:
    """The circuit `address` with its target named; none if that makes it too long."""
    try:
        return [address.with_peer(peer)]
    except RemoteProtocolError:
        return []

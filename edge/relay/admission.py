"""The rules of admission: permission, addresses, and priority when the relay is full.

The network's own peers (by agent or protocols in identify: KwaaiNet, hivemind, Petals) come before
foreigners, who get at most a share of the reservations and lose them when one of ours needs one.
Lists of peer ids and networks allow and deny; in private mode only listed peers are served.
"""

from __future__ import annotations

import asyncio

from edge.swarm.places import FOREIGN, LISTED, OWN
from edge.wire.ip import LINK_LOCAL
from edge.wire.network import Network
from edge.wire.peerid import PeerId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.config.schema import Relay
    from edge.swarm.addresses import OwnAddresses
    from edge.swarm.connection import Connection
    from edge.wire.identify import IdentifyInfo
    from edge.wire.multiaddr import Multiaddr

# Words in an agent (lower case), prefixes of a protocol: either tells a peer of this network.
OWN_AGENTS = ("kwaai", "hivemind", "petals")
OWN_PROTOCOLS = ("/kwaai/", "/kwaainet/", "DHTProtocol.", "/hivemind/", "/petals/")
_IDENTIFY_WAIT = 3.0  # seconds for a peer to identify itself, where that decides
_IDENTIFY_LOOKS = 30


class Admission:
    """The rules of [relay]; until configured nobody is denied, and nobody is served.

    `addresses`: of this node. `foreign_share`: percent of the reservations for foreigners.
    """

    def __init__(self, addresses: OwnAddresses) -> None:
        self.service = "no"
        self.private = False
        self.foreign_share = 0
        self.allow_peers: frozenset[PeerId] = frozenset()
        self.deny_peers: frozenset[PeerId] = frozenset()
        self.allow_networks: list[Network] = []
        self.deny_networks: list[Network] = []
        self._addresses = addresses

    def configure(self, relay: Relay) -> None:
        """Follow the lists of `relay`, which the configuration has checked."""
        self.service = relay.service
        self.private = relay.private
        self.foreign_share = relay.foreign_share
        self.allow_peers = frozenset(map(PeerId.from_string, relay.allow_peers))
        self.deny_peers = frozenset(map(PeerId.from_string, relay.deny_peers))
        self.allow_networks = list(map(Network.from_string, relay.allow_networks))
        self.deny_networks = list(map(Network.from_string, relay.deny_networks))

    @property
    def public(self) -> bool:
        """Whether anybody on the internet may relay here."""
        return self.service != "no" and not self.private and bool(self._addresses.confirmed)

    def denied(self, connection: Connection) -> str | None:
        """Why the peer on `connection` may not even connect, or None."""
        refusal = None if connection.peer is None else self.denied_peer(connection.peer)
        ip = connection.remote.ip() if connection.direct else None
        return self.denied_ip(ip) if refusal is None and ip is not None else refusal

    def denied_peer(self, peer: PeerId) -> str | None:
        """Why `peer` may not connect, wherever it is, or None."""
        return "denied-peer" if peer in self.deny_peers else None

    def denied_ip(self, ip: bytes) -> str | None:
        """Why nobody at `ip` may connect, or None."""
        if any(ip in network for network in self.deny_networks):
            return "denied-network"
        return None

    def may_relay(self, connection: Connection) -> bool:
        """Whether the peer on `connection` may reserve and open circuits."""
        if self.service == "no" or not connection.direct or connection.closed is not None:
            return False
        if not self.private or connection.peer in self.allow_peers:
            return True
        ip = connection.remote.ip()
        return ip is not None and any(ip in network for network in self.allow_networks)

    def may_sleep(self, peer: PeerId) -> bool:
        """Whether a reservation is kept for `peer`, which is not here: its network is unknown."""
        if self.service == "no" or peer in self.deny_peers:
            return False
        return not self.private or peer in self.allow_peers or bool(self.allow_networks)

    def usable_by(self, connection: Connection) -> list[Multiaddr]:
        """Addresses at which others find the peer on `connection` through this relay.

        Empty: it is no relay for that peer.
        """
        if self.service == "no" or not connection.direct:
            return []
        addresses = self._addresses.usable_by(connection)
        local = connection.local
        if addresses or self.service != "yes" or local is None or local.scope() == LINK_LOCAL:
            return addresses
        return [local]

    def offered(self, connection: Connection) -> bool:
        """Whether the peer on `connection` is told that this is a relay."""
        return bool(self.usable_by(connection))

    def is_own(self, peer: PeerId, info: IdentifyInfo | None) -> bool:
        """Whether `peer` is of this network: it says so, or it is on the list of the allowed."""
        if peer in self.allow_peers:
            return True
        if info is None:
            return False
        agent = info.agent.lower()
        return any(word in agent for word in OWN_AGENTS) or any(
            protocol.startswith(OWN_PROTOCOLS) for protocol in info.protocols
        )

    def favour(self, connection: Connection) -> int:
        """How much the peer on `connection` is favoured, where not all have a place."""
        if connection.peer is None or not self.is_own(connection.peer, connection.info):
            return FOREIGN
        return LISTED if connection.peer in self.allow_peers else OWN

    async def is_foreign(self, connection: Connection) -> bool:
        """Whether the peer on `connection` is of another network.

        Waits a moment for it to identify itself.
        """
        for _ in range(_IDENTIFY_LOOKS):
            if connection.info is not None or connection.closed is not None:
                break
            await asyncio.sleep(_IDENTIFY_WAIT / _IDENTIFY_LOOKS)
        assert connection.peer is not None
        return not self.is_own(connection.peer, connection.info)

    def foreign_limit(self, reservations: int) -> int:
        """How many of `reservations` foreigners may hold."""
        return reservations * self.foreign_share // 100

"""Who may use the relay, and who comes first when it is full.

The network's own peers (by agent or protocols in identify: KwaaiNet, hivemind, Petals) come before
foreigners, who get at most a share of the slots and give them up when one of ours needs one. Lists
of peer ids and networks allow and deny; in private mode only listed peers are served.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.wire.ip import parse_ip4, parse_ip6

if TYPE_CHECKING:
    from edge.swarm.connection import Connection
    from edge.wire.identify import IdentifyInfo
    from edge.wire.peerid import PeerId

# In an agent, in lower case; and what one of a peer's protocols begins with.
OWN_AGENTS = ("kwaai", "hivemind", "petals")
OWN_PROTOCOLS = ("/kwaai/", "/kwaainet/", "DHTProtocol.", "/hivemind/", "/petals/")


class Network:
    """An IP range, such as 192.0.2.0/24. `prefix`: bits that count."""

    __slots__ = ("_length", "_number", "_shift")

    def __init__(self, ip: bytes, prefix: int) -> None:
        self._length = len(ip)
        self._shift = len(ip) * 8 - prefix
        self._number = int.from_bytes(ip, "big") >> self._shift

    @classmethod
    def from_string(cls, text: str) -> Network:
        """`text` has been checked by the configuration: an address, a slash, a prefix length."""
        address, _, prefix = text.partition("/")
        ip = parse_ip6(address) if ":" in address else parse_ip4(address)
        return cls(ip, int(prefix))

    def __contains__(self, ip: bytes) -> bool:
        return len(ip) == self._length and int.from_bytes(ip, "big") >> self._shift == self._number


class Admission:
    """The lists and the share. `foreign_share`: percent of the slots that foreigners may hold."""

    def __init__(self) -> None:
        self.private = False
        self.foreign_share = 25
        self.allow_peers: frozenset[PeerId] = frozenset()
        self.deny_peers: frozenset[PeerId] = frozenset()
        self.allow_networks: list[Network] = []
        self.deny_networks: list[Network] = []

    def denied(self, connection: Connection) -> str | None:
        """Why the peer on `connection` may not even connect, or None."""
        if connection.peer in self.deny_peers:
            return "denied-peer"
        ip = connection.remote.ip() if connection.direct else None
        if ip is not None and any(ip in network for network in self.deny_networks):
            return "denied-network"
        return None

    def may_relay(self, connection: Connection) -> bool:
        """Whether the peer on `connection` may reserve and open circuits."""
        if not self.private:
            return True
        ip = connection.remote.ip()
        return connection.peer in self.allow_peers or (
            ip is not None and any(ip in network for network in self.allow_networks)
        )

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

    def foreign_slots(self, slots: int) -> int:
        """How many of `slots` foreigners may hold."""
        return slots * self.foreign_share // 100

"""Which addresses are this node's own, which of them others can use, and whether it is behind NAT.

Known are the configured external addresses, the interfaces', and those two or more peers have
observed. An observation counts for a whole address if the peer has dialled it (an inbound
connection: that is where it found us), for an IP alone otherwise (the port was a passing one).
Observers are told apart by IP, so that one host with many peer ids is one voice. Link-local
addresses are told to nobody: the zone that makes them work has another name on each machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge import log
from edge.wire.ip import LINK_LOCAL, ip_group, scope
from edge.wire.multiaddr import Multiaddr

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    from edge.swarm.connection import Connection

    _Key = TypeVar("_Key")

PUBLIC, PRIVATE, UNKNOWN = "public", "private", "unknown"
CONFIRMATIONS = 2  # observers it takes
_MAX_OBSERVED = 32
_MAX_OBSERVERS = 8
_LOCAL_SCOPES = ("private", "cgnat")


class OwnAddresses:
    """`external`: configured. `listening`, `interfaces`: what the node has now, asked each time."""

    def __init__(
        self,
        external: Iterable[Multiaddr],
        listening: Callable[[], list[Multiaddr]],
        interfaces: Callable[[], Iterable[bytes]],
    ) -> None:
        self.external = list(external)
        self.circuits: list[Multiaddr] = []  # through the relays we hold reservations on
        self.changed: list[Callable[[], None]] = []
        self._listening = listening
        self._interfaces = interfaces
        self._own: dict[Multiaddr, str | None] = {}  # and how far each reaches
        self._observed: dict[Multiaddr, set[bytes]] = {}
        self._observed_ips: dict[bytes, set[bytes]] = {}

    def configure(self, external: Iterable[Multiaddr]) -> None:
        """Other external addresses from now on; tell `changed` if they are others."""
        configured = list(external)
        if configured != self.external:
            self.external = configured
            self._tell()

    def refresh(self) -> None:
        """Read the interfaces anew; tell `changed` if that changes anything."""
        expanded = {address: address.scope() for address in self._expand()}
        own = {address: reach for address, reach in expanded.items() if reach != LINK_LOCAL}
        if own != self._own:
            self._own = own
            self._tell()

    def observe(self, connection: Connection, observed: Multiaddr) -> None:
        """The peer on `connection` says where it sees us."""
        ip, remote = observed.ip(), connection.remote.ip()
        if not connection.direct or ip is None or remote is None or scope(ip) != "public":
            return
        before = self.nat, self.confirmed
        observer = ip_group(remote)
        _note(self._observed_ips, ip, observer)
        if not connection.initiator and observed.host_port() is not None:
            _note(self._observed, observed.without_peer(), observer)
        if (self.nat, self.confirmed) != before:
            self._tell()

    def forget_observations(self) -> None:
        """The network has changed: what was observed is no longer so."""
        self._observed.clear()
        self._observed_ips.clear()

    def set_circuits(self, circuits: list[Multiaddr]) -> None:
        """The addresses at which relays hold us reachable."""
        if circuits != self.circuits:
            self.circuits = circuits
            self._tell()

    @property
    def confirmed(self) -> list[Multiaddr]:
        """Where anyone on the internet reaches us directly."""
        found = [*self.external, *(a for a, reach in self._own.items() if reach == "public")]
        found += [a for a, seen in self._observed.items() if len(seen) >= CONFIRMATIONS]
        return list(dict.fromkeys(found))

    @property
    def advertised(self) -> list[Multiaddr]:
        """The addresses announced to everyone."""
        return self.confirmed + self.circuits

    @property
    def observed(self) -> dict[Multiaddr, int]:
        """Whole addresses, and by how many observers each was seen."""
        return {address: len(seen) for address, seen in self._observed.items()}

    @property
    def nat(self) -> str:
        """PUBLIC, PRIVATE (behind NAT) or UNKNOWN."""
        if self.confirmed:
            return PUBLIC
        if any(len(seen) >= CONFIRMATIONS for seen in self._observed_ips.values()):
            return PRIVATE
        return UNKNOWN

    def usable_by(self, connection: Connection) -> list[Multiaddr]:
        """Where the peer on `connection` can reach us directly.

        Private and loopback addresses count only for a peer that is on such a network itself.
        """
        found = list(self.confirmed)
        ip = connection.remote.ip() if connection.direct else None
        near = scope(ip) if ip is not None else "public"
        if near == "loopback":
            found += self._own
        elif near != "public":
            own = self._own.items()
            found += [a for a, reach in own if reach in _LOCAL_SCOPES or reach == near]
        return list(dict.fromkeys(found))

    def advertised_to(self, connection: Connection) -> list[Multiaddr]:
        """The addresses announced to the peer on `connection`: as `usable_by`, and the circuits."""
        return self.usable_by(connection) + self.circuits

    def _expand(self) -> Iterable[Multiaddr]:
        """The listening addresses, the unspecified ones as all that the interfaces have."""
        interfaces = list(self._interfaces())
        for address in self._listening():
            ip, target = address.ip(), address.host_port()
            if ip is None or target is None:
                continue
            if any(ip):
                yield address
                continue
            for other in interfaces:
                if len(other) == len(ip):
                    yield Multiaddr.from_ip(other, target[1])

    def _tell(self) -> None:
        log.info("addresses", nat=self.nat, confirmed=_listed(self.confirmed))
        for tell in self.changed:
            tell()


def _listed(addresses: list[Multiaddr]) -> str:
    return ",".join(str(address) for address in addresses) or "none"


def _note(table: dict[_Key, set[bytes]], key: _Key, observer: bytes) -> None:
    observers = table.pop(key, None)
    if observers is None:
        observers = set()
        if len(table) >= _MAX_OBSERVED:
            del table[next(iter(table))]  # the one not mentioned for longest
    table[key] = observers
    if len(observers) < _MAX_OBSERVERS:
        observers.add(observer)

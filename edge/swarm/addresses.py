"""Which addresses are this node's own, which of them others can use, and whether it is behind NAT.

Known are the configured external addresses, the interfaces', and those that peers observe. An
observation is hearsay, so it needs witnesses: peers at public addresses, each in another network
than the others, and each for as long as it is connected. Four confirm a whole address, which they
have dialled (an inbound connection: that is where it found us) at a port that is ours. Two suffice
for an IP alone, from which follows only that there is a NAT. What peers observe that this node has
dialled from a port it listens at is a hole in that NAT, good for DCUtR and for nothing else.
Link-local addresses are told to nobody: the zone that makes them work has another name on each
machine.

What the gateway says that it forwards to us is another hearsay. It makes the port ours, so that
witnesses can confirm it; and it is confirmed as a whole once two witnesses see us at the IP that
the gateway claims. Neither's word does alone: who poses as the gateway could have us send our peers
to anybody, and what peers see tells of no port.

Peers that were asked to dial back (edge.autonat) know more. A dial-back that arrived proves that
somebody can reach this node, though not where: the address is what its peer says. Two confirm an
address, from different networks and unless as many see this node at another IP; with three it is
certain, and reservations are given up. One that failed proves nothing, but if none has arrived,
what follows does no harm: the node counts as behind NAT, at once if no address is confirmed, with
three networks that failed if one is; it is advertised all the same.
"""

from __future__ import annotations

from contextlib import contextmanager

from edge import log
from edge.wire.ip import LINK_LOCAL, ip_group, ip_network, scope
from edge.wire.multiaddr import Multiaddr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeVar

    from edge.swarm.connection import Connection

    Told = TypeVar("Told")

PUBLIC, PRIVATE, UNKNOWN = "public", "private", "unknown"
CONFIRMATIONS = 4  # witnesses of an address
NAT_CONFIRMATIONS = 2  # of an IP
DIAL_BACKS = 2  # networks from which an address was reached, to confirm it
CERTAIN_DIAL_BACKS = 3  # to give up what helps a node that is not reached
DOUBTS = 3  # networks from which none arrived, to doubt what is confirmed
_MAX_DIAL_BACKS = 16  # networks
_MAX_WITNESSES = 64
_MOST_PER_PORT = 3  # confirmed by observation, of each family


class Witness:
    """A peer at `remote` that sees us at `ip`; `address`: all of it, if it has dialled that."""

    __slots__ = ("address", "ip", "remote")

    def __init__(self, remote: bytes, ip: bytes, address: Multiaddr | None) -> None:
        self.remote = remote
        self.ip = ip
        self.address = address


class DialBack:
    """What a peer was asked to dial, whether it arrived, and when that was, in loop time."""

    __slots__ = ("address", "at", "reached")

    def __init__(self, address: Multiaddr, reached: bool, at: float) -> None:
        self.address = address
        self.reached = reached
        self.at = at


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
        self.mapped: list[Multiaddr] = []  # what the gateway says that it forwards to us
        self.changed: list[Callable[[], None]] = []
        self._listening = listening
        self._interfaces = interfaces
        # Whether the change that `changed` is told of rests on what peers say, and on nothing else.
        self.hearsay = False
        self._own: dict[Multiaddr, str | None] = {}  # and how far each reaches
        self._witnesses: dict[Connection, Witness] = {}
        # What peers see that we have dialled from a port we listen at: so as long as that lasts.
        self._holes: dict[Connection, Multiaddr] = {}
        self._dial_backs: dict[bytes, DialBack] = {}  # the last one from each network

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
        if not connection.direct or ip is None or remote is None or len(ip) != len(remote):
            return
        if scope(ip) != "public" or scope(remote) != "public":
            return
        whole, source = observed.without_peer(), connection.dialled_from
        address = None if connection.initiator or source else whole
        if source in _ports(self._listening()):
            _put(self._holes, connection, whole)
        with self._listening_to_peers():
            _put(self._witnesses, connection, Witness(remote, ip, address))

    def forget(self, connection: Connection) -> None:
        """The peer on `connection` is gone, and with it what it has observed."""
        self._holes.pop(connection, None)
        if connection in self._witnesses:
            with self._listening_to_peers():
                del self._witnesses[connection]

    def forget_observations(self) -> None:
        """The network has changed: what was observed is no longer so."""
        self._witnesses.clear()
        self._dial_backs.clear()

    def candidates(self, ip: bytes) -> list[Multiaddr]:
        """Where this node may be found at `ip`, at which a peer sees it."""
        found = [address for address in self.external if address.ip() == ip]
        for address in [*self.mapped, *self._listening()]:
            own, target = address.ip(), address.host_port()
            if own is not None and target is not None and len(own) == len(ip):
                found.append(Multiaddr.from_ip(ip, target[1]))
        return list(dict.fromkeys(found))

    def dialled_back(self, network: bytes, address: Multiaddr, reached: bool, at: float) -> None:
        """A peer in `network` was asked to dial `address`, and at loop time `at` it had done so.

        `reached`: whether it arrived here.
        """
        with self._listening_to_peers():
            self._dial_backs.pop(network, None)
            if len(self._dial_backs) >= _MAX_DIAL_BACKS:
                del self._dial_backs[next(iter(self._dial_backs))]
            self._dial_backs[network] = DialBack(address, reached, at)

    def forget_dial_backs(self, before: float) -> None:
        """Those of before that loop time tell nothing any more."""
        old = [network for network, each in self._dial_backs.items() if each.at < before]
        if old:
            with self._listening_to_peers():
                for network in old:
                    del self._dial_backs[network]

    def dialled_back_since(self, time: float) -> set[bytes]:
        """The networks with a dial-back not before that loop time."""
        return {network for network, each in self._dial_backs.items() if each.at >= time}

    @contextmanager
    def _listening_to_peers(self) -> Iterator[None]:
        """Tell `changed` if what is done meanwhile changes anything."""
        before = self.nat, self.certain, self.confirmed
        yield
        if (self.nat, self.certain, self.confirmed) != before:
            self.hearsay = True
            self._tell()
            self.hearsay = False

    def set_circuits(self, circuits: list[Multiaddr]) -> None:
        """The addresses at which relays hold us reachable."""
        if circuits != self.circuits:
            self.circuits = circuits
            self._tell()

    def set_mapped(self, mapped: list[Multiaddr]) -> None:
        """What the gateway says that it forwards to us; also behind another NAT."""
        if mapped != self.mapped:
            self.mapped = mapped
            self._tell()

    @property
    def confirmed(self) -> list[Multiaddr]:
        """Where anyone on the internet reaches us directly."""
        found = self._certain + self._mapped_where_seen
        return list(dict.fromkeys(found + self._reached(DIAL_BACKS) + self._witnessed))

    @property
    def certain(self) -> bool:
        """Whether an address is confirmed by more than what a few peers say."""
        return bool(self._certain or self._reached(CERTAIN_DIAL_BACKS))

    @property
    def _certain(self) -> list[Multiaddr]:
        public = [address for address, reach in self._own.items() if reach == "public"]
        return self.external + public

    @property
    def _mapped_where_seen(self) -> list[Multiaddr]:
        """What the gateway forwards from an IP at which peers in enough networks see us."""
        found = []
        for address in self.mapped:
            seeing = [each for each in self._witnesses.values() if each.ip == address.ip()]
            if len({ip_network(each.remote) for each in seeing}) >= NAT_CONFIRMATIONS:
                found.append(address)
        return found

    @property
    def _witnessed(self) -> list[Multiaddr]:
        """Those with most witnesses first; few of each port, whatever is said."""
        ports, seen = _ports([*self._listening(), *self.mapped]), self.observed
        found: list[Multiaddr] = []
        most: dict[tuple[int, int], int] = {}
        for address in sorted(seen, key=lambda address: -seen[address]):
            target = address.host_port()
            if target is None or target[1] not in ports or seen[address] < CONFIRMATIONS:
                continue
            kind = target[1], target[2]
            most[kind] = most.get(kind, 0) + 1
            if most[kind] <= _MOST_PER_PORT:
                found.append(address)
        return found

    @property
    def dial_backs(self) -> tuple[int, int]:
        """From how many networks this node was reached, and from how many it was not."""
        reached = [each.reached for each in self._dial_backs.values()]
        return reached.count(True), reached.count(False)

    def _reached(self, networks: int) -> list[Multiaddr]:
        """The addresses of which that many dial-backs arrived, and which most peers see."""
        arrived: dict[Multiaddr, set[bytes]] = {}
        voices: dict[bytes, set[bytes]] = {}  # by IP: the networks that see this node there
        for witness in self._witnesses.values():
            voices.setdefault(witness.ip, set()).add(ip_network(witness.remote))
        for network, each in self._dial_backs.items():
            ip = each.address.ip()
            if each.reached and ip is not None:
                arrived.setdefault(each.address, set()).add(network)
                voices.setdefault(ip, set()).add(network)

        def leads(ip: bytes) -> bool:
            others = [len(seen) for at, seen in voices.items() if at != ip and len(at) == len(ip)]
            return len(voices[ip]) > max(others, default=0)

        return [
            address
            for address, seen in arrived.items()
            if len(seen) >= networks
            and leads(ip := address.ip() or b"")
            and address in self.candidates(ip)
        ]

    @property
    def advertised(self) -> list[Multiaddr]:
        """The addresses announced to everyone."""
        return self.confirmed + self.circuits

    @property
    def observed(self) -> dict[Multiaddr, int]:
        """Whole addresses, and in how many networks each has a witness."""
        found: dict[Multiaddr, set[bytes]] = {}
        for witness in self._witnesses.values():
            if witness.address is not None:
                found.setdefault(witness.address, set()).add(ip_network(witness.remote))
        return {address: len(networks) for address, networks in found.items()}

    @property
    def holes(self) -> list[Multiaddr]:
        """Where a peer that punches may find us, what most peers see first.

        Nobody else may: the NAT lets in what was asked for from inside.
        """
        seen = list(self._holes.values())
        return sorted(dict.fromkeys(seen), key=lambda address: -seen.count(address))

    @property
    def nat(self) -> str:
        """PUBLIC, PRIVATE (behind NAT) or UNKNOWN."""
        reached, failed = self.dial_backs
        if self.confirmed:
            return PRIVATE if failed >= DOUBTS and not reached else PUBLIC
        if failed and not reached:
            return PRIVATE
        seen: dict[bytes, set[bytes]] = {}
        for witness in self._witnesses.values():
            seen.setdefault(witness.ip, set()).add(ip_group(witness.remote))
        if any(len(groups) >= NAT_CONFIRMATIONS for groups in seen.values()):
            return PRIVATE
        return UNKNOWN

    def usable_by(self, connection: Connection) -> list[Multiaddr]:
        """Where the peer on `connection` can reach us directly.

        Private and loopback addresses count only for a peer that is on such a network itself. A
        neighbour in the provider's network (CGNAT) is none of ours: it is told of our address
        there, and nobody else is.
        """
        found = list(self.confirmed)
        ip = connection.remote.ip() if connection.direct else None
        near = scope(ip) if ip is not None else "public"
        if near == "loopback":
            found += self._own
        elif near != "public":
            theirs = "private" if near == LINK_LOCAL else near
            found += [address for address, reach in self._own.items() if reach == theirs]
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


def _ports(addresses: list[Multiaddr]) -> set[int]:
    return {target[1] for each in addresses if (target := each.host_port()) is not None}


def _put(table: dict[Connection, Told], connection: Connection, value: Told) -> None:
    """What `connection` says now; for that, what was said first may have to go."""
    table.pop(connection, None)
    if len(table) >= _MAX_WITNESSES:
        del table[next(iter(table))]
    table[connection] = value


def _listed(addresses: list[Multiaddr]) -> str:
    return ",".join(str(address) for address in addresses) or "none"

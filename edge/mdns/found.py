"""The peers that were found on the links, for as long as they said, and which of their addresses
may be dialled.

Anybody on a link can say anything, so the table has a capacity, and each sender a part of it: one
that makes up peers keeps nobody else out, unless it makes up senders too. An address counts where
it is in a network of the link, as the sender's is: discovery leads nowhere else.
"""

from __future__ import annotations

from edge.wire.ip import LINK_LOCAL, scope
from edge.wire.mdns import TTL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from edge.budget import Pool
    from edge.wire.mdns import Entry
    from edge.wire.multiaddr import Multiaddr
    from edge.wire.peerid import PeerId

    Subnet = tuple[bytes, int]  # an IP in it, and the bits of that which all of it share

CAPACITY = 64
PER_HOST = 8
_ADDRESSES = 4  # of one peer
_ENTRY = 1024  # bytes that one takes
_LONGEST_TTL = 86400.0  # seconds


class Found:
    """A peer. `instance`: the name it goes by; `source`: the IP of the host that told of it.

    `since`, `expires`: by the loop's clock.
    """

    __slots__ = ("addresses", "expires", "instance", "interface", "since", "source")

    def __init__(self, source: bytes, interface: str, now: float) -> None:
        self.source = source
        self.interface = interface
        self.since = now
        self.instance = b""
        self.addresses: list[Multiaddr] = []
        self.expires = now


class FoundPeers:
    """`pool`: from which each is leased."""

    def __init__(self, pool: Pool) -> None:
        self.peers: dict[PeerId, Found] = {}
        self._pool = pool

    def learn(
        self, entry: Entry, addresses: list[Multiaddr], at: tuple[bytes, str], now: float
    ) -> bool:
        """A host `at` (IP, interface) tells of a peer; whether it was not known, and is now."""
        peer = entry.peer
        assert peer is not None
        found = self.peers.get(peer)
        new = found is None
        if found is None:
            if not self._room(at[0], now):
                return False
            found = self.peers[peer] = Found(*at, now)
        found.instance = entry.instance
        found.addresses = addresses[:_ADDRESSES]
        found.expires = now + min(entry.ttl, _LONGEST_TTL)
        return new

    def _room(self, source: bytes, now: float) -> bool:
        """Whether the host at `source` may tell of one more; it is leased then."""
        self.expire(now)
        theirs = sum(found.source == source for found in self.peers.values())
        return len(self.peers) < CAPACITY and theirs < PER_HOST and self._pool.take(_ENTRY)

    def gone(self, instance: bytes) -> None:
        """Who goes by this name has said goodbye."""
        self._drop([peer for peer, found in self.peers.items() if found.instance == instance])

    def expire(self, now: float) -> None:
        """Forget those whose time is over."""
        self._drop([peer for peer, found in self.peers.items() if found.expires <= now])

    def keep(self, interfaces: Iterable[str]) -> None:
        """Forget those that are on no link any more."""
        kept = set(interfaces)
        self._drop([peer for peer, found in self.peers.items() if found.interface not in kept])

    def lasting(self, interface: str, now: float, seconds: float) -> Iterator[tuple[bytes, int]]:
        """(name, seconds left) of those on a link who last for so many, and half of what we say."""
        for found in self.peers.values():
            left = found.expires - now
            if found.interface == interface and left > max(seconds, TTL / 2):
                yield found.instance, int(left)

    def _drop(self, peers: list[PeerId]) -> None:
        for peer in peers:
            del self.peers[peer]
            self._pool.give(_ENTRY)


def near(
    addresses: Iterable[Multiaddr], source: bytes, subnets: Sequence[Subnet]
) -> list[Multiaddr]:
    """Those of `addresses` whose IP a host of `subnets` can have, and without a zone.

    This machine's own count if another process of it, at `source`, tells of them.
    """
    own = {ip for ip, _ in subnets} - {source}
    return [
        address
        for address in addresses
        if (ip := address.ip()) is not None
        and ip not in own
        and within(ip, subnets)
        and (len(ip) == 4 or scope(ip) != LINK_LOCAL)
    ]


def within(ip: bytes, subnets: Iterable[Subnet]) -> bool:
    """Whether a host of `subnets` can have the address `ip`."""
    return any(_is_host(ip, own, bits) for own, bits in subnets)


def _is_host(ip: bytes, own: bytes, bits: int) -> bool:
    size = len(ip) * 8
    if len(ip) != len(own) or bits >= size:
        return False
    rest = size - bits
    mine, theirs = int.from_bytes(own, "big"), int.from_bytes(ip, "big")
    if mine >> rest != theirs >> rest:
        return False
    host = theirs & (1 << rest) - 1
    ends = (0, (1 << rest) - 1)  # the network itself, and all that are in it
    return len(ip) == 16 or rest == 1 or host not in ends

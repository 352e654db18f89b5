"""Keeps reservations of this node on other relays, so that peers reach it behind NAT.

Configured relays come first, then any connected peer that offers hop. Each reservation is renewed
at three quarters of its TTL, and every 15 min at least, as that TTL can be told from the relay's
clock alone. A relay that refuses rests from 30 s to 15 min, doubling, while others are tried; one
that cannot be reached, which may just be restarting, rests from 2 s. Other relays in the
configuration, or another network, end all rests.

Source: libp2p/specs relay/circuit-v2.md; named as in go-libp2p's p2p/host/autorelay
"""

from __future__ import annotations

import asyncio
import time

from edge import log
from edge.config.schema import Relay
from edge.host import parsed
from edge.relay.client import RelayClient, RelayRefused
from edge.swarm.addresses import PRIVATE, PUBLIC, UNKNOWN
from edge.swarm.backoff import Backoff
from edge.swarm.errors import ConnectionClosed, DialError, SwarmError
from edge.wire import circuit as messages
from edge.wire import ip
from edge.wire.errors import WireError
from edge.wire.multiaddr import MAX_BYTES, by_peer, parse_many

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge.config.load import Config
    from edge.host import Host, Status
    from edge.swarm.connection import Connection
    from edge.wire.multiaddr import Multiaddr
    from edge.wire.peerid import PeerId

    Relays = dict[PeerId, list[Multiaddr]]  # where each can be dialled

REFUSED_BACKOFF = 30.0  # seconds, the first time
UNREACHED_BACKOFF = 2.0
LONGEST_BACKOFF = 900.0
_UNKNOWN_GRACE = 60.0  # seconds after which a node nobody has observed counts as not public
_TICK = 2.0  # seconds, times the slowdown
_RELAY = "relay"
_MAX_ADDRESSES = 4  # of one relay
_LONGEST_ADDRESS = MAX_BYTES - 64  # bytes, so that two peer ids and the circuit fit behind it
_SHORTEST_TTL = 4.0  # seconds; a relay that grants less would be asked without end
_LONGEST_TTL = 86400.0  # a longer one comes of a clock that is wrong
_RENEWAL = 900.0  # seconds, the longest wait: clocks may also be a little wrong
_ASSUMED_TTL = _RENEWAL / 0.75  # no relay's default is as short


class OwnReservation:
    """A reservation of ours on a relay: until when and from when to renew it, in loop time.

    `relay_at`: the addresses that the relay had by its identify, None before it has identified
    itself. `dialable`: where it can be reached anew.
    """

    __slots__ = ("addresses", "dialable", "expires", "limit", "relay_at", "renew_at", "ttl")

    def __init__(
        self, now: float, ttl: float, addresses: list[Multiaddr], limit: messages.Limit | None
    ) -> None:
        self.ttl = ttl
        self.renew_at = now + min(ttl * 0.75, _RENEWAL)
        self.expires = now + ttl
        self.addresses = addresses  # of ours, through the relay
        self.limit = limit
        self.relay_at: set[Multiaddr] | None = None
        self.dialable: list[Multiaddr] = []


class AutoRelay:
    """Keeps `wanted` reservations: those configured where this node needs or wants any, else 0."""

    def __init__(self, host: Host) -> None:
        self.reservations: dict[PeerId, OwnReservation] = {}
        self.wanted = 0
        self._host = host
        self._swarm = host.swarm
        self._client = RelayClient(host.swarm, host.dialer)
        self._client.relays = self.reservations
        self._settings = host.config[Relay]
        self._configured: Relays = {}
        self._backoff = Backoff(host.swarm.loop.time, LONGEST_BACKOFF)
        self._busy: set[PeerId] = set()
        self._wake = asyncio.Event()
        host.swarm.closed.append(self._on_close)
        host.swarm.leaving.append(self._on_leaving)
        host.identify.identified.append(self._on_identified)
        host.addresses.changed.append(self._wake.set)
        host.network_changed.append(self._start_afresh)

    # --- Service ---

    def configure(self, config: Config) -> None:
        """Follow [relay]; other relays, or other addresses of theirs, are asked at once."""
        self._settings = config[Relay]
        configured = by_peer(parsed(self._settings.relays))
        if configured != self._configured:
            self._configured = configured
            self._start_afresh()
        self._decide()
        self._wake.set()

    async def run(self) -> None:
        """Keep `wanted` reservations, for ever."""
        while True:
            self._wake.clear()
            self._decide()
            self._expire()
            self._renew()
            if len(self.reservations) + len(self._busy) < self.wanted:
                self._seek()
            while len(self.reservations) > self.wanted:
                self._give_up(next(reversed(self.reservations)))
            try:
                async with asyncio.timeout(self._pause()):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def stop(self) -> None:
        """Do nothing: relays learn from the end of the connections."""

    def report(self) -> Status:
        """Reservations of our own, wanted and held."""
        now = self._swarm.loop.time()
        own = [
            {
                "relay": str(relay),
                "expires_in": round(held.expires - now),
                "addresses": [str(address) for address in held.addresses],
            }
            for relay, held in self.reservations.items()
        ]
        return {"reservations": {"wanted": self.wanted, "own": own}}

    # --- when to ask whom ---

    def _decide(self) -> None:
        """Behind NAT the node keeps reservations on relays; a public one needs none.

        What it has is not given up because a few peers say that they have reached it.
        """
        settings, nat = self._settings, self._host.addresses.nat
        needed = nat == PRIVATE
        if nat == PUBLIC and self.reservations:
            needed = not self._host.addresses.certain
        if nat == UNKNOWN:
            up = self._swarm.loop.time() - self._host.started_at
            needed = bool(self._configured) or up >= _UNKNOWN_GRACE
        wanted = settings.client == "yes" or (settings.client == "auto" and needed)
        self.wanted = settings.reservations if wanted else 0

    def _pause(self) -> float:
        """Seconds until there is something to do again: a renewal is never late."""
        now = self._swarm.loop.time()
        due = [held.renew_at - now for held in self.reservations.values() if held.renew_at > now]
        return min([_TICK * self._swarm.slowdown, *due])

    def _start_afresh(self) -> None:
        """Earlier failures tell nothing any more: ask whoever rests, at once."""
        self._backoff.clear()
        self._wake.set()

    def _expire(self) -> None:
        now = self._swarm.loop.time()
        for relay, held in list(self.reservations.items()):
            if held.expires <= now:
                self._give_up(relay)

    def _renew(self) -> None:
        now = self._swarm.loop.time()
        for relay, held in list(self.reservations.items()):
            if held.renew_at <= now:
                self._ask(relay, self._configured.get(relay) or held.dialable)

    def _seek(self) -> None:
        """Ask more relays, configured ones first, until enough requests are under way."""
        for relay, addresses in self._candidates():
            if len(self.reservations) + len(self._busy) >= self.wanted:
                return
            if relay not in self.reservations:
                self._ask(relay, addresses)

    def _candidates(self) -> list[tuple[PeerId, list[Multiaddr]]]:
        """Configured relays, others, and last those that are too slow for more than calls."""
        found = list(self._configured.items())
        slow: list[tuple[PeerId, list[Multiaddr]]] = []
        for connection in self._swarm.all_connections():
            info, peer = connection.info, connection.peer
            if info is None or peer is None or peer in self._configured:
                continue
            usable = connection.direct and not connection.leaving
            if usable and messages.HOP_ID in info.protocols:
                (slow if info.is_slow_relay else found).append((peer, list(info.addresses)))
        return found + slow

    # --- reservations ---

    def _ask(self, relay: PeerId, addresses: list[Multiaddr]) -> None:
        if relay not in self._busy and not self._backoff.rests(relay):
            self._busy.add(relay)
            self._swarm.spawn(self._reserve(relay, addresses))

    async def _reserve(self, relay: PeerId, addresses: list[Multiaddr]) -> None:
        trusted = addresses == self._configured.get(relay)
        try:
            connection, answer = await self._client.reserve(relay, addresses, trusted)
            if connection.closed is not None:  # since it answered
                raise ConnectionClosed(connection.closed)
            self._add(relay, connection, answer)
        except (WireError, SwarmError, TimeoutError) as error:
            corrected = addresses != self._configured.get(relay, addresses)
            self._failed(relay, error, corrected)
        finally:
            self._busy.discard(relay)
            self._wake.set()

    def _add(self, relay: PeerId, connection: Connection, answer: messages.HopMessage) -> None:
        reservation = answer.reservation or messages.Reservation()
        before = self.reservations.get(relay)
        ttl = likely_ttl((reservation.expire or 0) - time.time(), before.ttl if before else None)
        said = parse_many(reservation.addrs, messages.MAX_ADDRESSES)
        usable = credible(said, connection, self._configured.get(relay, []))
        if not usable:
            raise DialError("the relay names no address at which it was reached")
        addresses = [address.with_peer(relay).via_circuit() for address in usable]
        now = self._swarm.loop.time()
        held = self.reservations[relay] = OwnReservation(now, ttl, addresses, answer.limit)
        held.dialable = usable
        if connection.info is not None:
            held.relay_at = set(connection.info.addresses)
        self._backoff.forget(relay)
        self._swarm.protect(relay, _RELAY)
        if before is None:
            log.info("reservation", relay=relay, ttl=int(ttl), limited=answer.limit is not None)
        self._publish()

    def _failed(self, relay: PeerId, error: Exception, corrected: bool) -> None:
        """`corrected`: `relay` has other addresses meanwhile, so that it need not rest."""
        first = REFUSED_BACKOFF if isinstance(error, RelayRefused) else UNREACHED_BACKOFF
        wait = 0.0 if corrected else self._backoff.failed(relay, first)
        reason = str(error) or type(error).__name__
        log.info("reservation-failed", relay=relay, error=reason, again_in=int(wait))

    def _give_up(self, relay: PeerId) -> None:
        if self.reservations.pop(relay, None) is not None:
            log.info("reservation-lost", relay=relay)
            self._swarm.unprotect(relay, _RELAY)
            self._publish()

    def _on_identified(self, connection: Connection) -> None:
        """A relay may serve us now; one that has moved tells by a renewal where peers find us."""
        info, peer = connection.info, connection.peer
        assert info is not None
        assert peer is not None
        held = self.reservations.get(peer)
        if held is not None:
            addresses = set(info.addresses)
            if held.relay_at not in (None, addresses):
                held.renew_at = self._swarm.loop.time()
            held.relay_at = addresses
        self._wake.set()

    def _on_close(self, connection: Connection) -> None:
        peer = connection.peer
        if peer in self.reservations and self._swarm.connection_to(peer) is None:
            self._give_up(peer)
            self._wake.set()

    def _on_leaving(self, connection: Connection) -> None:
        """The relay takes no renewals on `connection`: reserve anew on another one, at once."""
        peer = connection.peer
        assert peer is not None
        held = self.reservations.get(peer)
        if held is not None and self._swarm.connection_to(peer) is None:
            held.renew_at = self._swarm.loop.time()
            self._wake.set()

    def _publish(self) -> None:
        held = self.reservations.values()
        self._host.addresses.set_circuits([a for each in held for a in each.addresses])


def likely_ttl(left: float, before: float | None) -> float:
    """Seconds that a reservation lasts, where its end seems to be `left` seconds away.

    The end is a time of the relay's clock, from which ours may differ by years. An end that cannot
    be is not believed: it lasts as long as the one `before` it did, if there was one.
    """
    if 0 < left <= _LONGEST_TTL:
        return max(left, _SHORTEST_TTL)
    return _ASSUMED_TTL if before is None else before


def credible(
    said: Iterable[Multiaddr], connection: Connection, configured: Iterable[Multiaddr]
) -> list[Multiaddr]:
    """Those of the addresses that a relay has `said` which it can speak for, TCP ones first.

    They have the IP at which `connection` reaches it, or the name or IP of a `configured` address
    of it; a relay in our own network may have any public IP. Without one, the relay is found where
    it was dialled.
    """
    if not connection.direct:
        return []
    hosts = {_host(connection.remote), *map(_host, configured)}
    near = connection.remote.scope() in (ip.PRIVATE, ip.LINK_LOCAL)
    found = [
        address
        for address in said
        if not address.is_circuit
        and len(address.bytes) <= _LONGEST_ADDRESS
        and (_host(address) in hosts or (near and address.scope() == ip.PUBLIC))
    ]
    found.sort(key=lambda address: address.host_port() is None)
    if not found and connection.initiator:
        found = [connection.remote]
    return [address for address in found if address.scope() != ip.LINK_LOCAL][:_MAX_ADDRESSES]


def _host(address: Multiaddr) -> tuple[bool, bytes]:
    """The IP that `address` starts with, or the name: (whether it is one, itself)."""
    found = address.ip()
    return (True, address.protocols[0][1].lower()) if found is None else (False, found)

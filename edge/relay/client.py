"""The client side of circuit relay v2: accept circuits, dial through relays, hold reservations.

A node that nobody can reach directly keeps reservations on a number of relays: those configured
first, then any connected peer that offers hop. Each is renewed at three quarters of its TTL, and
every 15 min at least, as that TTL can be told from the relay's clock alone. A relay that refuses
rests from 30 s to 15 min, doubling, while others are tried; one that cannot be reached, which may
just be restarting, rests from 2 s.

Source: libp2p/specs relay/circuit-v2.md
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from edge import log
from edge.relay.circuit_transport import CircuitTransport
from edge.swarm.errors import DialError, SwarmError
from edge.wire import circuit as wire
from edge.wire.errors import RemoteProtocolError, WireError
from edge.wire.multiaddr import parse_many
from edge.wire.protobuf import delimited

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.swarm.addresses import OwnAddresses
    from edge.swarm.connection import Connection
    from edge.swarm.dialer import Dialer
    from edge.swarm.stream import Stream
    from edge.swarm.swarm import Swarm
    from edge.swarm.transport import Transport
    from edge.wire.multiaddr import Multiaddr
    from edge.wire.peerid import PeerId

REFUSED_BACKOFF = 30.0  # seconds, the first time
UNREACHED_BACKOFF = 2.0
LONGEST_BACKOFF = 900.0
_TICK = 2.0  # seconds, times the slowdown of the swarm
_EXCHANGE_TIME = 30.0
_RELAY = "relay"
_MAX_BACKOFFS = 256
_SHORTEST_TTL = 4.0  # seconds; a relay that grants less would be asked without end
_LONGEST_TTL = 86400.0  # what looks longer comes of a clock that is wrong
_RENEWAL = 900.0  # seconds, the longest wait: clocks may also be a little wrong
_ASSUMED_TTL = _RENEWAL / 0.75  # no relay's default is as short


class RelayRefused(DialError):
    """The relay answered with a status other than OK."""

    def __init__(self, status: int | None) -> None:
        name = wire.STATUS_NAMES.get(status or 0, str(status))
        super().__init__(f"the relay answers {name}")
        self.status = status


class OwnReservation:
    """A slot of ours on a relay: until when and from when to renew it, in loop time."""

    __slots__ = ("addresses", "expires", "limit", "renew_at", "ttl")

    def __init__(
        self, now: float, ttl: float, addresses: list[Multiaddr], limit: wire.Limit | None
    ) -> None:
        self.ttl = ttl
        self.renew_at = now + min(ttl * 0.75, _RENEWAL)
        self.expires = now + ttl
        self.addresses = addresses  # of ours, through the relay
        self.limit = limit


class RelayClient:
    """Serves stop and dials circuits on `swarm`; with `wanted` > 0 also keeps reservations."""

    def __init__(self, swarm: Swarm, dialer: Dialer, addresses: OwnAddresses) -> None:
        self.reservations: dict[PeerId, OwnReservation] = {}
        self.wanted = 0
        self._swarm = swarm
        self._dialer = dialer
        self._addresses = addresses
        self._configured: dict[PeerId, list[Multiaddr]] = {}
        self._rest: dict[PeerId, tuple[float, float]] = {}  # (until, how long it was)
        self._busy: set[PeerId] = set()
        self._wake = asyncio.Event()
        swarm.handle(wire.STOP_ID, self._stop)
        swarm.closed.append(self._on_close)
        dialer.dial_circuit = self.dial_circuit

    def configure(self, relays: Sequence[Multiaddr]) -> None:
        """The relays to use before others: addresses with a peer id."""
        self._configured = {}
        for address in relays:
            peer = address.peer_id()
            assert peer is not None
            self._configured.setdefault(peer, []).append(address)
        self.wake()

    # --- circuits to us ---

    async def _stop(self, stream: Stream) -> None:
        relay = stream.connection
        try:
            async with asyncio.timeout(_EXCHANGE_TIME):
                data = await stream.read_message(wire.MAX_MESSAGE)
            message = wire.StopMessage.decode(data)
            source = (message.peer or wire.Peer()).peer_id()
        except RemoteProtocolError:
            await self._answer(stream, wire.MALFORMED_MESSAGE)
            return
        if message.type != wire.StopMessage.CONNECT:
            await self._answer(stream, wire.UNEXPECTED_MESSAGE)
            return
        if relay.peer not in self.reservations:
            await self._answer(stream, wire.PERMISSION_DENIED)
            return
        refusal = self._swarm.refusal_for(b"")
        if refusal is not None:
            self._swarm.count_refusal(refusal)
            await self._answer(stream, wire.RESOURCE_LIMIT_EXCEEDED)
            return
        accepted = wire.StopMessage(type=wire.StopMessage.STATUS, status=wire.OK)
        await stream.write(delimited(accepted.encode()))
        address = relay.remote.with_peer(relay.peer).via_circuit(source)
        connection = self._swarm.upgrade(CircuitTransport(stream), False, address, expected=source)
        connection.limited = message.limit is not None

    async def _answer(self, stream: Stream, status: int) -> None:
        answer = wire.StopMessage(type=wire.StopMessage.STATUS, status=status)
        await stream.write(delimited(answer.encode()))
        stream.dismiss()

    # --- circuits from us ---

    async def dial_circuit(self, address: Multiaddr, target: PeerId) -> tuple[Transport, bool]:
        """A circuit to `target` through the relay in `address`, and whether it is limited.

        Raises DialError.
        """
        relay_address = address.relay_part()
        relay = relay_address.peer_id() if relay_address is not None else None
        if relay_address is None or relay is None or relay_address.is_circuit:
            raise DialError("a circuit address names its relay: .../p2p/RELAY/p2p-circuit")
        connection = await self._dialer.connect(relay, [relay_address])
        request = wire.HopMessage(
            type=wire.HopMessage.CONNECT, peer=wire.Peer(id=target.bytes, addrs=[])
        )
        stream = connection.open_stream([wire.HOP_ID])
        try:
            answer = await self._exchange(stream, request)
        except BaseException:
            stream.reset()
            raise
        return CircuitTransport(stream), answer.limit is not None

    async def _exchange(self, stream: Stream, request: wire.HopMessage) -> wire.HopMessage:
        async with asyncio.timeout(_EXCHANGE_TIME):
            await stream.write(delimited(request.encode()))
            answer = wire.HopMessage.decode(await stream.read_message(wire.MAX_MESSAGE))
        if answer.type != wire.HopMessage.STATUS:
            raise RemoteProtocolError("the relay answers with something else than a status")
        if answer.status != wire.OK:
            raise RelayRefused(answer.status)
        return answer

    # --- reservations ---

    async def run(self) -> None:
        """Keep `wanted` reservations, for ever."""
        while True:
            self._wake.clear()
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

    def _pause(self) -> float:
        """Seconds until there is something to do again: a renewal is never late."""
        now = self._swarm.loop.time()
        due = [held.renew_at - now for held in self.reservations.values() if held.renew_at > now]
        return min([_TICK * self._swarm.slowdown, *due])

    def wake(self) -> None:
        """Something has changed: look again at once."""
        self._wake.set()

    def _expire(self) -> None:
        now = self._swarm.loop.time()
        for relay, held in list(self.reservations.items()):
            if held.expires <= now:
                self._give_up(relay)

    def _renew(self) -> None:
        now = self._swarm.loop.time()
        for relay, held in list(self.reservations.items()):
            if held.renew_at <= now and not self._rests(relay):
                self._start(relay, [])

    def _seek(self) -> None:
        """Ask more relays, configured ones first, until enough requests are under way."""
        for relay, addresses in self._candidates():
            if len(self.reservations) + len(self._busy) >= self.wanted:
                return
            if relay not in self.reservations and not self._rests(relay):
                self._start(relay, addresses)

    def _candidates(self) -> list[tuple[PeerId, list[Multiaddr]]]:
        found = list(self._configured.items())
        for connection in self._swarm.all_connections():
            info, peer = connection.info, connection.peer
            if info is None or peer is None or peer in self._configured or not connection.direct:
                continue
            if wire.HOP_ID in info.protocols:
                found.append((peer, list(info.addresses)))
        return found

    def _rests(self, relay: PeerId) -> bool:
        return self._rest.get(relay, (0.0, 0.0))[0] > self._swarm.loop.time()

    def _start(self, relay: PeerId, addresses: list[Multiaddr]) -> None:
        if relay not in self._busy:
            self._busy.add(relay)
            self._swarm.spawn(self._reserve(relay, addresses))

    async def _reserve(self, relay: PeerId, addresses: list[Multiaddr]) -> None:
        try:
            connection = await self._dialer.connect(relay, addresses, again=True)
            stream = connection.open_stream([wire.HOP_ID])
            try:
                answer = await self._exchange(stream, wire.HopMessage(type=wire.HopMessage.RESERVE))
            except BaseException:
                stream.reset()
                raise
            stream.dismiss()
            self._hold(relay, connection, answer)
        except (WireError, SwarmError, TimeoutError) as error:
            self._failed(relay, error)
        finally:
            self._busy.discard(relay)
            self.wake()

    def _hold(self, relay: PeerId, connection: Connection, answer: wire.HopMessage) -> None:
        reservation = answer.reservation or wire.Reservation()
        before = self.reservations.get(relay)
        ttl = likely_ttl((reservation.expire or 0) - time.time(), before.ttl if before else None)
        addresses = [
            address.with_peer(relay).via_circuit()
            for address in parse_many(reservation.addrs, 16)
            if not address.is_circuit
        ]
        if not addresses:
            addresses = [connection.remote.with_peer(relay).via_circuit()]
        now = self._swarm.loop.time()
        self.reservations[relay] = OwnReservation(now, ttl, addresses, answer.limit)
        self._rest.pop(relay, None)
        self._swarm.protect(relay, _RELAY)
        if before is None:
            log.info("reservation", relay=relay, ttl=int(ttl), limited=answer.limit is not None)
        self._publish()

    def _failed(self, relay: PeerId, error: Exception) -> None:
        first = REFUSED_BACKOFF if isinstance(error, RelayRefused) else UNREACHED_BACKOFF
        _, last = self._rest.pop(relay, (0.0, 0.0))
        length = min(max(first, last * 2), LONGEST_BACKOFF)
        if len(self._rest) >= _MAX_BACKOFFS:
            del self._rest[next(iter(self._rest))]
        self._rest[relay] = self._swarm.loop.time() + length, length
        reason = str(error) or type(error).__name__
        log.info("reservation-failed", relay=relay, error=reason, again_in=int(length))

    def _give_up(self, relay: PeerId) -> None:
        if self.reservations.pop(relay, None) is not None:
            log.info("reservation-lost", relay=relay)
            self._swarm.unprotect(relay, _RELAY)
            self._publish()

    def _on_close(self, connection: Connection) -> None:
        peer = connection.peer
        if peer in self.reservations and self._swarm.connection_to(peer) is None:
            self._give_up(peer)
            self.wake()

    def _publish(self) -> None:
        held = self.reservations.values()
        self._addresses.set_circuits([a for reservation in held for a in reservation.addresses])


def likely_ttl(left: float, before: float | None) -> float:
    """Seconds that a reservation lasts, where its end seems to be `left` seconds away.

    The end is a time of the relay's clock, from which ours may differ by years. What cannot be is
    not believed: it lasts as long as the one `before` it did, if there was one.
    """
    if 0 < left <= _LONGEST_TTL:
        return max(left, _SHORTEST_TTL)
    return _ASSUMED_TTL if before is None else before

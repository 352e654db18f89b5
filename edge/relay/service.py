"""The circuit relay v2 service: serves hop, and keeps what it has granted in line with its rules.

A reservation belongs to a peer, not to a connection: it ends with its TTL, or when the last of
the peer's connections closes. Reserving again renews it. A circuit goes over the newest direct
connection of its target, and over the next one if that does not answer: after a crash the old
connection still looks alive for a while.

Source: libp2p/specs relay/circuit-v2.md; names as in go-libp2p's circuitv2/relay
"""

from __future__ import annotations

import asyncio
import math

from edge import log
from edge.config.schema import Relay
from edge.host import by_reason, copy_options
from edge.relay.accounting import MAX_PEERS, Accounts, Usage
from edge.relay.admission import Admission
from edge.relay.circuits import Circuits
from edge.relay.reservations import Reservations
from edge.relay.resources import Resources
from edge.relay.shaping import Shaper
from edge.relay.stop import open_stop
from edge.wire import circuit as messages
from edge.wire.envelope import seal_voucher
from edge.wire.errors import RemoteProtocolError
from edge.wire.multiaddr import fitting
from edge.wire.protobuf import delimited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from edge.config.load import Config
    from edge.host import Host, Status
    from edge.swarm.connection import Connection
    from edge.swarm.stream import Stream
    from edge.wire.peerid import PeerId

_MESSAGE_TIME = 15.0  # seconds for a peer to send its message
_SWEEP = 5.0  # seconds, times the slowdown
_FAR_AWAY = 4_102_444_800  # the year 2100: the end of a reservation while the clock is wrong
_RESERVATION = "reservation"
_PER_IP = "RESERVATIONS_PER_IP"  # counted beside the status that is answered
# Bytes of an answer for addresses, the rest being the voucher's; and what each takes of them beside
# its own: the peer id behind it, and its field.
_ADDRESS_ROOM = messages.MAX_MESSAGE - 512
_ADDRESS_OVERHEAD = 48


class RelayService:
    """Serves hop to peers that others can reach through an address of this node.

    `reserved` are told of every reservation granted or renewed. `wake(peer, caller)` brings a
    sleeping peer back; True when it has come.
    """

    def __init__(self, host: Host) -> None:
        budget, swarm = host.budget, host.swarm
        tables = budget.sizing.tables if budget.sizing is not None else 1
        pool = budget.pool("circuits", 0.25, growth=True)
        self.limits = Resources()
        self.admission = Admission(host.addresses)
        self.shaper = Shaper(swarm.loop)
        self.accounts = Accounts(swarm.pools.tables, int(MAX_PEERS * tables))
        self.reservations = Reservations(self.limits, self.admission, swarm.pools.tables)
        self.circuits = Circuits(self.limits, self.shaper, pool, swarm.loop.time)
        self.refusals: dict[str, int] = {}  # by the name of the status answered
        self.reserved: list[Callable[[PeerId], None]] = []
        self.wake: Callable[[PeerId, PeerId], Awaitable[bool]] | None = None
        self._host = host
        self._swarm = swarm
        self._sleepers: frozenset[PeerId] = frozenset()
        swarm.admits = self.admission.denied
        swarm.admits_ip = self.admission.denied_ip
        swarm.admits_peer = self.admission.denied_peer
        swarm.places.favour = self.admission.favour
        swarm.handle(messages.HOP_ID, self._serve_hop, self.admission.offered)
        swarm.closed.append(self._on_loss)
        swarm.leaving.append(self._on_loss)
        swarm.pools.buffers.reclaimers.append(self.circuits.end_a_stalled_one)
        host.identify.identified.append(self._on_identified)
        host.allowance.changed.append(self._follow_allowance)
        host.relays_for = self.reservations.__contains__
        host.tallies.append(self._tally)
        host.overviews.append(self._overview)
        host.rates["down"] = lambda: self.circuits.relayed[0]
        host.rates["up"] = lambda: self.circuits.relayed[1]
        host.peer_reports.append(self._report_peer)
        host.roles["relay"] = lambda: self.admission.public

    # --- Service ---

    def configure(self, config: Config) -> None:
        """Follow [relay]; what its lists and `service` no longer permit ends at once."""
        relay, host = config[Relay], self._host
        copy_options(relay, self.limits)
        self.limits.fill_in(host.budget, host.limits)
        if relay.service != self.admission.service:
            host.identify.push_soon()
        self.admission.configure(relay)
        host.allowance.limit("relay", relay.rate)
        self._follow_allowance()
        self._enforce()

    async def run(self) -> None:
        """End what has lasted too long, for ever."""
        while True:
            await asyncio.sleep(_SWEEP * self._swarm.slowdown)
            self.sweep()

    async def stop(self) -> None:
        """End all circuits and reservations."""
        self.circuits.end_all("node stops")
        for peer in self.reservations:
            self._remove(peer)

    def report(self) -> Status:
        """Reservations held for others, circuits, bytes relayed, refusals."""
        held = {"held": len(self.reservations), "max": self.limits.max_reservations}
        refusals = {"relay": by_reason(self.refusals)}
        return {"reservations": held, **self.circuits.report(), "refusals": refusals}

    def keep_reservations(self, sleepers: frozenset[PeerId]) -> None:
        """From now on exactly `sleepers` have reservations that outlast their connections.

        A circuit to one that is gone makes `wake` bring it back first. The rules of [relay] hold
        for them as for others.
        """
        self._sleepers = sleepers
        self.reservations.keep(frozenset(filter(self.admission.may_sleep, sleepers)))

    def sweep(self) -> None:
        """End reservations whose TTL is over, or whose peer is gone, and circuits over time."""
        for peer in self.reservations.expired(self._swarm.loop.time()):
            self._expire(peer, "expired")
        for peer in self.reservations:
            held = self.reservations.get(peer)
            if held is not None and not held.asleep and not self._to_target(peer):
                self._expire(peer, "gone")
        self.circuits.end_those_over_time()

    def _tally(self) -> dict[str, int]:
        return {
            "bytes_relayed": sum(self.circuits.relayed),
            "circuits": self.circuits.total,
            "reservations": len(self.reservations),
        }

    def _overview(self) -> Status:
        found = self.report()
        circuits = found["circuits"]
        return {
            "reservations": found["reservations"],
            "circuits": {name: circuits[name] for name in ("open", "max", "total")},
            "bytes": found["bytes"],
            "refused": {"relay": sum(self.refusals.values())},
        }

    def _report_peer(self, peer: PeerId) -> tuple[int, Status]:
        usage = self.accounts.get(peer) or Usage()
        return usage.relayed, {"reserved": peer in self.reservations, **usage.report()}

    # --- rules ---

    def _follow_allowance(self) -> None:
        allowance = self._host.allowance
        self.shaper.configure(allowance.rate, self.limits.rate_per_peer)
        if allowance.paused:
            self.circuits.end_all("paused")

    def _enforce(self) -> None:
        """Bring connections, reservations and circuits into line with the rules of now."""
        self._swarm.readmit()
        self.keep_reservations(self._sleepers)
        for peer in self.reservations:
            held = self.reservations.get(peer)
            if held is None or held.asleep:
                continue
            if not self._serves(peer):
                self._disconnect(peer, "the relay serves it no more")
                continue
            own = any(self.admission.is_own(peer, link.info) for link in self._direct(peer))
            self.reservations.classify(peer, foreign=not own)
        for circuit in self.circuits:
            ends = circuit.source.connection.peer, circuit.destination.connection.peer
            if not self._serves(*ends):
                circuit.end("not permitted")

    def _serves(self, *peers: PeerId | None) -> bool:
        """Whether each of `peers` is connected, and permitted to relay."""
        return all(any(map(self.admission.may_relay, self._direct(peer))) for peer in peers)

    def _direct(self, peer: PeerId | None) -> list[Connection]:
        if peer is None:
            return []
        return [link for link in self._swarm.connections.get(peer, ()) if link.direct]

    def _to_target(self, peer: PeerId) -> list[Connection]:
        """The connections of `peer` on which a circuit can be offered to it."""
        return [link for link in self._direct(peer) if not link.leaving]

    def _disconnect(self, peer: PeerId, reason: str) -> None:
        """Close the connections of `peer`: a client learns in no other way what it has lost."""
        for connection in self._direct(peer):
            connection.close(reason)

    # --- hop ---

    async def _serve_hop(self, stream: Stream) -> None:
        try:
            async with asyncio.timeout(_MESSAGE_TIME):
                data = await stream.read_message(messages.MAX_MESSAGE)
            message = messages.HopMessage.decode(data)
        except RemoteProtocolError:
            await self._refuse(stream, messages.MALFORMED_MESSAGE)
            return
        if not self.admission.may_relay(stream.connection):
            await self._refuse(stream, messages.PERMISSION_DENIED)
        elif message.type == messages.HopMessage.RESERVE:
            await self._reserve(stream)
        elif message.type == messages.HopMessage.CONNECT:
            await self._connect(stream, message)
        else:
            await self._refuse(stream, messages.UNEXPECTED_MESSAGE)

    async def _refuse(self, stream: Stream, status: int) -> None:
        name = messages.STATUS_NAMES[status]
        assert stream.connection.peer is not None
        usage = self.accounts.of(stream.connection.peer)
        if usage is not None:
            usage.refusals[name] = usage.refusals.get(name, 0) + 1
        self._count_refusal(name)
        log.info("relay-refused", peer=stream.connection.peer, status=name)
        await stream.write(delimited(_status(status).encode()))
        stream.dismiss()

    def _count_refusal(self, name: str) -> None:
        self.refusals[name] = self.refusals.get(name, 0) + 1

    def _limit(self) -> messages.Limit | None:
        limits = self.limits
        if not limits.limited:
            return None
        return messages.Limit(duration=limits.duration, data=limits.data)

    # --- reservations ---

    async def _reserve(self, stream: Stream) -> None:
        connection = stream.connection
        peer = connection.peer
        assert peer is not None
        table = self.reservations
        no_room = peer not in table and table.full(foreign=True)
        if no_room or table.group_full(peer, connection.group):
            await self.admission.is_foreign(connection)  # while it waits everything may change
        addresses = self.admission.usable_by(connection)
        admitted = bool(addresses) and self._admit(connection, peer)
        renewed = peer in self.reservations
        ttl, expire = self._ttl()
        if not admitted or not self._add(peer, connection, ttl):
            await self._refuse(stream, messages.RESERVATION_REFUSED)
            return
        told = fitting(addresses, _ADDRESS_ROOM, _ADDRESS_OVERHEAD, messages.MAX_ADDRESSES)
        answer = _status(messages.OK)
        answer.reservation = messages.Reservation(
            expire=expire,
            addrs=[address.with_peer(self._swarm.peer_id).bytes for address in told],
            voucher=seal_voucher(self._swarm.key, peer, expire),
        )
        answer.limit = self._limit()
        log.info("relay-reservation", peer=peer, ttl=ttl, renewed=renewed, ip=connection.remote)
        await stream.write(delimited(answer.encode()))
        stream.dismiss()
        if connection.closed is None:
            for tell in self.reserved:
                tell(peer)

    def _admit(self, connection: Connection, peer: PeerId) -> bool:
        """Whether `peer` gets a reservation; a foreigner may have to give one up for it."""
        table = self.reservations
        if peer not in table and not self._host.allowance.admits:
            return False
        if not self.admission.may_relay(connection) or connection.leaving:
            return False
        foreign = not self.admission.is_own(peer, connection.info)
        full = peer not in table and table.full(foreign)
        if table.group_full(peer, connection.group) and (foreign or full):
            self._count_refusal(_PER_IP)
            log.info("relay-crowded", peer=peer, ip=connection.remote, own=not foreign)
            return False
        return not full or (not foreign and self._displace(peer))

    def _displace(self, favoured: PeerId) -> bool:
        """Take the reservation of a foreigner, or one beyond the limit of its address.

        It is one without circuits if there is any.
        """
        yielding = self.reservations.foreigners() or self.reservations.spare()
        peer = min(yielding, key=self._circuits_of, default=None)
        if peer is None:
            return False
        log.info("relay-displaced", peer=peer, favoured=favoured)
        self._count_refusal("DISPLACED")
        self._remove(peer)
        self._disconnect(peer, "its reservation is needed by this network's own")
        return True

    def _circuits_of(self, peer: PeerId) -> int:
        usage = self.accounts.get(peer)
        return usage.circuits if usage is not None else 0

    def _on_identified(self, connection: Connection) -> None:
        """The peer on `connection` may turn out to be one of this network."""
        peer = connection.peer
        assert peer is not None
        if peer in self.reservations and self.admission.is_own(peer, connection.info):
            self.reservations.classify(peer, foreign=False)

    def _ttl(self) -> tuple[float, int]:
        """Seconds that a reservation lasts, and its end by the wall clock, by which peers renew.

        While that clock is wrong a reservation lasts as long as its peer stays.
        """
        now = self._host.utc()
        if now is None:
            return math.inf, _FAR_AWAY
        return self.limits.reservation_ttl, int(now) + self.limits.reservation_ttl

    def _add(self, peer: PeerId, connection: Connection, ttl: float) -> bool:
        foreign = not self.admission.is_own(peer, connection.info)
        expires_at = self._swarm.loop.time() + ttl
        if not self.reservations.add(peer, connection.group, foreign, expires_at):
            return False
        self._swarm.protect(peer, _RESERVATION)
        return True

    def _expire(self, peer: PeerId, reason: str | None) -> None:
        """The reservation of `peer` is over; that of a sleeper is kept."""
        kept = self.reservations.expire(peer)
        self._swarm.unprotect(peer, _RESERVATION)
        log.info("relay-reservation-ended", peer=peer, reason=reason, kept=kept)

    def _remove(self, peer: PeerId) -> None:
        self.reservations.remove(peer)
        self._swarm.unprotect(peer, _RESERVATION)

    def _on_loss(self, connection: Connection) -> None:
        """`connection` is gone, or its peer takes no circuits on it any more."""
        peer = connection.peer
        assert peer is not None
        if peer in self.reservations and not self._to_target(peer):
            self._expire(peer, connection.closed or "goes away")

    # --- circuits ---

    async def _connect(self, stream: Stream, message: messages.HopMessage) -> None:
        source = stream.connection.peer
        assert source is not None
        try:
            target = (message.peer or messages.Peer()).peer_id()
        except RemoteProtocolError:
            await self._refuse(stream, messages.MALFORMED_MESSAGE)
            return
        if target == source:
            await self._refuse(stream, messages.PERMISSION_DENIED)
            return
        if target not in self.reservations:
            await self._refuse(stream, messages.NO_RESERVATION)
            return
        group = stream.connection.group
        usages = self._begin(stream.connection, target)
        if usages is None:
            await self.admission.is_foreign(stream.connection)  # who is own may displace others
            usages = self._begin(stream.connection, target, displace=True)
        if usages is None:
            await self._refuse(stream, messages.RESOURCE_LIMIT_EXCEEDED)
            return
        opened = False
        try:
            opened = await self._open(stream, target, usages)
        finally:
            if not opened:
                self.circuits.abandon(usages, group)

    def _begin(
        self, caller: Connection, target: PeerId, displace: bool = False
    ) -> tuple[Usage, Usage] | None:
        """The accounts of both ends of a circuit that is to be opened; None: there is no room.

        `displace`: end the circuit of one who comes after `caller`, if that makes room.
        """
        source = caller.peer
        if source is None or caller.closed is not None or not self._host.allowance.admits:
            return None
        usages = self.accounts.both(source, target)
        if usages is None or self.circuits.begin(usages, caller.group):
            return usages
        favour = self.admission.favour(caller)
        if displace and self.circuits.make_room(
            usages, caller.group, lambda other: self.admission.favour(other) < favour
        ):
            self._count_refusal("DISPLACED")
            return usages if self.circuits.begin(usages, caller.group) else None
        return None

    async def _open(self, stream: Stream, target: PeerId, usages: tuple[Usage, Usage]) -> bool:
        source = stream.connection.peer
        destination = await self._open_to_target(stream.connection, target)
        if destination is None or not self._may_open(stream, destination):
            if destination is not None:
                destination.reset()
            await self._refuse(stream, messages.CONNECTION_FAILED)
            return False
        answer = _status(messages.OK)
        answer.limit = self._limit()
        try:
            await stream.write(delimited(answer.encode()))
        except BaseException:
            destination.reset()
            raise
        if not self._may_open(stream, destination):
            stream.reset()
            destination.reset()
            return False
        self.circuits.splice(stream, destination, usages)
        log.info("relay-circuit", source=source, destination=target)
        return True

    def _may_open(self, stream: Stream, destination: Stream) -> bool:
        """Whether, after a wait, both ends of a circuit are still there, and permitted."""
        ends = stream.connection.peer, destination.connection.peer
        alive = stream.is_open and destination.is_open
        return alive and not self._host.allowance.paused and self._serves(*ends)

    async def _open_to_target(self, caller: Connection, target: PeerId) -> Stream | None:
        """As `_open_stop`; a sleeper is woken for a peer in `allow_peers`, who waits meanwhile."""
        source = caller.peer
        assert source is not None
        held = self.reservations.get(target)
        if held is None or not held.asleep:
            stream = await self._open_stop(source, target)
            held = self.reservations.get(target)
            if stream is not None or held is None or not held.asleep:
                return stream
        may_wake = caller.closed is None and source in self.admission.allow_peers
        if self.wake is None or not may_wake or not await self.wake(target, source):
            return None
        return await self._open_stop(source, target)

    async def _open_stop(self, source: PeerId, target: PeerId) -> Stream | None:
        request = messages.StopMessage(
            type=messages.StopMessage.CONNECT,
            peer=messages.Peer(id=source.bytes),
            limit=self._limit(),
        )
        sleeps = self.reservations.may_sleep(target)
        return await open_stop(self._to_target(target), request, sleeps)


def _status(status: int) -> messages.HopMessage:
    return messages.HopMessage(type=messages.HopMessage.STATUS, status=status)

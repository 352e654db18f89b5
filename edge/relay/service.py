"""The circuit relay v2 service: reservations, and circuits to who holds one.

A reservation belongs to a peer, not to a connection: it ends with its TTL, or when the last of
the peer's connections closes. Reserving again renews it. A circuit goes over the newest direct
connection of its target, and over the next one if that does not answer: after a crash the old
connection still looks alive for a while.

Source: libp2p/specs relay/circuit-v2.md; names as in go-libp2p's circuitv2/relay
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

from edge import log
from edge.relay.accounting import PEER_ENTRY, Accounts, Usage
from edge.relay.admission import Admission
from edge.relay.circuit import Circuit
from edge.relay.resources import CIRCUIT
from edge.relay.shaping import Shaper
from edge.swarm.errors import SwarmError
from edge.wire import circuit as wire
from edge.wire.envelope import seal_voucher
from edge.wire.errors import RemoteProtocolError, WireError
from edge.wire.protobuf import delimited

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeVar

    from edge.relay.resources import Resources
    from edge.swarm.connection import Connection
    from edge.swarm.stream import Stream
    from edge.swarm.swarm import Swarm
    from edge.wire.multiaddr import Multiaddr
    from edge.wire.peerid import PeerId

    _Key = TypeVar("_Key")

_MESSAGE_TIME = 15.0  # seconds for a peer to send its message
_STOP_TIME = 8.0  # seconds for one of the target's connections to answer
_IDENTIFY_WAIT = 3.0  # seconds for a peer to say who it is, where that decides
_IDENTIFY_LOOKS = 30
_STALLED = 3.0  # seconds without progress after which a circuit's memory may be taken back
_SWEEP = 5.0  # seconds, times the slowdown of the swarm
_FAR_AWAY = 4_102_444_800  # the year 2100: what a slot's end is told to be while the clock is wrong
_RESERVATION = "reservation"
_ASLEEP = b"asleep"  # the group of slots that are kept for peers without a connection


class Reservation:
    """One peer's slot: until when (loop time), and what per-IP limits count it under.

    `foreign`: the peer is not known to be of this network.
    """

    __slots__ = ("expires_at", "foreign", "group")

    def __init__(self, expires_at: float, group: bytes, foreign: bool) -> None:
        self.expires_at = expires_at
        self.group = group
        self.foreign = foreign

    @property
    def asleep(self) -> bool:
        """Whether it is only kept: its peer has to be woken."""
        return self.group == _ASLEEP


class Stats:
    """Counters since the start. `refusals`: by status name. Bytes are those of ended circuits."""

    __slots__ = ("bytes_to_dialers", "bytes_to_listeners", "circuits", "refusals", "reservations")

    def __init__(self) -> None:
        self.reservations = 0
        self.circuits = 0
        self.bytes_to_listeners = 0
        self.bytes_to_dialers = 0
        self.refusals: dict[str, int] = {}


class RelayService:
    """Serves hop on `swarm`. `usable_by`: the addresses of ours that a connection's peer can use.
    `clock`: the wall clock, by which peers renew; None while it is wrong.

    Without any such address the protocol is not offered to that peer: a relay nobody can be
    reached through is none.
    """

    def __init__(
        self,
        swarm: Swarm,
        resources: Resources,
        usable_by: Callable[[Connection], list[Multiaddr]],
        clock: Callable[[], float | None] = time.time,
    ) -> None:
        self.limits = resources
        self.admits = True  # new circuits, and slots for peers that have none
        self.admission = Admission()
        self.shaper = Shaper(swarm.loop)
        self._memory = swarm.budget.pool("circuits", 0.25, growth=True)
        self.accounts = Accounts(swarm.pools.tables)
        self.reservations: dict[PeerId, Reservation] = {}
        self.circuits: set[Circuit] = set()
        self.opened: list[Callable[[Circuit], None]] = []  # told of every circuit
        self._ended = Stats()
        self._swarm = swarm
        self._usable_by = usable_by
        self._clock = clock
        self._per_group: dict[bytes, int] = {}
        self._circuits_per_group: dict[bytes, int] = {}
        self._foreigners = 0  # reservations
        self._opening = 0
        self.reserved: list[Callable[[PeerId], None]] = []  # told of every slot taken or renewed
        self.wake: Callable[[PeerId], Awaitable[bool]] | None = None
        self._sleepers: frozenset[PeerId] = frozenset()
        swarm.handle(wire.HOP_ID, self._hop, self._offered)
        swarm.closed.append(self._on_close)
        swarm.pools.buffers.reclaimers.append(self._end_a_stalled_one)
        self._sweeper = swarm.loop.call_later(_SWEEP, self._sweep)

    def stop(self) -> None:
        """End all circuits and reservations."""
        self._sweeper.cancel()
        self.end_circuits("node stops")
        for peer in list(self.reservations):
            self._drop(peer)

    def end_circuits(self, reason: str) -> None:
        """End those that are open; slots stay."""
        for circuit in list(self.circuits):
            circuit.end(reason)

    @property
    def stats(self) -> Stats:
        """As of now, circuits still open included."""
        now = Stats()
        now.reservations = self._ended.reservations
        now.circuits = self._ended.circuits
        now.refusals = self._ended.refusals
        live = self.circuits
        to_listeners = sum(circuit.source.received for circuit in live)
        to_dialers = sum(circuit.destination.received for circuit in live)
        now.bytes_to_listeners = self._ended.bytes_to_listeners + to_listeners
        now.bytes_to_dialers = self._ended.bytes_to_dialers + to_dialers
        return now

    def keep_slots(self, sleepers: frozenset[PeerId]) -> None:
        """Exactly `sleepers` have slots that outlast their connections.

        A circuit to one that has none makes `wake` bring it back first: True when it has.
        """
        self._sleepers = sleepers
        for peer, held in list(self.reservations.items()):
            if held.asleep and peer not in sleepers:
                self._drop(peer)
        for peer in sleepers:
            if peer not in self.reservations:
                self._keep(peer)

    def usage(self, peer: PeerId) -> Usage | None:
        """What `peer` has made of the relay, if that is remembered."""
        return self.accounts.get(peer)

    def _offered(self, connection: Connection) -> bool:
        return connection.direct and bool(self._usable_by(connection))

    # --- hop ---

    async def _hop(self, stream: Stream) -> None:
        try:
            async with asyncio.timeout(_MESSAGE_TIME):
                data = await stream.read_message(wire.MAX_MESSAGE)
            message = wire.HopMessage.decode(data)
        except RemoteProtocolError:
            await self._refuse(stream, wire.MALFORMED_MESSAGE)
            return
        connection = stream.connection
        if not connection.direct or not self.admission.may_relay(connection):
            await self._refuse(stream, wire.PERMISSION_DENIED)
        elif message.type == wire.HopMessage.RESERVE:
            await self._reserve(stream)
        elif message.type == wire.HopMessage.CONNECT:
            await self._connect(stream, message)
        else:
            await self._refuse(stream, wire.UNEXPECTED_MESSAGE)

    async def _refuse(self, stream: Stream, status: int) -> None:
        name = wire.STATUS_NAMES[status]
        assert stream.connection.peer is not None
        usage = self.accounts.of(stream.connection.peer)
        if usage is not None:
            usage.refusals[name] = usage.refusals.get(name, 0) + 1
        self._count_refusal(name)
        log.info("relay-refused", peer=stream.connection.peer, status=name)
        await stream.write(delimited(_status(status).encode()))
        stream.dismiss()

    def _count_refusal(self, name: str) -> None:
        self._ended.refusals[name] = self._ended.refusals.get(name, 0) + 1

    # --- reservations ---

    async def _reserve(self, stream: Stream) -> None:
        connection = stream.connection
        peer = connection.peer
        assert peer is not None
        addresses = self._usable_by(connection)
        if not addresses or not await self._admit(connection, peer):
            await self._refuse(stream, wire.RESERVATION_REFUSED)
            return
        renewed = peer in self.reservations
        if not renewed and not self._swarm.pools.tables.take(PEER_ENTRY):
            await self._refuse(stream, wire.RESERVATION_REFUSED)
            return
        ttl, expire = self._term()
        self._hold(peer, connection, ttl)
        answer = _status(wire.OK)
        answer.reservation = wire.Reservation(
            expire=expire,
            addrs=[address.with_peer(self._swarm.peer_id).bytes for address in addresses],
            voucher=seal_voucher(self._swarm.key, peer, expire),
        )
        answer.limit = self._limit()
        log.info("relay-reservation", peer=peer, ttl=ttl, renewed=renewed, ip=connection.remote)
        await stream.write(delimited(answer.encode()))
        stream.dismiss()
        for tell in self.reserved:
            tell(peer)

    async def _admit(self, connection: Connection, peer: PeerId) -> bool:
        """Whether `peer` gets a slot; a foreigner may have to give one up for it."""
        held = self.reservations.get(peer)
        if held is None and not self.admits:
            return False
        same_group = held is not None and held.group == connection.group
        others = self._per_group.get(connection.group, 0)
        if not same_group and others >= self.limits.max_reservations_per_ip:
            return False
        if held is not None:
            return True
        if not self._foreign_slot_free() or self._full():
            await self._identified(connection)
        if not self.admission.is_own(peer, connection.info):
            return self._foreign_slot_free() and not self._full()
        return not self._full() or self._displace_a_foreigner(peer)

    def _full(self) -> bool:
        return len(self.reservations) >= self.limits.max_reservations

    def _foreign_slot_free(self) -> bool:
        slots = self.admission.foreign_slots(self.limits.max_reservations)
        return self._foreigners < slots

    async def _identified(self, connection: Connection) -> None:
        """Give the peer a moment to say who it is, where that decides."""
        for _ in range(_IDENTIFY_LOOKS):
            if connection.info is not None:
                return
            await asyncio.sleep(_IDENTIFY_WAIT / _IDENTIFY_LOOKS)

    def _displace_a_foreigner(self, favoured: PeerId) -> bool:
        """Take the slot of a foreigner, one without circuits if there is any."""
        foreign = [peer for peer, held in self.reservations.items() if held.foreign]
        if not foreign:
            return False
        peer = min(foreign, key=self._circuits_of)
        log.info("relay-displaced", peer=peer, favoured=favoured)
        self._count_refusal("DISPLACED")
        self._drop(peer)
        for connection in _direct(self._swarm, peer):
            connection.close("its slot is needed by this network's own")  # so that it learns
        return True

    def _circuits_of(self, peer: PeerId) -> int:
        usage = self.accounts.get(peer)
        return usage.circuits if usage is not None else 0

    def on_identified(self, connection: Connection) -> None:
        """The peer on `connection` has said who it is: it may turn out to be one of ours."""
        peer = connection.peer
        held = self.reservations.get(peer) if peer is not None else None
        if held is None or peer is None or not held.foreign:
            return
        if self.admission.is_own(peer, connection.info):
            held.foreign = False
            self._foreigners -= 1

    def _term(self) -> tuple[float, int]:
        """Seconds that a slot lasts, and its end by the wall clock, for the peer to renew by.

        While that clock is wrong a slot lasts as long as its peer stays.
        """
        now = self._clock()
        if now is None:
            return math.inf, _FAR_AWAY
        return self.limits.reservation_ttl, int(now) + self.limits.reservation_ttl

    def _hold(self, peer: PeerId, connection: Connection, ttl: float) -> None:
        self._take_back(peer)
        expires_at = self._swarm.loop.time() + ttl
        foreign = not self.admission.is_own(peer, connection.info)
        group = connection.group
        self.reservations[peer] = Reservation(expires_at, group, foreign)
        self._foreigners += foreign
        self._per_group[group] = self._per_group.get(group, 0) + 1
        self._swarm.protect(peer, _RESERVATION)
        self._ended.reservations += 1

    def _keep(self, peer: PeerId) -> None:
        """A slot for a peer that is not here."""
        self.reservations[peer] = Reservation(math.inf, _ASLEEP, False)
        self._per_group[_ASLEEP] = self._per_group.get(_ASLEEP, 0) + 1

    def _end(self, peer: PeerId, reason: str | None) -> None:
        """The reservation of `peer` is over; a sleeper's slot is kept."""
        log.info("relay-reservation-ended", peer=peer, reason=reason, kept=peer in self._sleepers)
        self._drop(peer)
        if peer in self._sleepers:
            self._keep(peer)

    def _drop(self, peer: PeerId) -> None:
        if self._take_back(peer):
            self._swarm.pools.tables.give(PEER_ENTRY)

    def _take_back(self, peer: PeerId) -> bool:
        """Whether `peer` had a slot; its lease remains, for the one that takes its place."""
        held = self.reservations.pop(peer, None)
        if held is None:
            return False
        self._foreigners -= held.foreign
        _decrement(self._per_group, held.group)
        self._swarm.unprotect(peer, _RESERVATION)
        return True

    def _on_close(self, connection: Connection) -> None:
        peer = connection.peer
        if peer in self.reservations and not _direct(self._swarm, peer):
            self._end(peer, connection.closed)

    def _sweep(self) -> None:
        now = self._swarm.loop.time()
        self._sweeper = self._swarm.loop.call_later(_SWEEP * self._swarm.slowdown, self._sweep)
        for peer, held in list(self.reservations.items()):
            if held.expires_at <= now:
                self._end(peer, "expired")
        longest = self.limits.duration
        for circuit in list(self.circuits):
            if longest and now - circuit.opened_at >= longest:
                circuit.end("duration-limit")

    # --- circuits ---

    async def _connect(self, stream: Stream, message: wire.HopMessage) -> None:
        source = stream.connection.peer
        assert source is not None
        try:
            target = (message.peer or wire.Peer()).peer_id()
        except RemoteProtocolError:
            await self._refuse(stream, wire.MALFORMED_MESSAGE)
            return
        if target == source:
            await self._refuse(stream, wire.PERMISSION_DENIED)
            return
        if target not in self.reservations:
            await self._refuse(stream, wire.NO_RESERVATION)
            return
        if not self.admits:
            await self._refuse(stream, wire.RESOURCE_LIMIT_EXCEEDED)
            return
        usages = self.accounts.both(source, target)
        memory = self._memory
        group = stream.connection.group
        if usages is None or not self._has_room(usages, group) or not memory.take(CIRCUIT):
            await self._refuse(stream, wire.RESOURCE_LIMIT_EXCEEDED)
            return
        self._opening += 1
        self._circuits_per_group[group] = self._circuits_per_group.get(group, 0) + 1
        for usage in usages:
            usage.circuits += 1
        opened = False
        try:
            opened = await self._open(stream, target, usages)
        finally:
            self._opening -= 1
            if not opened:
                memory.give(CIRCUIT)
                _decrement(self._circuits_per_group, group)
                for usage in usages:
                    usage.circuits -= 1

    def _has_room(self, usages: tuple[Usage, Usage], group: bytes) -> bool:
        limits = self.limits
        busiest = max(usage.circuits for usage in usages)
        return (
            len(self.circuits) + self._opening < limits.max_circuits
            and busiest < limits.max_circuits_per_peer
            and self._circuits_per_group.get(group, 0) < limits.max_circuits_per_ip
        )

    async def _open(self, stream: Stream, target: PeerId, usages: tuple[Usage, Usage]) -> bool:
        source = stream.connection.peer
        assert source is not None
        destination = await self._reach(stream.connection, target)
        if destination is None:
            await self._refuse(stream, wire.CONNECTION_FAILED)
            return False
        answer = _status(wire.OK)
        answer.limit = self._limit()
        try:
            await stream.write(delimited(answer.encode()))
        except BaseException:
            destination.reset()
            raise
        self._ended.circuits += 1
        circuit = Circuit(stream, destination, self.limits.data, usages, self.shaper, self._on_end)
        if circuit.ended is None:
            self.circuits.add(circuit)
            for tell in self.opened:
                tell(circuit)
        log.info("relay-circuit", source=source, destination=target)
        return True

    async def _reach(self, caller: Connection, target: PeerId) -> Stream | None:
        """As `_stop`; a sleeper is woken for a peer of this network, who waits meanwhile."""
        source = caller.peer
        assert source is not None
        if not self.reservations[target].asleep:
            stream = await self._stop(source, target)
            held = self.reservations.get(target)
            if stream is not None or held is None or not held.asleep:
                return stream
        await self._identified(caller)
        if self.wake is None or not self.admission.is_own(source, caller.info):
            return None
        return await self._stop(source, target) if await self.wake(target) else None

    async def _stop(self, source: PeerId, target: PeerId) -> Stream | None:
        """A stop stream which `target` has accepted, None if none of its connections did."""
        connections = _direct(self._swarm, target)
        for connection in sorted(connections, key=lambda c: c.opened_at, reverse=True):
            stream = None
            try:
                async with asyncio.timeout(_STOP_TIME):
                    stream = connection.open_stream([wire.STOP_ID])
                    request = wire.StopMessage(
                        type=wire.StopMessage.CONNECT,
                        peer=wire.Peer(id=source.bytes),
                        limit=self._limit(),
                    )
                    await stream.write(delimited(request.encode()))
                    answer = wire.StopMessage.decode(await stream.read_message(wire.MAX_MESSAGE))
            except (WireError, SwarmError, TimeoutError) as error:
                log.debug("relay-stop-failed", peer=target, error=error)
                if stream is not None:
                    stream.reset()
                if target in self._sleepers:  # fell asleep without a word
                    connection.close("does not answer", say=False)
                continue
            except BaseException:
                if stream is not None:
                    stream.reset()
                raise
            if answer.type == wire.StopMessage.STATUS and answer.status == wire.OK:
                return stream
            stream.reset()
            return None
        return None

    def _end_a_stalled_one(self) -> bool:
        """When memory is short: the circuit whose reader has taken nothing for longest."""
        now = self._swarm.loop.time()
        legs = [leg for circuit in self.circuits for leg in (circuit.source, circuit.destination)]
        stalled = [leg for leg in legs if leg.pending and now - leg.stalled_since > _STALLED]
        if not stalled:
            return False
        min(stalled, key=lambda leg: leg.stalled_since).end("memory")
        return True

    def _limit(self) -> wire.Limit | None:
        resources = self.limits
        if not resources.limited:
            return None
        return wire.Limit(duration=resources.duration, data=resources.data)

    def _on_end(self, circuit: Circuit, reason: str) -> None:
        self.circuits.discard(circuit)
        self._memory.give(CIRCUIT)
        _decrement(self._circuits_per_group, circuit.source.connection.group)
        source, destination = circuit.source, circuit.destination
        seconds = self._swarm.loop.time() - circuit.opened_at
        for leg in (source, destination):
            leg.usage.circuits -= 1
            leg.usage.circuits_total += 1
            leg.usage.seconds += seconds
        self._ended.bytes_to_listeners += source.received
        self._ended.bytes_to_dialers += destination.received
        log.info(
            "relay-circuit-ended",
            source=source.connection.peer,
            destination=destination.connection.peer,
            reason=reason,
            seconds=int(seconds),
            bytes=source.received + destination.received,
        )


def _status(status: int) -> wire.HopMessage:
    return wire.HopMessage(type=wire.HopMessage.STATUS, status=status)


def _direct(swarm: Swarm, peer: PeerId | None) -> list[Connection]:
    if peer is None:
        return []
    return [connection for connection in swarm.connections.get(peer, ()) if connection.direct]


def _decrement(table: dict[_Key, int], key: _Key) -> None:
    left = table[key] - 1
    if left:
        table[key] = left
    else:
        del table[key]

"""What is decided before a wait is looked at again after it: who asked may be gone by then."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edge.relay import service
from edge.relay.client import RelayClient
from edge.swarm.connection import Connection
from edge.swarm.errors import StreamReset
from edge.swarm.stream import Stream
from edge.swarm.swarm import Swarm
from edge.wire import circuit
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import PeerId
from tests.counterparts.base import asynchronous
from tests.relay.hosts import Peer, Relay, Reserver, peers, relaying, so
from tests.swarm.test_going_away import swarm

FULL = {"max_reservations": 1, "foreign_share": 100}


async def status_of(request: Callable[[], object]) -> int | None:
    """The status answered, None if there is no answer."""
    try:
        return await request()  # type: ignore[misc, no-any-return]
    except StreamReset:
        return None


def close(_: Relay, connection: Connection) -> None:
    connection.close("ghost")


def leave(_: Relay, connection: Connection) -> None:
    connection.session.going_away = True


def pause(relay: Relay, _: Connection) -> None:
    relay.host.allowance.admits = False


def end_service(relay: Relay, _: Connection) -> None:
    relay.service.admission.service = "no"


def lose_addresses(relay: Relay, _: Connection) -> None:
    relay.service.admission.service = "auto"
    relay.host.addresses._own = {}
    relay.host.addresses.external = []


@pytest.mark.parametrize("meanwhile", [close, leave, pause, end_service, lose_addresses])
@asynchronous(30)
async def test_nobody_is_displaced_for_who_is_gone(
    meanwhile: Callable[[Relay, Connection], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The relay waits a moment for a peer to say who it is, where that decides."""
    async with relaying(**FULL) as relay, peers(relay, 1) as (held,), peers(relay, 1, True) as own:
        assert await held.reserve() == circuit.OK
        await own[0].dial()
        await so(lambda: all(link.info for link in relay.swarm.all_connections()))
        waits: list[Connection] = []

        async def wait(connection: Connection) -> bool:
            waits.append(connection)
            meanwhile(relay, connection)
            return False

        monkeypatch.setattr(relay.service.admission, "is_foreign", wait)
        assert await status_of(own[0].reserve) in (None, circuit.RESERVATION_REFUSED)
        assert len(waits) == 1
        assert list(relay.service.reservations) == [held.id]


@asynchronous(30)
async def test_a_reservation_whose_peer_is_not_there_ends_with_the_next_sweep() -> None:
    async with relaying() as relay, peers(relay, 2) as (sleeper, there):
        relay.service.keep_reservations(frozenset({sleeper.id}))
        assert await there.reserve() == circuit.OK
        ghost = Peer(relay)
        relay.service.reservations.add(ghost.id, b"group", foreign=True, expires_at=1e9)
        relay.service.sweep()
        assert set(relay.service.reservations) == {sleeper.id, there.id}
        await ghost.swarm.stop()


@asynchronous(30)
async def test_nobody_is_told_of_a_reservation_that_is_gone_already(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with relaying() as relay, peers(relay, 1) as (peer,):
        told: list[PeerId] = []
        relay.service.reserved.append(told.append)
        await peer.dial()
        await so(lambda: bool(relay.swarm.connections))
        closing(monkeypatch, lambda stream: stream.connection)
        assert await status_of(peer.reserve) is None
        await so(lambda: not relay.swarm.connections)
        assert not told
        assert len(relay.service.reservations) == 0


def closing(
    monkeypatch: pytest.MonkeyPatch, which: Callable[[Stream], Connection | None]
) -> list[Connection]:
    """From now on `which` connection closes while the relay's answer waits to be written."""
    write, closed = Stream.write, []

    async def wait(stream: Stream, data: bytes) -> None:
        connection = which(stream) if stream.protocol == circuit.HOP_ID else None
        if connection is not None and stream.yamux.id % 2:  # asked by the client
            closed.append(connection)
            connection.close("gone meanwhile")
            return
        await write(stream, data)

    monkeypatch.setattr(Stream, "write", wait)
    return closed


@pytest.mark.parametrize("end", ["target", "source"])
@asynchronous(30)
async def test_no_circuit_is_left_with_an_end_that_is_gone(
    end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with relaying() as relay, peers(relay, 2) as (listener, dialer):
        assert await listener.reserve() == circuit.OK
        await dialer.dial()
        await so(lambda: len(relay.swarm.connections) == 2)

        def which(stream: Stream) -> Connection | None:
            if stream.connection not in relay.swarm.connections.get(dialer.id, ()):
                return None
            gone = listener.id if end == "target" else dialer.id
            return relay.swarm.connections[gone][0]

        closed = closing(monkeypatch, which)
        assert await status_of(lambda: dialer.connect(listener)) is None
        assert len(closed) == 1
        assert len(relay.service.circuits) == 0
        usage = relay.service.accounts.get(dialer.id)
        assert usage is not None
        await so(lambda: usage.circuits == 0)


@asynchronous(30)
async def test_no_circuit_begins_in_a_pause_that_began_while_it_was_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with relaying() as relay, peers(relay, 2) as (listener, dialer):
        assert await listener.reserve() == circuit.OK
        splices = service.RelayService._may_open
        asked: list[bool] = []

        def pausing(self: service.RelayService, *ends: Stream) -> bool:
            relay.host.allowance.paused = bool(asked)
            asked.append(splices(self, *ends))
            return asked[-1]

        monkeypatch.setattr(service.RelayService, "_may_open", pausing)
        await status_of(lambda: dialer.connect(listener))
        await so(lambda: asked == [True, False])
        assert len(relay.service.circuits) == 0


@asynchronous(30)
async def test_no_machine_is_woken_for_who_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller goes while the relay asks on a connection over which the sleeper is silent."""
    async with relaying() as relay, peers(relay, 2) as (friend, sleeper):
        woken: list[PeerId] = []

        async def wake(peer: PeerId, _: PeerId) -> bool:
            woken.append(peer)
            return False

        async def silent(connections: list[Connection], *_: object) -> None:
            for connection in [*connections, *relay.swarm.connections[friend.id]]:
                connection.close("gone")

        relay.configure(allow_peers=[friend.id])
        relay.service.wake = wake
        relay.service.keep_reservations(frozenset({sleeper.id}))
        assert await sleeper.reserve() == circuit.OK
        monkeypatch.setattr(service, "open_stop", silent)
        assert await status_of(lambda: friend.connect(sleeper)) is None
        assert not woken


@asynchronous(30)
async def test_an_own_reservation_is_not_held_on_a_connection_that_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reserve = RelayClient.reserve
    answered: list[Connection] = []

    async def closing_once(
        self: RelayClient, relay: PeerId, addresses: list[Multiaddr], trusted: bool
    ) -> tuple[Connection, circuit.HopMessage]:
        connection, answer = await reserve(self, relay, addresses, trusted)
        if not answered:
            connection.close("as it answered")
        answered.append(connection)
        return connection, answer

    monkeypatch.setattr(RelayClient, "reserve", closing_once)
    async with relaying() as relay:
        node = Reserver(swarm(), [relay.at])
        await so(lambda: len(answered) == 1)
        assert not node.autorelay.reservations
        await so(lambda: len(node.autorelay.reservations) == 1)
        await node.swarm.stop()


@asynchronous(30)
async def test_limits_hold_for_circuits_that_are_offered_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with relaying() as relay, peers(relay, 2) as (listener, dialer):
        assert await listener.reserve() == circuit.OK
        checks: list[str | None] = []
        refusal_for = Swarm.refusal_for

        def full_later(self: Swarm, group: bytes) -> str | None:
            if self is not listener.swarm:
                return refusal_for(self, group)
            checks.append("connections" if checks else None)
            return checks[-1]

        monkeypatch.setattr(Swarm, "refusal_for", full_later)
        await status_of(lambda: dialer.connect(listener))
        await so(lambda: len(checks) == 2)
        assert listener.swarm.refusals == {"connections": 1}
        assert not listener.swarm.pending

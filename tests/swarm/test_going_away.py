"""A connection on which the peer takes no new streams: nothing new is put on it."""

from __future__ import annotations

import asyncio

import pytest

from edge import crypto
from edge.status import report
from edge.swarm import reconnect
from edge.swarm.connection import Connection
from edge.swarm.dialer import Dialer
from edge.swarm.limits import Limits
from edge.swarm.peerstore import PeerStore
from edge.swarm.places import OWN
from edge.swarm.reconnect import Reconnector
from edge.swarm.stream import Stream
from edge.swarm.swarm import Swarm
from edge.wire import circuit
from tests.counterparts.base import asynchronous
from tests.hosts import host_around
from tests.relay.hosts import LOOPBACK, Peer, Reserver, peers, relaying, so


def swarm(**limits: float) -> Swarm:
    made = Limits()
    for name, value in limits.items():
        setattr(made, name, value)
    return Swarm(crypto.Ed25519Key.generate(), made)


async def go_away(ours: Connection, theirs: Connection) -> None:
    """`theirs` says that it takes no new streams, and stays."""
    theirs.session.go_away()
    theirs.touch()
    await so(lambda: ours.leaving)
    assert ours.closed is None


async def both_ends(client: Swarm, server: Swarm) -> tuple[Connection, Connection]:
    """The connection there is between the two, as each has it."""
    await so(lambda: client.peer_id in server.connections)
    (ours,), (theirs,) = client.connections[server.peer_id], server.connections[client.peer_id]
    return ours, theirs


@asynchronous(30)
async def test_another_one_is_dialed() -> None:
    server, client = swarm(), swarm()
    dialer, at = Dialer(client), [server.listen(LOOPBACK)]
    first = await dialer.connect(server.peer_id, at, trusted=True)
    ours, theirs = await both_ends(client, server)
    await go_away(ours, theirs)
    assert client.connection_to(server.peer_id) is None
    second = await dialer.connect(server.peer_id, at)  # it has been there already
    assert second is not first
    assert client.connection_to(server.peer_id) is second
    assert first.closed is None
    (row,) = report.peers(host_around(client))["peers"]
    assert row["connections"] == 2
    for each in (client, server):
        await each.stop()


@asynchronous(30)
async def test_status_has_a_peer_of_which_no_other_is_left() -> None:
    server, client = swarm(), swarm()
    await Dialer(client).connect(server.peer_id, [server.listen(LOOPBACK)], trusted=True)
    await go_away(*await both_ends(client, server))
    (row,) = report.peers(host_around(client))["peers"]
    assert row["peer_id"] == str(server.peer_id)
    for each in (client, server):
        await each.stop()


@asynchronous(30)
async def test_streams_on_it_go_on_and_without_any_it_idles_out() -> None:
    server, client = swarm(), swarm(idle_timeout=0.0)
    arrived: asyncio.Queue[Stream] = asyncio.Queue()
    server.handle("/talk", arrived.put)
    at = server.listen(LOOPBACK)
    connection = await Dialer(client).connect(server.peer_id, [at], trusted=True)
    client.protect(server.peer_id, "test")
    stream = connection.open_stream(["/talk"])
    await stream.write(b"x")
    far = await arrived.get()
    await go_away(*await both_ends(client, server))
    client._sweep()
    assert connection.closed is None
    await stream.write(b"y")
    assert await far.read_exactly(2) == b"xy"
    stream.reset()
    connection.idle_since -= 1
    client._sweep()
    assert connection.closed == "idle"
    for each in (client, server):
        await each.stop()


@asynchronous(30)
async def test_a_configured_peer_is_dialed_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconnect, "_FIRST_PAUSE", 0.0)
    server, client = swarm(), swarm()
    reconnector = Reconnector(client, Dialer(client), PeerStore(None))
    reconnector.configure([server.listen(LOOPBACK).with_peer(server.peer_id)])
    await so(lambda: client.connection_count == 1)
    ours, theirs = await both_ends(client, server)
    await go_away(ours, theirs)
    await so(lambda: client.connection_to(server.peer_id) not in (None, ours))
    for each in (client, server):
        await each.stop()


@pytest.mark.parametrize("configured", [True, False])
@asynchronous(30)
async def test_a_reservation_is_renewed_over_another_one(configured: bool) -> None:
    async with relaying() as relay:
        node = Reserver(swarm(), [relay.at] if configured else [])
        await node.host.dialer.connect(relay.swarm.peer_id, [relay.bound], trusted=True)
        await so(lambda: bool(node.autorelay.reservations))
        first = node.autorelay.reservations[relay.swarm.peer_id]
        ours, theirs = await both_ends(node.swarm, relay.swarm)
        await go_away(ours, theirs)
        await so(lambda: node.autorelay.reservations[relay.swarm.peer_id] is not first)
        assert len(relay.swarm.connections[node.swarm.peer_id]) == 2
        ours.close("test")
        assert list(node.autorelay.reservations) == [relay.swarm.peer_id]
        await node.swarm.stop()


@asynchronous(30)
async def test_a_relay_offers_no_circuits_on_it() -> None:
    async with relaying() as relay, peers(relay, 2) as (listener, dialer):
        assert await listener.reserve() == circuit.OK
        theirs, ours = await both_ends(listener.swarm, relay.swarm)
        await go_away(ours, theirs)
        assert listener.id not in relay.service.reservations
        assert await dialer.connect(listener) == circuit.NO_RESERVATION
        await listener.dialer.dial(relay.bound, relay.swarm.peer_id)
        assert await listener.reserve() == circuit.OK
        assert await dialer.connect(listener) == circuit.OK


@asynchronous(30)
async def test_circuits_on_it_outlast_a_reload() -> None:
    async with relaying() as relay, peers(relay, 2) as (listener, dialer):
        assert await listener.reserve() == circuit.OK
        assert await dialer.connect(listener) == circuit.OK
        ends: tuple[Peer, Peer] = (listener, dialer)
        for end in ends:
            theirs, ours = await both_ends(end.swarm, relay.swarm)
            await go_away(ours, theirs)
        relay.configure()
        assert len(relay.service.circuits) == 1


@asynchronous(30)
async def test_who_is_favoured_may_idle_five_times_as_long() -> None:
    server, client = swarm(), swarm(idle_timeout=60.0)
    at = server.listen(LOOPBACK)
    connection = await Dialer(client).connect(server.peer_id, [at], trusted=True)
    await so(lambda: not connection.busy)
    client.places.favour = lambda _: OWN
    for seconds, closed in ((61.0, None), (299.0, None), (301.0, "idle")):
        connection.idle_since = client.loop.time() - seconds
        client._sweep()
        assert connection.closed == closed
    for each in (client, server):
        await each.stop()

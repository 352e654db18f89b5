"""Connections that come through a relay are strangers': so many of each relay, and in turn."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from edge.swarm.connection import Connection
from edge.swarm.errors import SwarmError
from edge.swarm.places import LISTED
from edge.swarm.work import INTERACTIVE
from edge.wire import circuit, yamux
from edge.wire.ip import parse_ip4
from tests.counterparts.base import asynchronous
from tests.relay.hosts import LOOPBACK, Peer, Relay, peers, relaying, so
from tests.swarm.served import Clock

ENOUGH = {"max_circuits_per_peer": 200, "max_circuits_per_ip": 200}


async def comes(dialer: Peer, listener: Peer, relay: Relay) -> bool:
    """Whether `dialer` gets a connection to `listener` through `relay`, and keeps it."""
    at = relay.at.via_circuit(listener.id)
    try:
        connection = await dialer.dialer.connect(listener.id, [at], again=True, trusted=True)
    except SwarmError:
        return False
    await so(lambda: dialer.id in listener.swarm.connections or connection.closed is not None)
    return dialer.id in listener.swarm.connections


def relayed(listener: Peer) -> list[Connection]:
    return [link for link in listener.swarm.all_connections() if not link.direct]


@asynchronous(60)
async def test_one_relay_brings_so_many_and_others_are_served_still() -> None:
    async with (
        relaying(**ENOUGH) as flooding,
        relaying(**ENOUGH) as other,
        peers(flooding, 1) as (listener,),
        peers(flooding, 7) as strangers,
        peers(other, 2) as (elsewhere, direct),
    ):
        listener.swarm.limits.max_connections_per_ip = 4
        listener.client.relays = {flooding.swarm.peer_id, other.swarm.peer_id}
        for relay in (flooding, other):
            await listener.client.reserve(relay.swarm.peer_id, [relay.bound], trusted=True)
        came = [await comes(each, listener, flooding) for each in strangers]
        assert came == [True] * 4 + [False] * 3
        assert listener.swarm.refusals == {"connections-per-ip": 3}
        assert await comes(elsewhere, listener, other)
        at = listener.swarm.listen(LOOPBACK)
        assert await direct.dialer.connect(listener.id, [at], trusted=True)
        relayed(listener)[0].close("test")
        assert await comes(strangers[6], listener, flooding), "as one has gone"
    assert not listener.swarm.places.origins


@asynchronous(60)
async def test_those_that_we_dial_through_it_do_not_count() -> None:
    async with relaying(**ENOUGH) as relay, peers(relay, 5) as (node, *others):
        node.swarm.limits.max_connections_per_ip = 2
        await node.reserve()
        for each in others[:3]:
            assert await each.reserve() == circuit.OK
            at = relay.at.via_circuit(each.id)
            await node.dialer.connect(each.id, [at], again=True, trusted=True)
        assert await comes(others[3], node, relay)


@asynchronous(30)
async def test_one_relay_brings_so_many_handshakes_a_minute() -> None:
    async with relaying() as relay, peers(relay, 1) as (node,):
        swarm, ip = node.swarm, parse_ip4("5.1.1.1")
        swarm.limits.max_connections_per_ip = 5
        one, other = (bytes(37) + bytes((number,)) for number in range(2))
        asked = [swarm.refusal_of_source(ip, one) for _ in range(12)]
        assert asked == [None] * 10 + ["handshakes-per-ip"] * 2
        assert swarm.refusal_of_source(ip, other) is None
        assert swarm.refusal_of_source(ip) is None, "nor is the relay itself one of them"


# --- time ---


@asynccontextmanager
async def called() -> AsyncIterator[tuple[Peer, Peer, Connection, Connection]]:
    """A listener that has to protect something, its caller, and both ends of their connection."""
    async with relaying(**ENOUGH) as relay, peers(relay, 2) as (listener, caller):
        assert await listener.reserve() == circuit.OK
        assert await comes(caller, listener, relay)
        (theirs,) = relayed(listener)
        (ours,) = relayed(caller)
        yield listener, caller, theirs, ours


def press(peer: Peer, *, step: float = 0.03) -> Clock:
    """Something passes at `peer` by a clock that stands still, and work takes `step` seconds."""
    peer.swarm.work[INTERACTIVE].moved += 1
    clock = Clock()
    for work in peer.swarm.work:
        work.share.clock, work.share.worked = clock, Clock(step)
    return clock


@asynchronous(30)
async def test_what_a_caller_sends_is_read_in_turn_and_waits_at_the_relay() -> None:
    async with called() as (listener, _, theirs, ours):
        clock = press(listener)
        ours.measure()
        await so(lambda: theirs.load.paced)
        before = theirs.transport.waiting
        for _ in range(4000):
            ours.session.ping(1)
        ours.touch()
        await so(lambda: theirs.transport.waiting > before)
        assert theirs.unread() >= theirs.transport.waiting
        assert all(link.unread() == 0 for link in listener.swarm.all_connections() if link.direct)
        assert theirs.session.nuisances < 10
        clock.now += 3600.0
        await so(lambda: theirs.closed is not None)
        assert theirs.closed == "yamux peer floods the session"


@pytest.mark.parametrize("wanted", ["dialled", "listed"])
@asynchronous(30)
async def test_who_is_wanted_is_read_at_once(wanted: str) -> None:
    async with relaying(**ENOUGH) as relay, peers(relay, 2) as (listener, caller):
        assert await listener.reserve() == circuit.OK
        if wanted == "listed":
            listener.swarm.places.favour = lambda _: LISTED
        assert await comes(caller, listener, relay)
        (theirs,), (ours,) = relayed(listener), relayed(caller)
        node, at_node, far = (
            (listener, theirs, ours) if wanted == "listed" else (caller, ours, theirs)
        )
        press(node)
        for _ in range(5):
            at_node.heard = False
            far.measure()
            await so(lambda: at_node.heard)
        assert not at_node.load.paced


@asynchronous(30)
async def test_a_caller_that_ends_while_it_waits_is_gone_and_its_memory_back() -> None:
    async with called() as (listener, caller, theirs, ours):
        press(listener)
        ours.measure()
        await so(lambda: theirs.load.paced)
        ours.measure()
        await so(lambda: theirs.transport.waiting > 0)
        await caller.swarm.stop()
        await so(lambda: theirs.closed is not None)
        assert listener.swarm.pools.buffers.used == 0


@asynchronous(30)
async def test_nuisances_behind_a_circuit_count_and_are_forgiven_as_others_are() -> None:
    async with called() as (listener, _, theirs, ours):
        nuisance = yamux.Session(False)
        nuisance.go_away()
        ours.session.out += bytes(nuisance.out) * 500
        ours.touch()
        await so(lambda: theirs.session.nuisances >= 400)
        await so(lambda: theirs.session.nuisances < 300)  # the sweep has come by
        ours.session.out += bytes(nuisance.out) * 1500
        ours.touch()
        await so(lambda: theirs.closed == "yamux peer floods the session")
        assert listener.swarm.protocol_errors == 1

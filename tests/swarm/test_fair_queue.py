"""Who is read while admitted work moves something: it at once, everyone else in turn."""

from __future__ import annotations

import asyncio

from edge import crypto
from edge.relay.service import RelayService
from edge.swarm import ping
from edge.swarm.swarm import Swarm
from edge.swarm.work import CONTROL, INTERACTIVE
from edge.units import MIB
from edge.wire.multiaddr import Multiaddr
from tests.counterparts.base import Setup, asynchronous, until
from tests.counterparts.ours_peer import OurPeer
from tests.hosts import host_around
from tests.relay.hosts import config
from tests.soak.hostile import one
from tests.swarm.served import PING, served, until_heard


@asynchronous(30)
async def test_who_took_too_much_is_read_when_there_is_time() -> None:
    async with served() as node:
        stranger, connection = await node.connected()
        node.press()
        await node.reads(connection, stranger)
        assert connection.load.paced
        connection.heard = False
        await stranger.say(stranger.sealed(PING))
        await asyncio.sleep(0.2)  # longer than the wait that was asked for
        assert not connection.heard
        connection.resume()  # as a sweep does
        await asyncio.sleep(0.1)
        assert not connection.heard
        node.clock.now += 1.0
        node.passes()
        await until_heard(connection)
        stranger.close()


@asynchronous(30)
async def test_who_cost_least_goes_first() -> None:
    async with served() as node:
        pairs = [await node.connected() for _ in range(3)]
        node.press()
        for stranger, connection in pairs:
            await node.reads(connection, stranger)
            assert connection.load.paced
            connection.heard = False
            await stranger.say(stranger.sealed(PING))
        for (_, connection), cost in zip(pairs, (0.3, 0.1, 0.2), strict=True):
            connection.load.cost = cost
        order = []
        while len(order) < 3:
            node.clock.now += 1.0
            node.passes()
            before = len(order)
            while len(order) == before:
                await asyncio.sleep(0.01)
                order += [n for n, (_, one) in enumerate(pairs) if one.heard and n not in order]
        assert order == [1, 2, 0]
        for stranger, _ in pairs:
            stranger.close()


@asynchronous(30)
async def test_who_gets_interactive_work_waits_no_longer() -> None:
    async with served() as node:
        stranger, connection = await node.connected()
        node.press()
        await node.reads(connection, stranger)
        assert connection.load.paced
        connection.begin(INTERACTIVE)
        await node.reads(connection, stranger)
        await node.reads(connection, stranger)
        assert not connection.load.paced
        connection.end(INTERACTIVE)
        await node.reads(connection, stranger)
        assert connection.load.paced, "and again when that is over"
        stranger.close()


@asynchronous(30)
async def test_nobody_waits_where_nothing_passes() -> None:
    async with served() as node:
        stranger, connection = await node.connected()
        node.press()
        node.swarm.work[CONTROL].share.wait()
        node.clock.now += 1.0
        for _ in range(5):
            await node.reads(connection, stranger)
            assert not connection.load.paced
        stranger.close()


@asynchronous(30)
async def test_who_leaves_while_waiting_leaves_nothing() -> None:
    async with served() as node:
        stranger, connection = await node.connected()
        node.press()
        await node.reads(connection, stranger)
        assert connection.load.paced
        stranger.close()
        node.clock.now += 1.0

        async def gone() -> bool:
            return not node.swarm.all_connections()

        await until(gone)


@asynchronous(120)
async def test_a_flood_waits_and_a_circuit_goes_on() -> None:
    """A relay of ours in this process, two of our peers as processes, and floods of pings."""
    swarm = Swarm(crypto.Ed25519Key.generate())
    host = host_around(swarm)
    swarm.handle(ping.PROTOCOL_ID, ping.serve)
    relay = RelayService(host)
    relay.configure(config(service="yes"))
    bound = swarm.listen(Multiaddr.from_string("/ip4/127.0.0.1/tcp/0"))
    end = bound.host_port()
    assert end is not None
    at = f"{bound}/p2p/{swarm.peer_id}"
    over = asyncio.Event()

    async def flood() -> None:
        while not over.is_set():
            await one(end[:2], "ping-streams")

    async def some_wait() -> bool:
        return any(connection.load.paced for connection in swarm.all_connections())

    async with (
        OurPeer(Setup(listen=(), relays=[at])) as listener,
        OurPeer(Setup(listen=(), relays=[at])) as dialer,
    ):
        circuit = listener.circuit(at)
        await dialer.transfer(circuit, MIB)
        floods = [asyncio.create_task(flood()) for _ in range(8)]
        waited = asyncio.create_task(until(some_wait, every=0.001))
        while not waited.done():
            await dialer.transfer(circuit, MIB)
        for _ in range(3):
            await dialer.transfer(circuit, MIB)
        for leg in [leg for each in relay.circuits for leg in (each.source, each.destination)]:
            assert not leg.connection.load.paced
        over.set()
        await asyncio.gather(*floods)

        async def two_are_left() -> bool:
            return swarm.connection_count == 2 and not swarm.pending

        await until(two_are_left)
    await relay.stop()
    await swarm.stop()

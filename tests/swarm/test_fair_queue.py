"""Who is read while circuits carry something: those at once, everyone else in turn."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from edge.swarm.pace import Pace

from edge import crypto
from edge.budget import MIB, Budget
from edge.relay.resources import Resources
from edge.relay.service import RelayService
from edge.swarm import ping
from edge.swarm.addresses import OwnAddresses
from edge.swarm.connection import Connection
from edge.swarm.identify import IdentifyService
from edge.swarm.swarm import Swarm
from edge.wire import yamux
from edge.wire.multiaddr import Multiaddr
from tests.counterparts.base import Setup, asynchronous, until
from tests.counterparts.ours_peer import OurPeer
from tests.soak.hostile import Stranger, frame, one

PING = frame(yamux.PING, yamux.SYN, 0, 7)


class Clock:
    """A clock that moves by `step` each time it is asked, and when it is moved."""

    def __init__(self, step: float = 0.0) -> None:
        self.now = 1000.0
        self._step = step

    def __call__(self) -> float:
        self.now += self._step
        return self.now


class Served:
    """A swarm that listens, and whose pace can be told that something passes.

    From `press` on whatever a stranger causes takes 30 ms of the processor, more than may be taken
    at once, and no time by the clock.
    """

    def __init__(self) -> None:
        self.swarm = Swarm(crypto.Ed25519Key.generate(), budget=Budget(64 * MIB, 0))
        self.clock = Clock()
        bound = self.swarm.listen(Multiaddr.from_string("/ip4/127.0.0.1/tcp/0")).host_port()
        assert bound is not None
        self.at = bound[:2]

    async def connected(self) -> tuple[Stranger, Connection]:
        known = set(self.swarm.all_connections())
        stranger = Stranger(self.at)
        await stranger.connect()
        await stranger.handshake()

        async def there() -> bool:
            return len(self.swarm.all_connections()) > len(known)

        await until(there)
        (connection,) = set(self.swarm.all_connections()) - known
        return stranger, connection

    def press(self) -> None:
        """Something passes, and takes all of the time that there is by `clock`."""
        self.swarm.relayed += 1
        self.swarm.pace = Pace(self.clock, Clock(0.03))

    async def reads(self, connection: Connection, stranger: Stranger) -> None:
        """Wait until a ping of `stranger` has been read."""
        connection.heard = False
        await stranger.say(stranger.sealed(PING))
        await until_heard(connection)


async def until_heard(connection: Connection) -> None:
    async def heard() -> bool:
        return connection.heard

    await until(heard)


@contextlib.asynccontextmanager
async def served() -> AsyncIterator[Served]:
    made = Served()
    yield made
    await made.swarm.stop()
    assert made.swarm.budget.used == 0, "all leases have come back"


@asynchronous(30)
async def test_who_took_too_much_is_read_when_there_is_time() -> None:
    async with served() as node:
        stranger, connection = await node.connected()
        node.press()
        await node.reads(connection, stranger)
        assert connection.paced
        connection.heard = False
        await stranger.say(stranger.sealed(PING))
        await asyncio.sleep(0.2)  # longer than the wait that was asked for
        assert not connection.heard
        connection.resume()  # as a sweep does
        await asyncio.sleep(0.1)
        assert not connection.heard
        node.clock.now += 1.0
        node.swarm.relayed += 1
        await until_heard(connection)
        stranger.close()


@asynchronous(30)
async def test_who_cost_least_goes_first() -> None:
    async with served() as node:
        pairs = [await node.connected() for _ in range(3)]
        node.press()
        for stranger, connection in pairs:
            await node.reads(connection, stranger)
            assert connection.paced
            connection.heard = False
            await stranger.say(stranger.sealed(PING))
        for (_, connection), cost in zip(pairs, (0.3, 0.1, 0.2), strict=True):
            connection.cost = cost
        order = []
        while len(order) < 3:
            node.clock.now += 1.0
            node.swarm.relayed += 1
            before = len(order)
            while len(order) == before:
                await asyncio.sleep(0.01)
                order += [n for n, (_, one) in enumerate(pairs) if one.heard and n not in order]
        assert order == [1, 2, 0]
        for stranger, _ in pairs:
            stranger.close()


@asynchronous(30)
async def test_who_gets_a_circuit_waits_no_longer() -> None:
    async with served() as node:
        stranger, connection = await node.connected()
        node.press()
        await node.reads(connection, stranger)
        assert connection.paced
        connection.carries_circuit()
        await node.reads(connection, stranger)
        await node.reads(connection, stranger)
        assert not connection.paced
        stranger.close()


@asynchronous(30)
async def test_nobody_waits_where_nothing_passes() -> None:
    async with served() as node:
        stranger, connection = await node.connected()
        node.press()
        node.swarm.pace.wait(node.swarm.relayed)
        node.clock.now += 1.0
        for _ in range(5):
            await node.reads(connection, stranger)
            assert not connection.paced
        stranger.close()


@asynchronous(30)
async def test_who_leaves_while_waiting_leaves_nothing() -> None:
    async with served() as node:
        stranger, connection = await node.connected()
        node.press()
        await node.reads(connection, stranger)
        assert connection.paced
        stranger.close()
        node.clock.now += 1.0

        async def gone() -> bool:
            return not node.swarm.all_connections()

        await until(gone)


@asynchronous(120)
async def test_a_flood_waits_and_a_circuit_goes_on() -> None:
    """A relay of ours in this process, two of our peers as processes, and floods of pings."""
    swarm = Swarm(crypto.Ed25519Key.generate())
    addresses = OwnAddresses([], lambda: swarm.listening, list)
    IdentifyService(swarm, addresses)
    swarm.handle(ping.PROTOCOL_ID, ping.serve)
    relay = RelayService(swarm, Resources(), lambda connection: [local(connection)])
    bound = swarm.listen(Multiaddr.from_string("/ip4/127.0.0.1/tcp/0"))
    end = bound.host_port()
    assert end is not None
    at = f"{bound}/p2p/{swarm.peer_id}"
    over = asyncio.Event()

    async def flood() -> None:
        while not over.is_set():
            await one(end[:2], "ping-streams")

    async def some_wait() -> bool:
        return any(connection.paced for connection in swarm.all_connections())

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
            assert not leg.connection.paced
        over.set()
        await asyncio.gather(*floods)

        async def two_are_left() -> bool:
            return swarm.connection_count == 2 and not swarm.pending

        await until(two_are_left)
    relay.stop()
    await swarm.stop()


def local(connection: Connection) -> Multiaddr:
    assert connection.local is not None
    return connection.local

"""Classes of work: who is charged to whom, what is counted, and who gets which part of the time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from edge import crypto
from edge.relay.autorelay import AutoRelay
from edge.relay.service import RelayService
from edge.swarm import ping
from edge.swarm.connection import Connection
from edge.swarm.dialer import Dialer
from edge.swarm.stream import Stream
from edge.swarm.swarm import Swarm
from edge.swarm.work import BULK, BULK_SHARE, CONTROL, CONTROL_SHARE, INTERACTIVE
from edge.units import KIB, MIB
from edge.wire.multiaddr import Multiaddr
from tests.counterparts.base import asynchronous, until
from tests.hosts import host_around
from tests.relay.hosts import config
from tests.soak.hostile import asked, one
from tests.swarm.served import served

LOOPBACK = Multiaddr.from_string("/ip4/127.0.0.1/tcp/0")
TAKE, ECHO, CALL = "/take", "/echo", "/call"


# --- reading, on a clock that stands still ---


@asynchronous(30)
async def test_bulk_work_waits_for_its_own_share_and_not_for_that_of_strangers() -> None:
    async with served() as node:
        (bulk_peer, bulk), (stranger, other) = await node.connected(), await node.connected()
        bulk.begin(BULK)
        node.press()
        for who, connection in ((bulk_peer, bulk), (stranger, other)):
            await node.reads(connection, who)
            assert connection.load.paced
        node.clock.now += 0.05  # 10 ms too many are half a tenth of this, and a fifth of that
        node.passes()
        assert not node.swarm.work[BULK].share.wait()
        assert node.swarm.work[CONTROL].share.wait()

        async def reads_again() -> bool:
            return not bulk.load.paced

        await until(reads_again)
        assert other.load.paced
        bulk.end(BULK)
        bulk_peer.close()
        stranger.close()


@asynchronous(30)
async def test_while_only_bulk_work_moves_it_waits_for_nobody_and_strangers_do() -> None:
    async with served() as node:
        (bulk_peer, bulk), (stranger, other) = await node.connected(), await node.connected()
        bulk.begin(BULK)
        node.press()
        for work in node.swarm.work:
            work.share.wait()
        node.clock.now += 1.0  # what was interactive is over
        node.swarm.work[BULK].moved += 1
        assert not node.swarm.work[CONTROL].share.wait()
        for _ in range(5):
            await node.reads(bulk, bulk_peer)
            assert not bulk.load.paced
        await node.reads(other, stranger)
        assert other.load.paced
        bulk.end(BULK)
        bulk_peer.close()
        stranger.close()


@asynchronous(30)
async def test_a_connection_is_of_the_highest_class_that_it_carries() -> None:
    async with served() as node:
        stranger, connection = await node.connected()
        told: list[int] = []
        node.swarm.work_begun.append(lambda begun: told.append(begun.work))
        for work in (CONTROL, BULK, BULK, INTERACTIVE, INTERACTIVE, BULK):
            connection.begin(work)
        assert told == [BULK, INTERACTIVE]
        assert [work.open for work in node.swarm.work] == [1, 3, 2]
        seen = []
        for work in (INTERACTIVE, BULK, INTERACTIVE, CONTROL, BULK, BULK):
            connection.end(work)
            seen.append(connection.work)
        assert seen == [INTERACTIVE, INTERACTIVE, BULK, BULK, BULK, CONTROL]
        assert [work.open for work in node.swarm.work] == [0, 0, 0]
        connection.close("test")
        connection.begin(BULK)
        assert told == [BULK, INTERACTIVE], "nobody is told of a connection that is gone"
        connection.end(BULK)
        stranger.close()


@asynchronous(30)
async def test_bulk_work_is_no_way_past_the_queue_and_interactive_work_is() -> None:
    async with served() as node:
        stranger, connection = await node.connected()
        node.press()
        await node.reads(connection, stranger)
        assert connection.load.paced
        connection.begin(BULK)
        assert connection.load.paced
        connection.begin(INTERACTIVE)
        assert not connection.load.paced
        connection.end(INTERACTIVE)
        connection.end(BULK)
        stranger.close()


@asynchronous(10)
async def test_work_that_nobody_admits_is_not_registered() -> None:
    swarm = Swarm(crypto.Ed25519Key.generate())
    with pytest.raises(ValueError, match="needs `offered`"):
        swarm.handle(ECHO, take, work=BULK)
    await swarm.stop()


# --- handlers ---


def anybody(_: Connection) -> bool:
    """A service that admits all."""
    return True


def made() -> tuple[Swarm, Multiaddr]:
    swarm = Swarm(crypto.Ed25519Key.generate())
    return swarm, swarm.listen(LOOPBACK)


async def dialled(at: Multiaddr, server: Swarm) -> tuple[Swarm, Connection]:
    swarm = Swarm(crypto.Ed25519Key.generate())
    return swarm, await Dialer(swarm).dial(at, server.peer_id)


@asynchronous(30)
async def test_what_a_handler_reads_and_writes_is_counted_as_its_class() -> None:
    server, at = made()
    during: list[tuple[int, int]] = []

    async def echo(stream: Stream) -> None:
        during.append((stream.connection.work, server.work[BULK].open))
        await stream.write(await stream.read_exactly(1000))
        stream.dismiss()

    server.handle(ECHO, echo, anybody, work=BULK)
    client, connection = await dialled(at, server)
    stream = connection.open_stream([ECHO])
    await stream.write(bytes(1000))
    assert len(await stream.read_to_end(2000)) == 1000
    (served_connection,) = server.all_connections()

    async def over() -> bool:
        return not server.work[BULK].open

    await until(over)
    assert during == [(BULK, 1)]
    assert server.work[BULK].moved == 2000
    assert served_connection.work == CONTROL
    assert server.work[BULK].share.taken > 0.0
    await client.stop()
    await server.stop()


@asynchronous(30)
async def test_handlers_of_interactive_work_start_though_strangers_have_to_wait() -> None:
    async with served() as node:
        started: list[int] = []

        async def note(stream: Stream) -> None:
            started.append(stream.connection.work)

        node.swarm.handle(CALL, note, anybody, work=INTERACTIVE)
        node.swarm.handle(ECHO, note)
        stranger, _ = await node.connected()
        node.press()
        calls = [asked(protocol, 2 * n + 1) for n, protocol in enumerate((ECHO, CALL, ECHO, CALL))]
        await stranger.say(stranger.sealed(b"".join(calls)))

        async def called() -> bool:
            return len(started) == 2

        await until(called)
        await asyncio.sleep(0.05)
        assert started == [INTERACTIVE, INTERACTIVE]
        node.clock.now += 1.0  # now the others
        node.passes()

        async def all_called() -> bool:
            return len(started) == 4

        await until(all_called)
        stranger.close()


# --- all at once ---


class Peer:
    """A swarm of its own that holds a reservation on the relay at `at`, reads TAKE, and dials."""

    def __init__(self, at: Multiaddr) -> None:
        self.swarm = Swarm(crypto.Ed25519Key.generate())
        self._at = at
        host = host_around(self.swarm)
        self.dialer = host.dialer
        self._autorelay = AutoRelay(host)
        self.swarm.handle(TAKE, take)

    async def reserve(self) -> None:
        self._autorelay.configure(config(client="yes", relays=[self._at], reservations=1))
        self.swarm.spawn(self._autorelay.run())

        async def held() -> bool:
            return bool(self._autorelay.reservations)

        await until(held)

    @property
    def circuit(self) -> Multiaddr:
        return self._at.via_circuit(self.swarm.peer_id)


async def take(stream: Stream) -> None:
    while await stream.read(256 * KIB):
        continue


async def labour(stream: Stream) -> None:
    """Five milliseconds of the processor for each 64 KiB."""
    while await stream.read(64 * KIB):
        until = time.thread_time() + 0.005
        while time.thread_time() < until:
            pass


async def pour(connection: Connection) -> None:
    """Send to TAKE until told to stop."""
    stream = connection.open_stream([TAKE])
    block = bytes(256 * KIB)
    while True:
        await stream.write(block)
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def relaying() -> AsyncIterator[tuple[Swarm, list[asyncio.Task[None]]]]:
    """A relay with bulk work of its own; a circuit through it and work for it that never end.

    The time by which shares are earned is that of this thread's processor: what else goes on on the
    machine changes nothing.
    """
    server, bound = made()
    for each in server.work:
        each.share.clock = time.thread_time
        each.share.wait()
    host = host_around(server)
    server.handle(ping.PROTOCOL_ID, ping.serve)
    server.handle(TAKE, labour, anybody, work=BULK)
    relay = RelayService(host)
    relay.configure(config(service="yes"))
    at = bound.with_peer(server.peer_id)
    listener, dialer, sender = Peer(at), Peer(at), Peer(at)
    await listener.reserve()
    through = await dialer.dialer.connect(listener.swarm.peer_id, [listener.circuit], trusted=True)
    to = await sender.dialer.connect(server.peer_id, [at], trusted=True)
    pouring = [asyncio.ensure_future(pour(connection)) for connection in (through, to)]
    try:
        yield server, pouring
    finally:
        for task in pouring:
            task.cancel()
        await asyncio.gather(*pouring, return_exceptions=True)
        await relay.stop()
        for peer in (listener, dialer, sender):
            await peer.swarm.stop()
        await server.stop()


async def moved(server: Swarm, work: int, size: int) -> None:
    """Wait until `size` more bytes of `work` have moved."""
    goal = server.work[work].moved + size

    async def so() -> bool:
        return server.work[work].moved >= goal

    await until(so, every=0.01)


async def flooded(end: tuple[str, int]) -> None:
    """One stranger after the other."""
    while True:
        await one(end, "ping-streams")


@asynchronous(60)
async def test_a_circuit_is_interactive_work_of_both_its_connections() -> None:
    async with relaying() as (server, pouring):
        pouring[1].cancel()
        await moved(server, INTERACTIVE, MIB)
        carrying = [c for c in server.all_connections() if c.work == INTERACTIVE]
        assert len(carrying) == server.work[INTERACTIVE].open == 2
        assert all(connection.load.share is None for connection in carrying), "nobody pays"
        carrying[0].close("test")
        assert server.work[INTERACTIVE].open == 0
        assert [connection.work for connection in carrying] == [CONTROL, CONTROL]


@asynchronous(120)
async def test_bulk_and_interactive_work_get_their_shares_beside_a_flood() -> None:
    async with relaying() as (server, pouring):
        await asyncio.gather(moved(server, BULK, MIB), moved(server, INTERACTIVE, MIB))
        (end,) = [address.host_port() for address in server.listening]
        assert end is not None
        floods = [asyncio.ensure_future(flooded(end[:2])) for _ in range(8)]

        async def some_wait() -> bool:
            return any(c.load.paced for c in server.all_connections() if c.work == CONTROL)

        await until(some_wait, every=0.001)
        began, before = time.thread_time(), [work.share.taken for work in server.work]
        await asyncio.gather(moved(server, BULK, 8 * MIB), moved(server, INTERACTIVE, 64 * MIB))
        elapsed = time.thread_time() - began
        after = [work.share.taken for work in server.work]
        control, bulk, _ = [now - then for now, then in zip(after, before, strict=True)]
        for task in floods:
            task.cancel()
        await asyncio.gather(*floods, return_exceptions=True)
        assert not any(task.done() for task in pouring)
        slack = 0.1  # seconds: what may be taken at once, and the last piece of each
        assert control <= CONTROL_SHARE * elapsed + slack
        assert 2 * CONTROL_SHARE * elapsed < bulk <= BULK_SHARE * elapsed + slack

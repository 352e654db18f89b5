"""Who gives way when there is not enough for all: who takes most, and not just who asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from edge import crypto
from edge.budget import Budget
from edge.swarm import ping, relief, swarm
from edge.swarm.connection import Connection
from edge.swarm.limits import Limits
from edge.swarm.swarm import Swarm
from edge.swarm.work import BULK, CONTROL, INTERACTIVE
from edge.units import KIB, MIB
from edge.wire import yamux
from edge.wire.multiaddr import Multiaddr
from tests.counterparts.base import asynchronous, until
from tests.soak.hostile import Stranger, asked, frame

SLOW = "/slow"


class Served:
    """A swarm that listens, with `room` bytes to lease; SLOW is read by nobody."""

    def __init__(self, room: int = 64 * MIB, pending: int = 64) -> None:
        limits = Limits()
        limits.max_pending_handshakes = pending
        self.swarm = Swarm(crypto.Ed25519Key.generate(), limits, Budget(room, 0))
        self.swarm.handle(SLOW, self._read_nothing)
        self.swarm.handle(ping.PROTOCOL_ID, ping.serve)
        self.order: list[int] = []
        bound = self.swarm.listen(Multiaddr.from_string("/ip4/127.0.0.1/tcp/0")).host_port()
        assert bound is not None
        self.at = bound[:2]

    async def _read_nothing(self, _stream: object) -> None:
        await asyncio.sleep(3600)

    async def connected(self) -> Stranger:
        known = self.swarm.connection_count
        stranger = Stranger(self.at)
        await stranger.connect()
        await stranger.handshake()
        await self.count_is(known + 1)
        return stranger

    async def count_is(self, count: int) -> None:
        async def so() -> bool:
            return self.swarm.connection_count == count

        await until(so)

    async def held_is(self, size: int) -> None:
        async def so() -> bool:
            return self.swarm.pools.buffers.used >= size

        await until(so)


@asynccontextmanager
async def served(room: int = 64 * MIB, pending: int = 64) -> AsyncIterator[Served]:
    made = Served(room, pending)
    yield made
    await made.swarm.stop()
    assert made.swarm.budget.used == 0, "all leases have come back"


class Link:
    """A connection whose event is being handled."""

    def __init__(self, work: int) -> None:
        self.work = work

    def flush(self) -> None: ...

    def feeds_only(self, _target: object) -> bool:
        return False

    def pause_for(self, _target: object) -> None: ...


async def fill(stranger: Stranger, streams: int, each: int) -> None:
    """Open `streams` for SLOW and send `each` bytes on every one."""
    for number in range(streams):
        stream = 2 * number + 1
        await stranger.say(stranger.sealed(asked(SLOW, stream)))
        for _ in range(each // (32 * KIB)):
            body = frame(yamux.DATA, 0, stream, 32 * KIB) + bytes(32 * KIB)
            await stranger.say(stranger.sealed(body))


@asynchronous(30)
async def test_the_greediest_connection_gives_way_and_not_the_one_that_asks() -> None:
    async with served(8 * MIB) as node:  # of which the buffers may have 3.6 MiB
        greedy, modest = await node.connected(), await node.connected()
        await fill(greedy, 16, 224 * KIB)
        await node.held_is(16 * 224 * KIB)
        await fill(modest, 1, 224 * KIB)
        await node.count_is(1)
        await node.held_is(224 * KIB)
        assert node.swarm.pools.buffers.refused == 0
        greedy.close()
        modest.close()


@asynchronous(30)
async def test_lower_classes_give_way_first_and_none_to_a_lower_one() -> None:
    async with served(16 * MIB) as node:
        ours: list[Connection] = []
        strangers = []
        for work in (INTERACTIVE, BULK, CONTROL):
            stranger = await node.connected()
            strangers.append(stranger)
            (connection,) = [c for c in node.swarm.all_connections() if c not in ours]
            connection.begin(work)
            await fill(stranger, 1 + work, 224 * KIB)  # the higher, the greedier
            ours.append(connection)
        await node.held_is(6 * 224 * KIB)
        interactive, bulk, control = ours
        _, reclaim = node.swarm.pools.buffers.reclaimers
        asking = node.swarm._shared
        asking.reading = Link(CONTROL)
        assert reclaim()
        assert control.closed
        assert not reclaim(), "bulk work does not give way to a stranger"
        asking.reading = Link(INTERACTIVE)
        assert reclaim()
        assert bulk.closed
        assert not reclaim()
        assert not interactive.closed
        asking.reading = None
        for connection, work in zip(ours, (INTERACTIVE, BULK, CONTROL), strict=True):
            connection.end(work)
        for stranger in strangers:
            stranger.close()


@asynchronous(30)
async def test_who_carries_admitted_work_does_not_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relief, "_SPARE_AFTER", 0.0)
    async with served() as node:
        stranger = await node.connected()
        (connection,) = node.swarm.all_connections()

        async def quiet() -> bool:
            return not connection.session.streams

        await until(quiet)
        (reclaim,) = node.swarm.pools.connections.reclaimers
        connection.begin(BULK)
        assert not reclaim()
        connection.end(BULK)
        assert reclaim()
        assert connection.closed == "memory is short"
        stranger.close()


@asynchronous(30)
async def test_the_greediest_that_asks_for_more_loses_a_stream() -> None:
    async with served(8 * MIB) as node:
        greedy, modest = await node.connected(), await node.connected()
        await fill(modest, 1, 32 * KIB)
        await fill(greedy, 20, 224 * KIB)

        async def refused() -> bool:
            return node.swarm.refusals.get("memory-buffers", 0) >= 1

        await until(refused)
        assert node.swarm.connection_count == 2
        greedy.close()
        modest.close()


@asynchronous(30)
async def test_a_stream_that_goes_to_make_room_for_itself_leaves_no_lease() -> None:
    async with served() as node:
        stranger = await node.connected()
        await fill(stranger, 1, 32 * KIB)
        await node.held_is(32 * KIB)
        (connection,) = node.swarm.all_connections()

        def let_go() -> bool:
            connection.close("memory is short")
            return True

        buffers = node.swarm.pools.buffers
        buffers.reclaimers.insert(0, let_go)
        assert buffers.take(buffers.ceiling - buffers.used)
        filler = buffers.used - 32 * KIB
        await stranger.say(stranger.sealed(frame(yamux.DATA, 0, 1, 32 * KIB) + bytes(32 * KIB)))
        await node.count_is(0)
        buffers.give(filler)
        stranger.close()


@asynchronous(30)
async def test_silent_handshakes_give_way_to_newcomers(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(pending=4) as node:
        silent = [Stranger(node.at) for _ in range(4)]
        for one in silent:
            await one.connect()

        async def all_there() -> bool:
            return len(node.swarm.pending) == 4

        await until(all_there)
        monkeypatch.setattr(swarm, "PATIENCE", 0.0)  # their time is over
        newcomer = await node.connected()
        assert node.swarm.refusals == {"handshake-displaced": 1}
        for one in (*silent, newcomer):
            one.close()


@asynchronous(30)
async def test_a_handshake_under_way_does_not_give_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swarm, "PATIENCE", 3600.0)
    async with served(pending=1) as node:
        first, second = Stranger(node.at), Stranger(node.at)
        await first.connect()

        async def there() -> bool:
            return len(node.swarm.pending) == 1

        await until(there)
        await second.connect()
        with pytest.raises(OSError):
            await second.hear()
        await first.handshake()
        await node.count_is(1)
        first.close()
        second.close()


@asynchronous(30)
async def test_connections_take_turns_when_many_ask() -> None:
    async with served() as node:

        async def note(stream: object) -> None:
            node.order.append(stream.connection.peer.bytes[-1])  # type: ignore[attr-defined]

        node.swarm.handle("/note", note)
        greedy, modest = await node.connected(), await node.connected()
        calls = [asked("/note", 2 * number + 1) for number in range(200)]
        await greedy.say(greedy.sealed(b"".join(calls)))
        await modest.say(modest.sealed(calls[0]))

        async def all_called() -> bool:
            return len(node.order) == 201

        await until(all_called)
        modest_peer = min(set(node.order), key=node.order.count)
        assert node.order.index(modest_peer) < 8
        greedy.close()
        modest.close()


@asynchronous(30)
async def test_a_few_pings_at_a_time_are_enough() -> None:
    async with served() as node:
        stranger = await node.connected()
        opened = [asked(ping.PROTOCOL_ID, 2 * number + 1) for number in range(20)]
        await stranger.say(stranger.sealed(b"".join(opened)))

        async def few() -> bool:
            (connection,) = node.swarm.all_connections()
            return 0 < len(connection.session.streams) <= 4

        await until(few)
        stranger.close()

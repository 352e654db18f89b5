"""What a node of the DHT asks others: it joins, stores, finds, and believes little."""

import asyncio
import os
from pathlib import Path

import pytest

from edge.dht import client, walk
from edge.dht.errors import CallRefused, DhtError
from edge.dht.routing import sha1_of
from edge.dht.unary import CALL
from edge.swarm.errors import LimitReached, SwarmError
from edge.swarm.stream import Stream
from edge.wire import hivemind, varint
from edge.wire.errors import RemoteProtocolError
from edge.wire.hivemind import (
    FOUND_REGULAR,
    ID_SIZE,
    PLAIN,
    FindRequest,
    FindResponse,
    FindResult,
    NodeInfo,
    PingResponse,
)
from edge.wire.peerid import PeerId
from tests.counterparts.base import asynchronous, until
from tests.dht.nodes import KEY, Node, answering, nodes, soon

SECONDS = 20


def peer_of(node: Node) -> PeerId:
    return node.host.swarm.peer_id


def bootstrap(node: Node, *others: Node) -> None:
    """Have `node` hold `others` for its configured peers."""
    node.dht._bootstraps = [peer_of(other) for other in others]


@asynchronous(SECONDS)
async def test_records_go_to_the_bootstraps_and_are_found_there(tmp_path: Path) -> None:
    async with nodes(tmp_path, 1) as (boot,), nodes(tmp_path / "0", 2, "", "auto") as askers:
        for asker in askers:
            await asker.meet(boot)
            bootstrap(asker, boot)
        one, two = askers
        assert await one.dht.put(KEY, PLAIN, b"v", 60.0) == 1
        found = await two.dht.get(KEY)
        assert found is not None and (found.type, found.value) == (FOUND_REGULAR, b"v")
        assert await two.dht.get(bytes(ID_SIZE)) is None
        assert len(boot.dht.table) == 0  # neither serves


@asynchronous(SECONDS)
async def test_decentralized_records_go_to_the_nearest(tmp_path: Path) -> None:
    async with nodes(tmp_path, 4, "[dht]\ndecentralized = true\n") as (one, *others):
        for other in others:
            await one.meet(other)
        bootstrap(one, others[0])
        assert await one.dht.put(KEY, PLAIN, b"v", 60.0) == 4
        assert all(other.dht.storage.find(KEY) for other in others)


@asynchronous(SECONDS)
async def test_a_node_learns_of_others_by_asking(tmp_path: Path) -> None:
    """What it is told is a hint: who does not answer gets no place."""
    async with nodes(tmp_path, 3) as (one, two, three):
        await two.meet(three)
        await one.meet(two)
        assert peer_of(three) not in one.dht.table
        await one.dht.client.nearest(one.dht.table.own)
        assert peer_of(three) not in one.dht.table  # it has no address of it
        await one.connect(three)
        await until(lambda: one._has(three))


@asynchronous(SECONDS)
async def test_who_stops_answering_loses_its_place(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (one, two):
        connection = await one.meet(two)
        two.dht._serving = False
        with pytest.raises(RemoteProtocolError):
            await one.dht.client.ping(connection)
        assert peer_of(two) not in one.dht.table


@asynchronous(SECONDS)
async def test_whose_identify_no_longer_lists_the_protocol_loses_it_too(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (one, two):
        await one.meet(two)
        two.dht._settings.enabled = "auto"
        two.dht._decide()
        await until(lambda: _empty(one))


async def _empty(node: Node) -> bool:
    return len(node.dht.table) == 0


@asynchronous(SECONDS)
async def test_who_comes_to_serve_is_met(tmp_path: Path) -> None:
    async with nodes(tmp_path, 1) as (one,), nodes(tmp_path / "0", 1, "", "auto") as (other,):
        await other.meet(one)
        assert len(one.dht.table) == 0
        other.dht._settings.enabled = "yes"
        other.dht._decide()
        await until(lambda: one._has(other))


@asynchronous(SECONDS)
async def test_nothing_is_asked_while_it_is_off(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2, "", "no") as (one, two):
        await one.connect(two)
        with pytest.raises(DhtError, match="is off"):
            await one.dht.get(KEY)
        assert one.dht.client.calls == 0


# --- peers that lie ---


def lie(node: Node, find: "Lie") -> None:
    """`node` is in tables, and answers what `find` makes up."""
    info = NodeInfo(node_id=node.dht.table.own.to_bytes(ID_SIZE, "big"))
    pong = PingResponse(peer=info).encode()
    node.host.swarm.handle(hivemind.PING_ID, answering(lambda _: pong))

    def answer(data: bytes) -> bytes:
        keys = FindRequest.decode(data).keys
        return FindResponse(results=[find() for _ in keys], peer=info).encode()

    node.host.swarm.handle(hivemind.FIND_ID, answering(answer))


class Lie:
    def __init__(self, peers: list[PeerId] | None = None) -> None:
        self.peers = peers

    def __call__(self) -> FindResult:
        peers = self.peers or [PeerId(b"\x00\x14" + os.urandom(20)) for _ in range(20)]
        return FindResult(
            nearest_node_ids=[sha1_of(peer).to_bytes(ID_SIZE, "big") for peer in peers],
            nearest_peer_ids=[peer.bytes for peer in peers],
        )


@asynchronous(SECONDS)
async def test_lists_of_itself_and_endless_referrals_cost_few_calls(tmp_path: Path) -> None:
    async with nodes(tmp_path, 3) as (one, honest, liar):
        for peers in ([peer_of(liar)] * 20, None):
            lie(liar, Lie(peers))
            await one.meet(liar)
            await one.meet(honest)
            honest.dht.storage.store(KEY, PLAIN, b"v", soon(), False, peer_of(one))
            before = one.dht.client.calls + one.dht.client.failures
            assert await one.dht.client.nearest(one.dht.table.own)
            found = await one.dht.client.find(KEY)
            assert found is not None and found.value == b"v"
            after = one.dht.client.calls + one.dht.client.failures
            assert after - before <= 2 * (walk.MAX_IN_VAIN + walk.AT_ONCE + 2)
            assert len(one.dht.table) == 2


@asynchronous(SECONDS)
async def test_an_answer_of_ten_mebibytes_is_not_read(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (one, liar):
        await one.meet(liar)
        sent = 0

        async def flood(stream: Stream) -> None:
            nonlocal sent
            await stream.read_message(1 << 20)
            await stream.write(varint.encode(10 << 20))
            while True:
                await stream.write(bytes(1 << 16))
                sent += 1 << 16

        liar.host.swarm.handle(hivemind.FIND_ID, flood)
        assert await one.dht.client.find(KEY) is None
        assert peer_of(liar) not in one.dht.table
        assert sent < 1 << 20
        assert one.host.budget.pools["dht-calls"].used == 0


@asynchronous(SECONDS)
async def test_who_does_not_answer_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "CALL_TIME", 0.1)
    async with nodes(tmp_path, 2) as (one, mute):
        connection = await one.meet(mute)

        async def wait(stream: Stream) -> None:
            await asyncio.Event().wait()

        mute.host.swarm.handle(hivemind.PING_ID, wait)
        with pytest.raises(TimeoutError):
            await one.dht.client.ping(connection)
        assert peer_of(mute) not in one.dht.table


@asynchronous(SECONDS)
async def test_who_refuses_a_call_or_is_asked_without_memory_keeps_its_place(
    tmp_path: Path,
) -> None:
    async with nodes(tmp_path, 2) as (one, two):
        connection = await one.meet(two)
        with pytest.raises(CallRefused, match="more than 1024"):
            await one.dht.client.find_at(peer_of(two), [KEY] * 1025)
        pool = one.host.budget.pools["dht-calls"]
        while pool.take(CALL):
            pass
        with pytest.raises(LimitReached):
            await one.dht.client.ping(connection)
        pool.give(pool.used)
        assert peer_of(two) in one.dht.table


@asynchronous(SECONDS)
async def test_an_answer_that_is_none_is_an_error(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (one, liar):
        await one.meet(liar)
        for said in (b"", FindResponse(results=[FindResult()] * 2).encode(), b"\x12\xff"):
            liar.host.swarm.handle(hivemind.FIND_ID, answering(lambda _, said=said: said))  # type: ignore[misc]
            with pytest.raises((RemoteProtocolError, SwarmError)):
                await one.dht.client.find_at(peer_of(liar), [KEY])

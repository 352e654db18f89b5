"""What a node of the DHT answers: ours to ours, over real connections."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from edge.dht import turns
from edge.dht.routing import sha1_of
from edge.dht.server import SLICE
from edge.dht.unary import CALL, Lease
from edge.swarm.errors import StreamReset
from edge.wire import hivemind, packed
from edge.wire.hivemind import (
    FOUND_DICTIONARY,
    FOUND_REGULAR,
    ID_SIZE,
    PLAIN,
    FindRequest,
    FindResponse,
    NodeInfo,
    PingRequest,
    PingResponse,
    StoreRequest,
    StoreResponse,
)
from tests.counterparts.base import asynchronous, until
from tests.dht.nodes import KEY, Node, called, nodes, soon
from tests.hosts import configured

SECONDS = 20


def response(answer: hivemind.Frame) -> bytes:
    assert answer.unary_response is not None
    assert answer.unary_response.response is not None, answer.unary_response.error
    return answer.unary_response.response


def error(answer: hivemind.Frame) -> str:
    assert answer.unary_response is not None and answer.unary_response.error is not None
    return answer.unary_response.error.decode()


def id_of(node: Node) -> bytes:
    return sha1_of(node.host.swarm.peer_id).to_bytes(ID_SIZE, "big")


@asynchronous(SECONDS)
async def test_who_serves_meets_and_who_only_asks_gets_a_place_nowhere(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (one, two):
        await one.meet(two)
        assert [node.id.to_bytes(ID_SIZE, "big") for node in one.dht.table] == [id_of(two)]
    async with nodes(tmp_path / "0", 1) as (one,), nodes(tmp_path / "1", 1, "", "auto") as (asker,):
        connection = await asker.meet(one)
        assert id_of(one) in [node.id.to_bytes(ID_SIZE, "big") for node in asker.dht.table]
        await called(connection, hivemind.PING_ID, PingRequest(peer=NodeInfo()).encode())
        assert len(one.dht.table) == 0


@asynchronous(SECONDS)
async def test_a_ping_tells_who_and_when_and_dials_back_where_asked(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (one, two):
        connection = await one.connect(two)
        request = PingRequest(peer=NodeInfo(node_id=id_of(one)))
        answer = PingResponse.decode(
            response(await called(connection, hivemind.PING_ID, request.encode()))
        )
        assert answer.node_id == id_of(two)
        assert abs((answer.dht_time or 0) - soon() + 300) < 60
        assert not answer.available and two.dht._dial_back.dials == 0
        request.validate = 1
        answer = PingResponse.decode(
            response(await called(connection, hivemind.PING_ID, request.encode()))
        )
        assert answer.available and two.dht._dial_back.dials == 1
        await called(connection, hivemind.PING_ID, request.encode())
        assert two.dht._dial_back.dials == 1  # it is remembered for a while


@asynchronous(SECONDS)
async def test_who_cannot_be_dialled_is_not_available(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (one, two):
        one.host.swarm.close_listeners()
        connection = await one.connect(two)
        request = PingRequest(peer=NodeInfo(node_id=id_of(one)), validate=1)
        answer = response(await called(connection, hivemind.PING_ID, request.encode()))
        assert not PingResponse.decode(answer).available


@asynchronous(SECONDS)
async def test_records_are_stored_and_found_with_the_nearest_but_for_the_asker(
    tmp_path: Path,
) -> None:
    async with nodes(tmp_path, 3) as (one, two, three):
        await three.meet(two)
        connection = await one.meet(two)
        other, subkeys = bytes(ID_SIZE), (b"\xa1a", b"\xa1b")
        request = StoreRequest(
            keys=[KEY, other, other],
            subkeys=[PLAIN, *subkeys],
            values=[b"v", b"w", b"x"],
            expirations=[soon()] * 3,
            peer=NodeInfo(node_id=id_of(one)),
        )
        said = response(await called(connection, hivemind.STORE_ID, request.encode()))
        assert StoreResponse.decode(said).store_ok == [1, 1, 1]
        said = response(await called(connection, hivemind.STORE_ID, request.encode()))
        assert StoreResponse.decode(said).store_ok == [0, 0, 0]  # not later than what there is
        find = FindRequest(keys=[KEY, other, b"n" * ID_SIZE], peer=NodeInfo(node_id=id_of(one)))
        found = FindResponse.decode(
            response(await called(connection, hivemind.FIND_ID, find.encode()))
        )
        plain, whole, nothing = found.results
        assert (plain.type, plain.value) == (FOUND_REGULAR, b"v")
        assert plain.expiration == request.expirations[0]
        assert whole.type == FOUND_DICTIONARY
        assert not nothing.type and nothing.value is None
        for result in found.results:
            assert result.nearest_node_ids == [id_of(three)]
            assert result.nearest_peer_ids == [three.host.swarm.peer_id.bytes]


@asynchronous(SECONDS)
async def test_the_writer_is_who_is_connected_whatever_the_request_says(tmp_path: Path) -> None:
    """A record whose subkey names a peer is written by that peer alone."""
    async with nodes(tmp_path, 3) as (one, two, three):
        connection = await one.connect(two)
        subkey = packed.dumps(str(three.host.swarm.peer_id))
        request = StoreRequest(
            keys=[KEY],
            subkeys=[subkey],
            values=[b"v"],
            expirations=[soon()],
            peer=NodeInfo(node_id=id_of(three)),
        )
        said = response(await called(connection, hivemind.STORE_ID, request.encode()))
        assert StoreResponse.decode(said).store_ok == [0]
        theirs = await three.connect(two)
        said = response(await called(theirs, hivemind.STORE_ID, request.encode()))
        assert StoreResponse.decode(said).store_ok == [1]


@asynchronous(SECONDS)
async def test_nobody_gets_a_place_under_the_id_of_another(tmp_path: Path) -> None:
    async with nodes(tmp_path, 3) as (one, two, three):
        await three.meet(two)
        connection = await one.meet(two)
        claim = FindRequest(keys=[KEY], peer=NodeInfo(node_id=id_of(three)))
        await called(connection, hivemind.FIND_ID, claim.encode())
        await one.dht.client.ping(connection)
        held = two.dht.table.nearest(sha1_of(three.host.swarm.peer_id), 1)
        assert held[0].peer == three.host.swarm.peer_id


@asynchronous(SECONDS)
async def test_a_request_that_cannot_be_read_is_answered_with_an_error(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (one, two):
        connection = await one.connect(two)
        for protocol in (hivemind.PING_ID, hivemind.STORE_ID, hivemind.FIND_ID):
            assert "cut short" in error(await called(connection, protocol, b"\x12\xff"))
        many = FindRequest(keys=[KEY] * 1024).encode() + FindRequest(keys=[KEY]).encode()
        assert "more than 1024" in error(await called(connection, hivemind.FIND_ID, many))
        uneven = StoreRequest(keys=[KEY]).encode()
        assert "differ in length" in error(await called(connection, hivemind.STORE_ID, uneven))


@asynchronous(SECONDS)
async def test_an_answer_that_fits_no_frame_is_refused(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (one, two):
        connection = await one.connect(two)
        two.dht.storage.store(KEY, PLAIN, bytes(64 << 10), soon(), False, one.host.swarm.peer_id)
        request = FindRequest(keys=[KEY] * 1024).encode()
        assert "ask for fewer keys" in error(await called(connection, hivemind.FIND_ID, request))
        assert two.host.budget.pools["dht-calls"].used == 0


@asynchronous(SECONDS)
async def test_without_memory_a_call_is_not_taken(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (one, two):
        connection = await one.connect(two)
        pool = two.host.budget.pools["dht-calls"]
        while pool.take(CALL):
            pass
        stream = connection.open_stream([hivemind.PING_ID])
        await stream.write(b"\x00")
        with pytest.raises(StreamReset):
            await stream.read(1)


@asynchronous(SECONDS)
async def test_a_reload_ends_the_service_and_begins_it(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (one, two):
        connection = await one.meet(two)
        assert two.host.swarm.offers(hivemind.FIND_ID, connection)
        two.dht.configure(configured(tmp_path, "", dht_enabled="no"))
        assert len(two.dht.table) == 0
        assert not two.host.swarm.offers(hivemind.FIND_ID, connection)
        assert two.dht.report() == {}
        two.dht.configure(configured(tmp_path, "", dht_enabled="yes"))
        assert two.host.swarm.offers(hivemind.FIND_ID, connection)
        await until(lambda: two._has(one))


@asynchronous(SECONDS)
async def test_who_asks_for_little_does_not_wait_for_those_who_store_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "AT_ONCE", 0.0)
    async with nodes(tmp_path, 3) as (one, two, three):
        await two.meet(one)
        await three.meet(one)
        much, little = [
            one.host.swarm.connection_to(each.host.swarm.peer_id) for each in (two, three)
        ]
        assert much is not None and little is not None
        much.load.cost = little.load.cost + 1.0
        server, done = one.dht.server, []

        async def served(name: str, call: Callable[..., Awaitable[bytes]], *given: object) -> None:
            with Lease(one.host.budget.pools["dht-calls"]) as lease:
                await call(*given, lease)
            done.append(name)

        keys = [number.to_bytes(ID_SIZE, "big") for number in range(SLICE)]
        values, expirations = [b"v"] * SLICE, [soon()] * SLICE
        store = StoreRequest(keys=keys, values=values, expirations=expirations).encode()
        find = FindRequest(keys=[KEY]).encode()
        await asyncio.gather(
            *[served("store", server.store, store, much) for _ in range(20)],
            served("find", server.find, find, little),
        )
        assert "find" in done[:2]  # behind the one that nobody was there to wait with

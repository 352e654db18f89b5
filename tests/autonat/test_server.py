"""Whom the server dials back, where, how often, and what it leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from edge.autonat import server
from edge.swarm.addresses import PUBLIC
from edge.swarm.connection import Connection
from edge.swarm.errors import StreamReset
from edge.swarm.stream import Stream
from edge.wire import autonat as messages
from edge.wire.autonat import DialAnswer, DialRequest, DialResponse, Message1, Message2, PeerInfo
from edge.wire.multiaddr import Multiaddr
from tests.autonat.nodes import ask, call_all_public, node
from tests.counterparts.base import asynchronous
from tests.relay.hosts import peer_id, so


@pytest.fixture(autouse=True)
def _all_public(monkeypatch: pytest.MonkeyPatch) -> None:
    call_all_public(monkeypatch)


async def ask1(
    connection: Connection, *addresses: Multiaddr, peer: bytes | None = None
) -> DialAnswer:
    info = PeerInfo(id=peer, addrs=[address.bytes for address in addresses])
    request = Message1(type=Message1.DIAL, dial=messages.Dial(peer=info))
    answer = Message1.decode(await ask(connection, messages.V1_ID, request.encode()))
    assert answer.type == Message1.ANSWER
    assert answer.answer is not None
    return answer.answer


async def ask2(connection: Connection, *addresses: Multiaddr, nonce: int = 7) -> DialResponse:
    request = DialRequest(addrs=[address.bytes for address in addresses], nonce=nonce)
    body = Message2(request=request).encode()
    answer = Message2.decode(await ask(connection, messages.DIAL_REQUEST_ID, body))
    assert answer.response is not None
    return answer.response


def elsewhere(address: Multiaddr) -> Multiaddr:
    """The same port of another host."""
    target = address.host_port()
    assert target is not None
    return Multiaddr.from_ip(bytes((127, 99, 0, 1)), target[1])


@asynchronous(20)
async def test_the_client_is_dialled_and_let_go_at_once() -> None:
    async with node(1) as ours, node() as client:
        connection = await client.connect(ours)
        answer = await ask1(connection, client.address, peer=client.swarm.peer_id.bytes)
        assert (answer.status, answer.addr) == (messages.OK, client.address.bytes)
        await so(lambda: all(each.closed is not None for each in client.came))
        [came] = client.came
        assert came.peer == ours.swarm.peer_id
        assert ours.swarm.all_connections() == ours.came
        assert ours.swarm.pools.handshakes.used == 0
        assert ours.answered == {"reached": 1, "unreached": 0, "refused": 0, "limited": 0}


@asynchronous(20)
async def test_another_host_is_never_dialled() -> None:
    """Version 1 asks at the IP that the request came from, version 2 refuses."""
    async with node(1) as ours, node(99) as victim, node() as client:
        connection = await client.connect(ours)
        assert (await ask1(connection, victim.address)).status == messages.E_DIAL_ERROR
        assert (await ask2(connection, victim.address)).status == messages.E_REFUSED2
        answer = await ask1(connection, elsewhere(client.address))
        assert (answer.status, answer.addr) == (messages.OK, client.address.bytes)
        assert victim.came == []


@asynchronous(20)
async def test_who_names_no_port_is_dialled_where_it_comes_from() -> None:
    async with node(1) as ours, node(2) as client:
        connection = await ours.connect(client)
        await so(lambda: bool(client.came))
        assert (await ask1(client.came[0])).addr == connection.remote.bytes


@asynchronous(20)
async def test_the_first_usable_address_of_version_2_is_dialled_and_named() -> None:
    async with node(1) as ours, node() as client:
        nonces: list[int] = []
        client.swarm.handle(messages.DIAL_BACK_ID, answer_dial_back(nonces))
        connection = await client.connect(ours)
        quic = Multiaddr.from_string("/ip4/127.0.0.1/udp/4001/quic-v1")
        answer = await ask2(connection, quic, elsewhere(client.address), client.address, nonce=9)
        assert answer == DialResponse(status=messages.OK2, index=2, dial_status=messages.DIAL_OK)
        assert nonces == [9]
        await so(lambda: client.came[0].closed is not None)


def answer_dial_back(nonces: list[int]) -> Callable[[Stream], Awaitable[None]]:
    async def serve(stream: Stream) -> None:
        back = messages.DialBack.decode(await stream.read_message(messages.MAX_DIAL_BACK))
        nonces.append(back.nonce or 0)
        await stream.write(bytes((2, 8, 0)))
        stream.dismiss()

    return serve


@asynchronous(20)
async def test_who_takes_no_nonce_is_told_so() -> None:
    async with node(1) as ours, node() as client:
        answer = await ask2(await client.connect(ours), client.address)
        assert (answer.status, answer.dial_status) == (messages.OK2, messages.DIAL_BACK_FAILED)
        await so(lambda: client.came[0].closed is not None)


@asynchronous(20)
async def test_a_closed_port_is_a_dial_error() -> None:
    async with node(1) as ours, node() as client:
        connection = await client.connect(ours)
        client.swarm.close_listeners()
        assert (await ask1(connection, client.address)).status == messages.E_DIAL_ERROR
        assert (await ask2(connection, client.address)).dial_status == messages.DIAL_FAILED


@asynchronous(20)
async def test_a_host_that_does_not_answer_costs_a_bounded_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "_LONGEST_DIAL", 0.05)
    async with node(1) as ours, node() as client:

        async def never(*_: object) -> Connection:
            await asyncio.Event().wait()
            raise AssertionError

        monkeypatch.setattr(ours.host.dialer, "dial_apart", never)
        connection = await client.connect(ours)
        assert (await ask1(connection, client.address)).status == messages.E_DIAL_ERROR


@asynchronous(20)
async def test_a_private_network_is_not_dialled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    async with node(1) as ours, node() as client:
        connection = await client.connect(ours)
        assert (await ask1(connection, client.address)).status == messages.E_DIAL_REFUSED
        assert (await ask2(connection, client.address)).status == messages.E_REFUSED2
        assert client.came == []


@asynchronous(20)
async def test_a_request_for_another_peer_and_noise_are_bad() -> None:
    async with node(1) as ours, node() as client:
        connection = await client.connect(ours)
        answer = await ask1(connection, client.address, peer=peer_id(1).bytes)
        assert answer.status == messages.E_BAD_REQUEST
        for body in (b"", b"\x08\x01", b"\xff\xff", Message1(type=9).encode()):
            said = Message1.decode(await ask(connection, messages.V1_ID, body)).answer
            assert said is not None
            assert said.status == messages.E_BAD_REQUEST
        with pytest.raises(StreamReset):
            await ask(connection, messages.DIAL_REQUEST_ID, b"\xff\xff")
        assert client.came == []


@asynchronous(20)
async def test_one_source_is_served_a_few_times_a_minute_and_once_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "_PER_SOURCE", 3)
    async with node(1) as ours, node() as client:
        connection = await client.connect(ours)
        both = [ask1(connection, client.address) for _ in range(2)]
        statuses = sorted([answer.status or 0 for answer in await asyncio.gather(*both)])
        assert statuses == [messages.OK, messages.E_DIAL_REFUSED]
        more = [(await ask1(connection, client.address)).status for _ in range(3)]
        assert more == [messages.OK, messages.OK, messages.E_DIAL_REFUSED]
        assert (await ask2(connection, client.address)).status == messages.E_REQUEST_REJECTED
        assert ours.answered["limited"] == 3


@asynchronous(20)
async def test_a_node_that_takes_on_nothing_new_dials_nobody() -> None:
    async with node(1) as ours, node() as client:
        connection = await client.connect(ours)
        ours.host.allowance.admits = False
        assert (await ask1(connection, client.address)).status == messages.E_DIAL_REFUSED
        assert (await ask2(connection, client.address)).status == messages.E_REQUEST_REJECTED


@asynchronous(20)
async def test_auto_serves_while_the_node_is_reachable_itself() -> None:
    both = {messages.V1_ID, messages.DIAL_REQUEST_ID}
    async with node(1, autonat_service="auto") as ours, node() as client:
        await client.connect(ours)
        await so(lambda: bool(ours.came))
        [connection] = ours.came
        assert not both & set(ours.swarm.protocols(connection))
        ours.host.addresses.configure([Multiaddr.from_string("/ip4/9.9.9.9/tcp/4001")])
        assert ours.host.addresses.nat == PUBLIC
        assert both <= set(ours.swarm.protocols(connection))

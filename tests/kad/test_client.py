"""Searches among real swarms, some of whose peers lie."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from edge.kad import walk
from edge.swarm.stream import Stream
from edge.wire import kad, varint
from edge.wire.kad import KadMessage
from edge.wire.multiaddr import Multiaddr
from edge.wire.protobuf import delimited
from tests.counterparts.base import asynchronous
from tests.kad.hosts import PUBLIC, Node, nodes
from tests.relay.hosts import peer_id, so

Lie = Callable[[Node, Stream], Awaitable[None]]


async def answer(stream: Stream, *closer: kad.Peer) -> None:
    message = KadMessage(type=kad.FIND_NODE, closer=list(closer))
    await stream.write(delimited(message.encode()))
    stream.dismiss()


async def names_itself(node: Node, stream: Stream) -> None:
    await answer(stream, *[kad.Peer(id=node.id.bytes, addrs=[PUBLIC.bytes])] * kad.K)


async def names_nobody_in_peers_clothes(_: Node, stream: Stream) -> None:
    await answer(stream, *[kad.Peer(id=bytes([number]) * 60) for number in range(kad.K)])


async def names_the_dead(_: Node, stream: Stream) -> None:
    nowhere = [Multiaddr.from_string("/ip4/127.0.0.1/tcp/1").bytes]
    dead = [kad.Peer(id=peer_id(100 + number).bytes, addrs=nowhere) for number in range(kad.K)]
    await answer(stream, *dead)


async def names_who_is_nowhere(_: Node, stream: Stream) -> None:
    await answer(stream, *[kad.Peer(id=peer_id(100 + n).bytes) for n in range(kad.K)])


async def announces_ten_megabytes(_: Node, stream: Stream) -> None:
    await stream.write(varint.encode(10 << 20) + bytes(1 << 16))


async def says_nothing(_: Node, stream: Stream) -> None:
    await stream.read(1 << 16)
    await stream.read(1)


async def answers_nonsense(_: Node, stream: Stream) -> None:
    await stream.write(delimited(b"\xff" * 100))
    stream.dismiss()


LIES = (
    names_itself,
    names_nobody_in_peers_clothes,
    names_the_dead,
    names_who_is_nowhere,
    announces_ten_megabytes,
    says_nothing,
    answers_nonsense,
)


@pytest.mark.parametrize("lie", LIES)
def test_a_liar_costs_a_bounded_search_and_hides_nobody(
    lie: Lie, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "_REQUEST_TIME", 0.5)

    @asynchronous(30)
    async def test() -> None:
        async with nodes(4) as (liar, honest, listener, seeker):
            liar.swarm.handle(kad.PROTOCOL_ID, lambda stream: lie(liar, stream))
            await listener.reserve(honest)
            for node in (liar, honest):
                await seeker.connect(node)
            await seeker.kad.find(peer_id(1))
            await seeker.kad.find(listener.id)
            assert listener.id in seeker.swarm.connections
            pool = seeker.host.budget.pools["kad"]
            await so(lambda: pool.used < walk.MEMORY)

    test()


@asynchronous(30)
async def test_where_a_liar_says_that_a_peer_is_is_tried_and_the_search_goes_on() -> None:
    async with nodes(4) as (liar, honest, listener, seeker):
        through_honest = honest.at.via_circuit().with_peer(listener.id)

        async def lie(stream: Stream) -> None:
            where = [liar.at.via_circuit(listener.id).bytes]
            await answer(stream, kad.Peer(id=listener.id.bytes, addrs=where))

        liar.swarm.handle(kad.PROTOCOL_ID, lie)
        await listener.reserve(honest)
        for node in (liar, honest):
            await seeker.connect(node)
        found = await seeker.kad.find(listener.id)
        assert through_honest in found
        assert listener.id in seeker.swarm.connections


@asynchronous(30)
async def test_under_two_names_what_the_peer_speaks_is_used() -> None:
    async with nodes(3) as (node, listener, seeker):
        for each in (node, seeker):
            each.configure(kad_ipfs="yes")
        await listener.reserve(node)
        connection = await seeker.connect(node)
        connection.info = None  # nothing is known of it yet
        await seeker.kad.find(listener.id)
        assert listener.id in seeker.swarm.connections

"""What a node of the DHT answers, and whom it takes for a peer of it."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.swarm.errors import StreamReset, SwarmError
from edge.wire import kad
from edge.wire.errors import AddressError, RemoteProtocolError
from edge.wire.identify import PUSH_ID, Identify
from edge.wire.kad import KadMessage, read_peers
from edge.wire.multiaddr import Multiaddr
from edge.wire.protobuf import delimited
from tests.counterparts.base import asynchronous
from tests.kad.hosts import PUBLIC, Node, asker, nodes, say
from tests.relay.hosts import peer_id, so

KEY = b"\x12\x20" + bytes(32)  # a multihash


async def identify_as(peer: Node, node: Node, *protocols: str) -> None:
    """`peer` tells `node`, unasked, that it speaks exactly `protocols`."""
    stream = (await peer.connect(node)).open_stream([PUSH_ID])
    await stream.write(delimited(Identify(protocols=list(protocols)).encode()))
    await stream.close()


# --- finding a peer ---


@asynchronous(30)
async def test_a_peer_that_is_only_reserved_is_found_through_this_node() -> None:
    async with nodes(3, [PUBLIC]) as (relay, listener, asker):
        await listener.reserve(relay)
        found = await asker.found(relay, listener.id.bytes)
        assert next(iter(found)) == listener.id
        through = f"{PUBLIC}/p2p/{relay.id}/p2p-circuit/p2p/{listener.id}"
        assert through in found[listener.id]


@asynchronous(30)
async def test_a_sleeping_peer_is_found_for_a_circuit_wakes_it() -> None:
    async with nodes(2, [PUBLIC]) as (relay, asker):
        relay.relay.keep_reservations(frozenset([peer_id(1)]))
        found = await asker.found(relay, peer_id(1).bytes)
        through = f"{PUBLIC}/p2p/{relay.id}/p2p-circuit/p2p/{peer_id(1)}"
        assert through in found[peer_id(1)]
        relay.relay.keep_reservations(frozenset())


@asynchronous(30)
async def test_a_peer_without_a_reservation_is_told_without_circuits() -> None:
    async with nodes(3) as (node, other, asker):
        await other.connect(node)
        found = await asker.found(node, other.id.bytes)
        assert found == {other.id: [str(other.bound)]}


@asynchronous(30)
async def test_the_asker_is_left_out_even_if_it_seeks_itself() -> None:
    async with nodes(3) as (node, other, asker):
        await other.connect(node)
        assert list(await asker.found(node, asker.id.bytes)) == [other.id]
        assert list(await asker.found(node, peer_id(1).bytes)) == [other.id]


@asynchronous(30)
async def test_the_node_itself_is_found_where_it_was_reached() -> None:
    async with nodes(2) as (node, asker):
        assert await asker.found(node, node.id.bytes) == {node.id: [str(node.bound)]}


@asynchronous(30)
async def test_a_remembered_peer_is_found_when_it_is_sought() -> None:
    async with nodes(2) as (node, asker):
        node.host.store.learn(peer_id(1), [PUBLIC])
        assert await asker.found(node, peer_id(1).bytes) == {peer_id(1): [str(PUBLIC)]}
        assert await asker.found(node, peer_id(2).bytes) == {}


@asynchronous(60)
async def test_an_answer_names_the_nearest_and_no_more() -> None:
    async with nodes(kad.K + 4) as (node, asker, *others):
        for other in others:
            await other.connect(node)
        sought = others[0].id
        found = list(await asker.found(node, sought.bytes))
        assert found[0] == sought
        assert len(found) <= kad.K + 1
        ordered = node.kad.table.nearest(_place(sought.bytes), kad.K, {sought, asker.id})
        assert found[1:] == ordered


def _place(key: bytes) -> int:
    from edge.kad.table import kad_id

    return kad_id(key)


# --- who is a peer of the DHT ---


@asynchronous(30)
async def test_only_who_says_that_it_speaks_the_protocol_has_a_place() -> None:
    async with nodes(2) as (node, peer):
        await peer.connect(node)
        await so(lambda: peer.id in node.kad.table)
        await identify_as(peer, node, "/ipfs/ping/1.0.0", kad.IPFS_ID)
        await so(lambda: peer.id not in node.kad.table)
        await identify_as(peer, node, kad.PROTOCOL_ID)
        await so(lambda: peer.id in node.kad.table)


@asynchronous(30)
async def test_who_asks_has_no_place_for_that() -> None:
    """A negotiation proves nothing: IPFS' peers would come in that way."""
    async with nodes(2) as (node, peer):
        peer.configure(kad_service="no")
        await peer.ask(node, kad.FIND_NODE, b"key")
        assert peer.id not in node.kad.table


@asynchronous(30)
async def test_who_goes_loses_its_place() -> None:
    async with nodes(2) as (node, peer):
        connection = await peer.connect(node)
        await so(lambda: peer.id in node.kad.table)
        connection.close("goes")
        await so(lambda: peer.id not in node.kad.table)


@asynchronous(60)
async def test_peers_of_one_network_do_not_fill_the_table() -> None:
    async with nodes(13) as (node, *others):
        for number, other in enumerate(others):
            await other.connect(node)
            (link,) = node.swarm.connections[other.id]
            node.kad.table.remove(other.id)
            link.remote = Multiaddr.from_ip(bytes((5, 1, 1, number)), 4001)
            await identify_as(other, node, kad.PROTOCOL_ID)
        assert len(node.kad.table) == 8


@asynchronous(30)
async def test_peers_of_ipfs_have_a_place_once_the_owner_wants_them() -> None:
    async with nodes(2) as (node, peer):
        await identify_as(peer, node, kad.IPFS_ID)
        assert peer.id not in node.kad.table
        node.configure(kad_ipfs="yes")
        assert peer.id in node.kad.table
        answer = await say(await peer.stream(node, kad.IPFS_ID), KadMessage(type=kad.PING))
        assert answer.type == kad.PING
        node.configure()
        assert peer.id not in node.kad.table


@asynchronous(30)
async def test_the_protocol_is_listed_while_it_is_served() -> None:
    async with nodes(2) as (node, peer):
        connection = await peer.connect(node)
        (theirs,) = node.swarm.connections[peer.id]
        for service, listed in (("auto", True), ("no", False), ("yes", True)):
            node.configure(kad_service=service)
            assert (kad.PROTOCOL_ID in node.swarm.protocols(theirs)) == listed
            assert kad.IPFS_ID not in node.swarm.protocols(theirs)
        node.configure(kad_service="no")
        with pytest.raises((SwarmError, RemoteProtocolError)):
            await say(connection.open_stream([kad.PROTOCOL_ID]), KadMessage(type=kad.PING))


# --- the other requests ---


@asynchronous(30)
async def test_a_value_is_not_kept_and_who_asks_for_one_is_sent_on() -> None:
    async with nodes(3) as (node, other, asker):
        await other.connect(node)
        with pytest.raises(StreamReset):
            await asker.ask(node, kad.PUT_VALUE, b"/pk/key")
        answer = await asker.ask(node, kad.GET_VALUE, b"/pk/key")
        assert answer.key == b"/pk/key"
        assert [peer for peer, _ in read_peers(answer.closer)] == [other.id]
        assert node.kad.refused == 1


@asynchronous(30)
async def test_a_provider_speaks_for_itself_only() -> None:
    async with nodes(3) as (node, provider, asker):
        for who in (asker.id, provider.id):
            message = KadMessage(type=kad.ADD_PROVIDER, key=KEY, providers=[kad.Peer(id=who.bytes)])
            stream = await provider.stream(node)
            await stream.write(delimited(message.encode()))
            assert (await say(stream, KadMessage(type=kad.PING))).type == kad.PING
        answer = await asker.ask(node, kad.GET_PROVIDERS, KEY)
        assert read_peers(answer.providers) == [(provider.id, [provider.bound])]
        assert [peer for peer, _ in read_peers(answer.closer)] == [provider.id]


@pytest.mark.parametrize(
    "request_",
    [
        b"\xff",
        KadMessage(type=6, key=KEY).encode(),
        KadMessage(type=kad.FIND_NODE).encode(),
        KadMessage(type=kad.FIND_NODE, key=bytes(kad.MAX_KEY + 1)).encode(),
        KadMessage(type=kad.GET_PROVIDERS, key=bytes(kad.MAX_PROVIDER_KEY + 1)).encode(),
        KadMessage(type=kad.ADD_PROVIDER, key=bytes(kad.MAX_PROVIDER_KEY + 1)).encode(),
        bytes(kad.MAX_REQUEST + 1),
    ],
    ids=["no-message", "no-type", "no-key", "long-key", "long-get", "long-add", "long"],
)
def test_what_makes_no_sense_costs_the_stream(request_: bytes) -> None:
    @asynchronous(30)
    async def test() -> None:
        async with nodes(2) as (node, asker):
            stream = await asker.stream(node)
            await stream.write(delimited(request_))
            with pytest.raises(StreamReset):
                await stream.read_message(kad.MAX_ANSWER)
            assert (await asker.ask(node, kad.PING)).type == kad.PING

    test()


MESSAGES = st.builds(
    KadMessage,
    type=st.integers(0, 7),
    key=st.none() | st.binary(max_size=kad.MAX_KEY + 1),
    providers=st.lists(st.builds(kad.Peer, id=st.none() | st.binary(max_size=70)), max_size=30),
).map(KadMessage.encode)


@given(st.lists(MESSAGES | st.binary(max_size=200), max_size=20))
def test_whatever_is_asked_is_answered_within_bounds_or_refused(asked: list[bytes]) -> None:
    @asynchronous(30)
    async def test() -> None:
        async with nodes(1, [PUBLIC]) as (node,):
            by = asker("/ip4/5.1.1.20/tcp/1")
            for data in asked:
                with contextlib.suppress(RemoteProtocolError):
                    answer = node.kad._answer(data, by)
                    assert answer is None or len(answer.encode()) <= kad.MAX_REQUEST
            assert node.kad.refused + sum(node.kad.requests.values()) == len(asked)
            assert len(node.kad.records) <= node.kad.requests["add_provider"]

    test()


@asynchronous(30)
async def test_a_stream_takes_any_number_of_requests() -> None:
    async with nodes(2) as (node, asker):
        stream = await asker.stream(node)
        for _ in range(3):
            assert (await say(stream, KadMessage(type=kad.PING))).type == kad.PING
        stream.finish()
        assert await stream.read(1) == b""
        assert node.kad.requests["ping"] == 3


# --- searches ---


@asynchronous(30)
async def test_a_peer_is_reached_by_its_id_alone() -> None:
    async with nodes(3, [PUBLIC]) as (relay, listener, seeker):
        await listener.reserve(relay)
        await seeker.connect(relay)
        found = await seeker.kad.find(listener.id)
        assert relay.bound.with_peer(relay.id).via_circuit(listener.id) in found or found
        assert listener.id in seeker.swarm.connections


@asynchronous(30)
async def test_the_status_socket_tells_where_a_peer_is() -> None:
    async with nodes(3, [PUBLIC]) as (relay, listener, seeker):
        await listener.reserve(relay)
        await seeker.connect(relay)
        ask = seeker.host.answers["dht-find"]
        answer = await ask({"verb": "dht-find", "peer": str(listener.id)})
        assert (answer["peer"], answer["connected"]) == (str(listener.id), True)
        assert f"{PUBLIC}/p2p/{relay.id}/p2p-circuit/p2p/{listener.id}" in answer["addresses"]
        nobody = await ask({"verb": "dht-find", "peer": str(peer_id(1))})
        assert nobody == {"peer": str(peer_id(1)), "addresses": [], "connected": False}
        for wrong in ({}, {"peer": 1}, {"peer": "12D3"}, {"peer": "\u00e9"}):
            with pytest.raises(AddressError):
                await ask(wrong)


@asynchronous(30)
async def test_a_node_provides_and_others_find_out() -> None:
    async with nodes(3, [PUBLIC]) as (node, provider, seeker):
        await provider.connect(node)
        await seeker.connect(node)
        assert await provider.kad.provide(KEY) == 1
        await so(lambda: len(node.kad.records) == 1)
        assert list(await seeker.kad.providers(KEY)) == [provider.id]
        assert list(await node.kad.providers(KEY)) == [provider.id]
        assert await provider.kad.providers(KEY) == {}


@asynchronous(30)
async def test_without_memory_there_is_no_search() -> None:
    async with nodes(2) as (node, seeker):
        await seeker.connect(node)
        pool = seeker.host.budget.pool("kad", 0.1)
        rest = pool.ceiling - pool.used
        assert pool.take(rest)
        assert await seeker.kad.find(peer_id(1)) == []
        assert seeker.kad.client.searches == 0
        pool.give(rest)
        assert await asyncio.wait_for(seeker.kad.find(peer_id(1)), 10) == []
        assert seeker.kad.client.searches == 1

"""Whom a node tells which addresses of others, in which order."""

from __future__ import annotations

import pytest

from edge.kad.contacts import MAX_ADDRESSES
from edge.swarm.connection import Connection
from edge.wire import kad
from edge.wire.identify import IdentifyInfo
from edge.wire.kad import KadMessage
from edge.wire.multiaddr import MAX_BYTES, Multiaddr
from tests.counterparts.base import asynchronous
from tests.kad.hosts import PUBLIC, Node, asker, nodes
from tests.relay.hosts import peer_id

RELAY = peer_id(7)
LOOPBACK = "/ip4/127.0.0.1/tcp/1"
HOME = "/ip4/192.168.1.2/tcp/1"
SHARED = "/ip4/100.64.1.2/tcp/1"
LINK_LOCAL = "/ip6/fe80::1/tcp/1"
RESERVED = "/ip4/224.0.0.1/tcp/1"
DIRECT = "/ip4/5.2.2.2/tcp/1"
NAMED = "/dns4/peer.example.org/tcp/1"
ELSEWHERE = f"/ip4/5.3.3.3/tcp/1/p2p/{RELAY}/p2p-circuit"
AT_HOME = f"/ip4/192.168.1.3/tcp/1/p2p/{RELAY}/p2p-circuit"
CLAIMED = (LOOPBACK, HOME, ELSEWHERE, AT_HOME, SHARED, LINK_LOCAL, RESERVED, DIRECT, NAMED)


def claim(node: Node, peer: Node, *addresses: str) -> None:
    """`peer`, connected to `node`, says that it is there."""
    (link,) = node.swarm.connections[peer.id]
    assert link.info is not None
    info = IdentifyInfo()
    info.protocols = link.info.protocols
    info.addresses = tuple(map(Multiaddr.from_string, addresses))
    assert link.learn(info)


def told(node: Node, peer: Node, by: Connection) -> list[str]:
    """What `node` tells the one on `by` of `peer`."""
    contacts = node.kad.contacts.of([peer.id], by)
    return [str(Multiaddr.from_bytes(addr)) for one in contacts for addr in one.addrs]


@asynchronous(30)
async def test_what_is_most_likely_to_work_comes_first_and_nothing_private_goes_out() -> None:
    async with nodes(2, [PUBLIC]) as (node, peer):
        await peer.reserve(node)
        await peer.connect(node)
        claim(node, peer, *CLAIMED)
        through = f"{PUBLIC}/p2p/{node.id}/p2p-circuit/p2p/{peer.id}"
        expected = [DIRECT, NAMED, through, f"{ELSEWHERE}/p2p/{peer.id}"]
        for by in (asker("/ip4/5.1.1.20/tcp/1"), asker("/ip6/2a00::1/tcp/1")):
            assert told(node, peer, by) == expected
        relayed = asker(f"{HOME}/p2p/{RELAY}/p2p-circuit/p2p/{peer_id(3)}", direct=False)
        assert told(node, peer, relayed) == expected


@pytest.mark.parametrize("at", [HOME, SHARED, LINK_LOCAL])
def test_who_is_on_a_private_network_is_told_of_such_addresses(at: str) -> None:
    @asynchronous(30)
    async def test() -> None:
        async with nodes(2, [PUBLIC]) as (node, peer):
            await peer.connect(node)
            claim(node, peer, *CLAIMED)
            circuits = [f"{where}/p2p/{peer.id}" for where in (ELSEWHERE, AT_HOME)]
            assert told(node, peer, asker(at)) == [DIRECT, NAMED, *circuits, HOME, SHARED]

    test()


@pytest.mark.parametrize(("local", "helps"), [(HOME, False), (DIRECT, True)])
def test_a_circuit_goes_through_where_the_asker_has_reached_the_node(
    local: str, helps: bool
) -> None:
    """If no address is confirmed; not if that is one of a port that a gateway forwards."""

    @asynchronous(30)
    async def test() -> None:
        async with nodes(2) as (node, peer):
            await peer.reserve(node)
            await peer.connect(node)
            by = asker("/ip4/5.1.1.20/tcp/1")
            by.local = Multiaddr.from_string(local)
            through = f"{local}/p2p/{node.id}/p2p-circuit/p2p/{peer.id}"
            assert told(node, peer, by) == ([through] if helps else [])

    test()


@asynchronous(30)
async def test_what_is_told_changes_with_what_it_depends_on() -> None:
    """The peer has its place in the table, where what was told last is kept."""
    async with nodes(2, [PUBLIC]) as (node, peer):
        await peer.connect(node)
        assert peer.id in node.kad.table
        claim(node, peer, DIRECT, HOME)
        public, near = asker("/ip4/5.1.1.20/tcp/1"), asker(HOME)
        for _ in range(2):
            assert told(node, peer, public) == [DIRECT]
            assert told(node, peer, near) == [DIRECT, HOME]
        await peer.reserve(node)
        through = f"/p2p/{node.id}/p2p-circuit/p2p/{peer.id}"
        assert told(node, peer, public) == [DIRECT, f"{PUBLIC}{through}"]
        node.host.addresses.configure([Multiaddr.from_string(NAMED)])
        assert told(node, peer, public) == [DIRECT, f"{NAMED}{through}"]
        claim(node, peer, HOME)
        assert told(node, peer, public) == [f"{NAMED}{through}"]


@asynchronous(30)
async def test_a_peer_of_which_nothing_helps_is_left_out() -> None:
    async with nodes(3, [PUBLIC]) as (node, peer, other):
        await peer.connect(node)
        await other.connect(node)
        claim(node, peer, HOME, LOOPBACK)
        claim(node, other, DIRECT)
        contacts = node.kad.contacts.of([peer.id, other.id, peer_id(9)], asker(DIRECT))
        assert [contact.peer_id() for contact in contacts] == [other.id]
        assert contacts[0].connection == kad.CONNECTED


@asynchronous(30)
async def test_an_address_of_another_peer_is_not_passed_on() -> None:
    async with nodes(2) as (node, peer):
        await peer.connect(node)
        claim(node, peer, f"{DIRECT}/p2p/{RELAY}", f"{ELSEWHERE}/p2p/{RELAY}")
        assert told(node, peer, asker(DIRECT)) == []
        claim(node, peer, f"{DIRECT}/p2p/{peer.id}", f"{ELSEWHERE}/p2p/{peer.id}")
        assert told(node, peer, asker(DIRECT)) == [DIRECT, f"{ELSEWHERE}/p2p/{peer.id}"]


@asynchronous(30)
async def test_an_address_that_is_as_long_as_may_be_does_no_harm() -> None:
    async with nodes(2) as (node, peer):
        await peer.connect(node)
        name = "a" * 220
        longest = f"/dns4/{name}/tcp/1/sni/{name}/p2p/{RELAY}/p2p-circuit"
        assert MAX_BYTES - 42 < len(Multiaddr.from_string(longest).bytes) <= MAX_BYTES
        claim(node, peer, longest, DIRECT)
        assert told(node, peer, asker(DIRECT)) == [DIRECT]


@asynchronous(30)
async def test_however_many_and_long_its_addresses_are_a_reserved_peer_is_found() -> None:
    """A peer behind NAT may have seen itself at many addresses, and none of them works."""
    async with nodes(2, [PUBLIC]) as (node, peer):
        await peer.reserve(node)
        await peer.connect(node)
        seen = [f"/dns4/{'a' * 100}{number}.example.org/tcp/1" for number in range(40)]
        claim(node, peer, *seen)
        through = f"{PUBLIC}/p2p/{node.id}/p2p-circuit/p2p/{peer.id}"
        assert told(node, peer, asker(DIRECT))[:4] == [*seen[:3], through]


@asynchronous(60)
async def test_the_largest_answer_is_one_that_rust_takes() -> None:
    async with nodes(kad.K + 2, [PUBLIC]) as (node, sought, *others):
        names = [f"/dns4/{'a' * 40}{number}.example.org/tcp/1" for number in range(60)]
        for peer in (sought, *others):
            await peer.connect(node)
            claim(node, peer, *names)
        near = node.kad.table.nearest(0, kad.K)
        assert len(near) == kad.K
        answer = KadMessage(
            type=kad.FIND_NODE,
            key=bytes(kad.MAX_KEY),
            closer=node.kad.contacts.of([sought.id, *near], asker(DIRECT)),
        )
        assert len(answer.closer) == kad.K + 1
        assert all(1 < len(peer.addrs) <= MAX_ADDRESSES for peer in answer.closer)
        assert len(answer.encode()) <= kad.MAX_REQUEST

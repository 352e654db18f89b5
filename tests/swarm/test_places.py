"""Who has a place in the table of connections: by origin, and when it is full."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from edge import crypto
from edge.budget import Budget
from edge.swarm import places
from edge.swarm.connection import Connection
from edge.swarm.dialer import Dialer
from edge.swarm.errors import SwarmError
from edge.swarm.limits import Limits
from edge.swarm.places import FOREIGN, LISTED, OWN, PATIENCE, Places
from edge.swarm.swarm import Swarm
from edge.swarm.work import BULK, CONTROL, INTERACTIVE
from edge.units import MIB
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import PeerId
from tests.counterparts.base import asynchronous, until
from tests.relay.hosts import peer_id
from tests.swarm.origins import group

LOOPBACK = Multiaddr.from_string("/ip4/127.0.0.1/tcp/0")
NOW = 1000.0


class Link:
    """A connection as far as its place goes. `of`: the number of its peer."""

    def __init__(
        self,
        of: int,
        opened_at: float = 0.0,
        favour: int = FOREIGN,
        at: str = "",
        work: int = CONTROL,
        initiator: bool = False,
        direct: bool = True,
    ) -> None:
        self.peer = peer_id(of)
        self.opened_at = opened_at
        self.favour = favour
        self.group = group(at or f"9.{of // 256}.{of % 256}.1")
        self.work = work
        self.initiator = initiator
        self.direct = direct
        self.leaving = False
        self.closed: str | None = None

    def close(self, reason: str) -> None:
        self.closed = reason


def table(*links: Link, limit: int = 0, protected: Iterable[int] = ()) -> Places:
    """With these connections, and room for so many: as many as there are."""
    limits = Limits()
    limits.max_connections = limit or len(links)
    shared = SimpleNamespace(
        limits=limits, loop=SimpleNamespace(time=lambda: NOW), count_refusal=lambda _: None
    )
    connections: dict[PeerId, list[Any]] = {}
    for link in links:
        connections.setdefault(link.peer, []).append(link)
    made = Places(cast(Any, shared), connections, {peer_id(number) for number in protected})
    made.favour = lambda connection: cast(Link, connection).favour
    for link in links:
        made.origins.enter(link.group)
    return made


def room(places: Places, newcomer: Link, count: int) -> bool:
    return places.make_room(cast(Connection, newcomer), count)


# --- by origin ---


@pytest.mark.parametrize(
    ("pattern", "most"),
    [
        ("9.9.9.9", 32),
        ("9.9.9.{}", 128),
        ("2600:1:2:3::{}", 32),
        ("2600:1:2:3{:02x}::1", 64),  # the /64s of a /56
        ("2600:1:2:{:x}00::1", 128),  # the /56s of a /48
    ],
)
def test_so_many_connections_come_from_one_network(pattern: str, most: int) -> None:
    made = table(limit=4096)
    for number in range(300):
        if made.crowded(group(pattern.format(number % 256))):
            break
        made.origins.enter(group(pattern.format(number % 256)))
    assert number == most
    far = [group(text) for text in ("9.9.10.9", "2600:1:3::1")]
    assert not any(map(made.crowded, far))


def test_who_leaves_makes_room_for_others_of_the_network() -> None:
    made = table(limit=4096)
    groups = [group(f"9.9.9.{number}") for number in range(128)]
    for one in groups:
        made.origins.enter(one)
    assert made.crowded(group("9.9.9.200"))
    made.origins.leave(groups[0])
    assert not made.crowded(group("9.9.9.200"))
    for one in groups[1:]:
        made.origins.leave(one)
    assert not made.origins


def test_a_relay_counts_as_one_address_and_each_by_itself() -> None:
    made = table(limit=4096)
    one, other = peer_id(1).bytes, peer_id(2).bytes
    for _ in range(32):
        assert not made.crowded(one)
        made.origins.enter(one)
    assert made.crowded(one)
    assert not made.crowded(other)


def test_who_floods_through_a_relay_displaces_itself() -> None:
    links = [Link(n, 1.0 + n, direct=False) for n in range(1, 6)]
    for link in links[1:]:
        link.group = peer_id(99).bytes
    assert room(table(*links), Link(10, NOW), 5)
    assert [link.closed is not None for link in links] == [False, True] + 3 * [False]


def test_those_that_we_dial_through_relays_have_no_origin() -> None:
    made = table(limit=4096)
    for _ in range(1000):
        made.origins.enter(b"")
    assert not made.crowded(b"")


# --- who gives way ---


@pytest.mark.parametrize(
    ("kept", "goes"),
    [
        (Link(1, 2.0), Link(2, 1.0)),  # the oldest
        (Link(1, 1.0, OWN), Link(2, 2.0)),  # a foreigner
        (Link(1, 1.0, work=BULK), Link(2, 2.0)),
        (Link(1, 1.0, work=INTERACTIVE), Link(2, 2.0, OWN)),
        (Link(1, 1.0, initiator=True), Link(2, 2.0)),
        (Link(1, 1.0, LISTED), Link(2, 2.0, OWN)),
        (Link(1, NOW - PATIENCE / 2), Link(2, NOW - PATIENCE)),
    ],
)
@pytest.mark.parametrize("newcomer", [FOREIGN, OWN, LISTED])
def test_who_is_worth_least_gives_way(kept: Link, goes: Link, newcomer: int) -> None:
    for links in ((kept, goes), (goes, kept)):
        kept.closed = goes.closed = None
        assert room(table(*links), Link(3, NOW, newcomer), 2)
        assert (kept.closed, goes.closed) == (None, "another one needs its place")


def test_the_origin_with_most_connections_gives_way_first() -> None:
    """Who floods from one network displaces itself."""
    alone = Link(1, 1.0, at="2600:9::1")
    flood = [Link(n, 1.0 + n, at=f"2600:1:2:{n:x}::1") for n in range(2, 9)]
    assert room(table(alone, *flood), Link(10, NOW, at="2600:1:2:99::1"), 8)
    assert [link.closed is not None for link in (alone, *flood)] == [False, True] + 6 * [False]


def test_of_a_protected_peer_one_connection_is_kept() -> None:
    """A reservation keeps its peer, and not eight connections of it."""
    links = [Link(1, 1.0), Link(1, 3.0), Link(1, 2.0), Link(1, 4.0, direct=False)]
    made = table(*links, protected=[1])
    for _ in range(3):
        assert room(made, Link(2, NOW), 4)
        made._table[peer_id(1)] = [cast(Any, one) for one in links if one.closed is None]
    assert [link.closed is None for link in links] == [False, True, False, False]
    assert not room(made, Link(2, NOW), 4)
    newest = links[1]
    newest.leaving = True  # what it is kept for needs new streams
    assert room(made, Link(2, NOW), 4)
    assert newest.closed
    at_work = [Link(1, 1.0, work=BULK), Link(1, 2.0)]
    assert room(table(*at_work, protected=[1]), Link(2, NOW), 2)
    assert at_work[1].closed


def test_where_nobody_may_give_way_only_our_own_dials_have_a_place() -> None:
    links = [Link(n, 1.0, LISTED) for n in range(4)]
    made = table(*links)
    assert made.full_for_all(4)
    for newcomer in (Link(9, NOW), Link(9, NOW, OWN), Link(9, NOW, LISTED)):
        assert not room(made, newcomer, 4)
    assert room(made, Link(9, NOW, initiator=True), 4)
    assert not any(link.closed for link in links)
    made._shared.limits.max_connections = 5
    assert not made.full_for_all(4)


def test_a_peer_with_all_it_may_have_displaces_itself_alone() -> None:
    links = [*(Link(1, 5.0) for _ in range(8)), Link(2, 1.0)]
    assert room(table(*links), Link(1, NOW), 9)
    assert not any(link.closed for link in links)


@pytest.mark.parametrize(("limit", "kept"), [(9, 0), (10, 1), (200, 20)])
def test_foreigners_have_nine_tenths(limit: int, kept: int) -> None:
    places = limit - kept
    working = [Link(n, 1.0, work=BULK) for n in range(places)]
    made = table(*working, limit=limit)
    assert not room(made, Link(999, NOW), places)
    for count in range(places, limit):
        assert room(made, Link(999, NOW, LISTED), count)
        assert room(made, Link(999, NOW, initiator=True), count)
    working[-1].favour = OWN  # and so one of them less
    assert room(made, Link(999, NOW), places) == bool(kept)
    working[-1].favour, working[-1].initiator = FOREIGN, True
    assert room(made, Link(999, NOW), places) == bool(kept)
    assert not any(link.closed for link in working)


def test_those_of_this_network_fill_the_table_before_they_displace_each_other() -> None:
    links = [Link(n, 1.0 + n, OWN) for n in range(19)]
    made = table(*links, limit=20)
    assert room(made, Link(999, NOW), 19)
    assert not any(link.closed for link in links)
    assert room(made, Link(999, NOW), 20)
    assert [link.closed is not None for link in links] == [True] + 18 * [False]


def test_foreigners_who_have_their_part_displace_none_of_this_network() -> None:
    own, working = Link(1, 1.0, OWN), [Link(n, 1.0, work=BULK) for n in range(2, 20)]
    idle = Link(20, 2.0)
    made = table(own, *working, limit=20)
    assert not room(made, Link(999, NOW), 19)
    assert room(made, Link(999, NOW, OWN), 19)
    assert room(table(own, *working, idle, limit=20), Link(999, NOW), 20)
    assert (own.closed, idle.closed is not None) == (None, True)


# --- over sockets ---


@asynccontextmanager
async def swarms(count: int, limit: int) -> AsyncIterator[tuple[Swarm, Multiaddr, list[Swarm]]]:
    """A server with room for `limit` connections, and so many clients."""
    limits = Limits()
    limits.max_connections = limit
    server = Swarm(crypto.Ed25519Key.generate(), limits, Budget(64 * MIB, 0))
    at = server.listen(LOOPBACK)
    clients = [Swarm(crypto.Ed25519Key.generate()) for _ in range(count)]
    yield server, at, clients
    for each in (*clients, server):
        await each.stop()
    assert server.budget.used == 0
    assert not server.places.origins


async def joins(client: Swarm, server: Swarm, at: Multiaddr) -> bool:
    """Whether `client` comes into the table and stays there."""
    try:
        connection = await Dialer(client).dial(at, server.peer_id)
    except SwarmError:
        return False

    async def decided() -> bool:
        return client.peer_id in server.connections or connection.closed is not None

    await until(decided, every=0.01)
    return client.peer_id in server.connections


@asynchronous(30)
async def test_strangers_who_came_first_do_not_keep_others_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with swarms(5, limit=3) as (server, at, clients):
        first, second, third, fourth, fifth = clients
        for client in (first, second, third):
            assert await joins(client, server, at)
        server.protect(first.peer_id, "reservation")
        assert not await joins(fourth, server, at)  # they have only just come
        assert server.refusals == {"connections": 1}
        monkeypatch.setattr(places, "PATIENCE", 0.0)
        assert await joins(fifth, server, at)
        assert set(server.connections) == {one.peer_id for one in (first, third, fifth)}
        assert server.refusals == {"connections": 1, "connection-displaced": 1}


@asynchronous(30)
async def test_who_is_listed_finds_a_place_among_strangers_who_all_work() -> None:
    async with swarms(12, limit=10) as (server, at, clients):
        *strangers, refused, listed = clients
        server.places.favour = lambda one: LISTED if one.peer == listed.peer_id else FOREIGN
        for client in strangers[:9]:
            assert await joins(client, server, at)
        for connection in server.all_connections():
            connection.begin(INTERACTIVE)
        assert not await joins(refused, server, at)
        assert await joins(listed, server, at)
        for connection in server.all_connections():
            if connection.peer != listed.peer_id:
                connection.end(INTERACTIVE)


@asynchronous(30)
async def test_who_is_accepted_is_not_refused_before_it_is_known_who_comes() -> None:
    async with swarms(2, limit=1) as (server, at, (first, second)):
        assert await joins(first, server, at)
        assert server.refusal_for(group("9.9.9.9")) == "connections"  # nobody could give way
        server.all_connections()[0].opened_at -= PATIENCE
        assert server.refusal_for(group("9.9.9.9")) is None
        assert await joins(second, server, at)

        async def gone() -> bool:
            return not first.connections

        await until(gone)

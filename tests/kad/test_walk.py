"""A search is bounded, whatever those who are asked answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from edge.kad import walk
from edge.kad.table import kad_id
from edge.kad.walk import ALPHA, MAX_REQUESTS, Walk
from edge.swarm.errors import DialError
from edge.wire import kad
from edge.wire.kad import KadMessage
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import PeerId
from tests.counterparts.base import asynchronous
from tests.kad.test_table import somebody

KEY = b"key"
AT = Multiaddr.from_string("/ip4/5.1.1.20/tcp/4001")

Closer = Callable[[PeerId], list[PeerId]]


def distance(peer: PeerId) -> int:
    return kad_id(peer.bytes) ^ kad_id(KEY)


class Network:
    """Peers that answer `closer(peer)`; whoever is `dead` cannot be dialled."""

    def __init__(self, closer: Closer, dead: tuple[PeerId, ...] = ()) -> None:
        self.asked: list[PeerId] = []
        self.at_once = self.most_at_once = 0
        self._closer = closer
        self._dead = dead

    async def ask(self, peer: PeerId, addresses: list[Multiaddr]) -> KadMessage:
        self.asked.append(peer)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if peer in self._dead:
            raise DialError("dead")
        closer = [kad.Peer(id=each.bytes, addrs=[AT.bytes]) for each in self._closer(peer)]
        return KadMessage(type=kad.FIND_NODE, closer=closer)

    def walk(self, *known: PeerId, without: tuple[PeerId, ...] = ()) -> Walk:
        return Walk(KEY, known, self.ask, never, without)


async def never(_: KadMessage) -> bool:
    return False


@asynchronous(10)
async def test_it_goes_to_the_nearest_and_asks_each_once() -> None:
    peers = sorted(map(somebody, range(25)), key=distance, reverse=True)
    after = dict(zip(peers, [*peers[1:], None], strict=True))
    network = Network(lambda peer: [p for p in (after[peer], peers[0]) if p is not None])
    search = network.walk(peers[0])
    await search.run()
    assert network.asked == peers
    assert search.nearest(3) == peers[:-4:-1]


@asynchronous(10)
async def test_so_many_are_asked_at_once() -> None:
    network = Network(lambda _: [])
    await network.walk(*map(somebody, range(12))).run()
    assert len(network.asked) == 12
    assert network.most_at_once == ALPHA


@asynchronous(10)
async def test_endless_referrals_cost_a_bounded_walk() -> None:
    """Each answer names peers that nobody has heard of, nearer and nearer."""
    peers = iter(sorted(map(somebody, range(2000)), key=distance, reverse=True))
    network = Network(lambda _: [next(peers) for _ in range(kad.MAX_PEERS)])
    search = network.walk(somebody(10**7))
    await search.run()
    assert search.requests == len(network.asked) == MAX_REQUESTS
    assert len(search._candidates) <= 2 * kad.K


@asynchronous(10)
async def test_a_liar_does_not_lead_all_of_it_away() -> None:
    """It names only peers that cannot be dialled, all of them nearer than those who are honest."""
    liar, *honest = sorted(map(somebody, range(12)), key=distance)
    made_up = tuple(sorted(map(somebody, range(100, 9000)), key=distance)[:500])
    lies = iter(made_up)
    network = Network(
        lambda peer: [next(lies) for _ in range(kad.MAX_PEERS)] if peer == liar else [liar],
        made_up,
    )
    await network.walk(liar, *honest).run()
    assert len(set(honest) & set(network.asked)) >= MAX_REQUESTS // ALPHA - 1


@asynchronous(10)
async def test_who_names_itself_is_not_asked_again() -> None:
    liar = somebody(1)
    network = Network(lambda peer: [peer] * kad.MAX_PEERS)
    await network.walk(liar).run()
    assert network.asked == [liar]


@asynchronous(10)
async def test_nobody_of_those_to_be_left_out_is_asked() -> None:
    own, target = somebody(1), somebody(2)
    network = Network(lambda _: [own, target])
    await network.walk(somebody(3), without=(own, target)).run()
    assert network.asked == [somebody(3)]


@asynchronous(10)
async def test_the_dead_do_not_end_it() -> None:
    dead = tuple(map(somebody, range(5)))
    network = Network(lambda _: [somebody(9)], dead)
    search = network.walk(*dead, somebody(8))
    await search.run()
    assert set(search.answered) == {somebody(8), somebody(9)}


@asynchronous(10)
async def test_it_ends_with_the_answer_that_is_enough() -> None:
    async def told(_: KadMessage) -> bool:
        return True

    network = Network(lambda _: [somebody(9)])
    search = Walk(KEY, map(somebody, range(8)), network.ask, told)
    await search.run()
    assert len(network.asked) <= ALPHA


@asynchronous(10)
async def test_peers_behind_enough_that_answered_are_not_asked() -> None:
    peers = sorted(map(somebody, range(60)), key=distance)
    network = Network(lambda _: peers[kad.K :][: kad.MAX_PEERS])
    await network.walk(*peers[: kad.K]).run()
    assert set(network.asked) <= set(peers[: kad.K + ALPHA * kad.MAX_PEERS])
    assert len(network.asked) <= MAX_REQUESTS


@asynchronous(10)
async def test_who_does_not_answer_holds_it_up_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(walk, "_REQUEST_TIME", 0.01)

    async def ask(_: PeerId, __: list[Multiaddr]) -> KadMessage:
        await asyncio.Event().wait()
        raise AssertionError

    search = Walk(KEY, map(somebody, range(5)), ask, never)
    await search.run()
    assert (search.requests, search.answered) == (5, [])


@asynchronous(10)
async def test_all_of_it_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "MAX_TIME", 0.01)
    ended = []

    async def ask(peer: PeerId, _: list[Multiaddr]) -> KadMessage:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(peer)
        raise AssertionError

    search = Walk(KEY, map(somebody, range(5)), ask, never)
    await search.run()
    await asyncio.sleep(0)
    assert (search.requests, len(ended)) == (ALPHA, ALPHA)

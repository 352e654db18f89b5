"""The iterative search: it finds what is there, and lies cost it a bounded amount of work."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable

import pytest

from edge.dht import walk
from edge.dht.routing import sha1_of
from edge.dht.walk import Walk
from edge.swarm.errors import DialError
from edge.wire.hivemind import FOUND_REGULAR, FindResult
from edge.wire.peerid import PeerId
from tests.counterparts.base import asynchronous

OWN = PeerId(b"\x00\x03own")
TARGET = int.from_bytes(hashlib.sha1(b"target").digest(), "big")


def peer(number: int) -> PeerId:
    return PeerId(b"\x00\x04" + number.to_bytes(4, "big"))


def naming(
    peers: Iterable[PeerId], value: bytes | None = None, expiration: float = 0.0
) -> FindResult:
    named = list(peers)
    return FindResult(
        type=FOUND_REGULAR if value is not None else None,
        value=value,
        expiration=expiration,
        nearest_node_ids=[sha1_of(each).to_bytes(20, "big") for each in named],
        nearest_peer_ids=[each.bytes for each in named],
    )


Network = Callable[[PeerId], FindResult]


def asking(
    network: Network, asked: list[PeerId]
) -> Callable[[PeerId, int], Awaitable[tuple[int, FindResult]]]:
    async def ask(peer: PeerId, _: int) -> tuple[int, FindResult]:
        asked.append(peer)
        await asyncio.sleep(0)
        return 100, network(peer)

    return ask


def start(*peers: PeerId) -> list[tuple[int, PeerId]]:
    return [(sha1_of(each), each) for each in peers]


def nearest(peers: Iterable[PeerId]) -> list[PeerId]:
    return sorted(peers, key=lambda each: sha1_of(each) ^ TARGET)


@asynchronous(10)
async def test_the_nearest_of_many_are_found_from_one() -> None:
    everyone = [peer(number) for number in range(200)]
    asked: list[PeerId] = []

    def network(who: PeerId) -> FindResult:
        """Each knows those whose number is near its own, and some far ones."""
        number = int.from_bytes(who.bytes[2:], "big")
        known = [peer((number + step) % 200) for step in (1, 2, 3, 40, 80, 120, 160)]
        return naming(nearest(known))

    found = await Walk(TARGET, asking(network, asked), OWN, False).run(start(peer(0)))
    assert len(asked) == len(set(asked)) <= walk.MAX_CALLS
    assert found == nearest(found)
    assert set(found[:3]) & set(nearest(everyone)[:5])


@asynchronous(10)
async def test_of_several_values_the_one_that_lasts_longest_counts() -> None:
    values = {peer(1): 100.0, peer(2): 300.0, peer(3): 200.0}

    def network(who: PeerId) -> FindResult:
        return naming([], str(values[who]).encode(), values[who])

    search = Walk(TARGET, asking(network, []), OWN, True)
    await search.run(start(*values))
    assert search.found is not None and search.found.value == b"300.0"


@asynchronous(10)
async def test_a_value_ends_the_search() -> None:
    asked: list[PeerId] = []

    def network(who: PeerId) -> FindResult:
        return naming([peer(number) for number in range(10, 30)], b"v", 1.0)

    search = Walk(TARGET, asking(network, asked), OWN, True)
    await search.run(start(peer(1), peer(2)))
    assert search.found is not None
    assert set(asked) == {peer(1), peer(2)}


@asynchronous(10)
async def test_endless_referrals_cost_a_bounded_number_of_calls() -> None:
    asked: list[PeerId] = []

    def network(_: PeerId) -> FindResult:
        first = 1000 * len(asked)
        return naming([peer(first + step) for step in range(20)])

    await Walk(TARGET, asking(network, asked), OWN, False).run(start(peer(1)))
    assert len(asked) <= walk.MAX_CALLS


@asynchronous(10)
async def test_a_node_that_names_itself_and_the_asker_ends_the_search() -> None:
    asked: list[PeerId] = []
    search = Walk(TARGET, asking(lambda who: naming([who, OWN] * 10), asked), OWN, False)
    assert await search.run(start(peer(1))) == [peer(1)]
    assert asked == [peer(1)]


@asynchronous(10)
async def test_who_names_nodes_that_do_not_answer_is_not_followed_for_long() -> None:
    asked: list[PeerId] = []
    honest = [peer(number) for number in range(10, 20)]

    def network(who: PeerId) -> FindResult:
        if who == peer(1):
            return naming([peer(number) for number in range(100, 120)])
        if who in honest or who == peer(2):
            return naming(honest)
        raise DialError("nobody there")

    found = await Walk(TARGET, asking(network, asked), OWN, False).run(start(peer(1), peer(2)))
    assert set(found) == {peer(1), peer(2), *honest}
    in_vain = [each for each in asked if each not in found]
    assert len(in_vain) < walk.MAX_IN_VAIN + walk.AT_ONCE


@asynchronous(10)
async def test_long_answers_end_the_search() -> None:
    calls = 0

    async def ask(_: PeerId, limit: int) -> tuple[int, FindResult]:
        nonlocal calls
        calls += 1
        return limit // 2 + 1, naming([peer(1000 * calls + step) for step in range(20)])

    await Walk(TARGET, ask, OWN, False).run(start(peer(1)))
    assert calls <= 32


@asynchronous(30)
async def test_a_search_ends_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "MAX_TIME", 0.05)

    async def ask(_: PeerId, __: int) -> tuple[int, FindResult]:
        await asyncio.Event().wait()
        raise AssertionError

    assert await Walk(TARGET, ask, OWN, False).run(start(peer(1))) == []


@asynchronous(10)
async def test_nonsense_among_the_nearest_is_left_out() -> None:
    def network(who: PeerId) -> FindResult:
        if who != peer(1):
            raise DialError("nobody there")
        return FindResult(
            nearest_node_ids=[b"short", bytes(20), bytes(20)],
            nearest_peer_ids=[peer(2).bytes, b"no peer id"],
        )

    asked: list[PeerId] = []
    assert await Walk(TARGET, asking(network, asked), OWN, False).run(start(peer(1))) == [peer(1)]
    assert asked == [peer(1)]

"""Whose call is computed next."""

import asyncio

import pytest

from edge.inference.turns import MAX_OF_A_PEER, TooManyWait, Turns
from tests.counterparts.base import asynchronous


async def order_of(calls: list[tuple[str, str]]) -> list[str]:
    """The order in which calls of (peer, session) that wait together have their turns."""
    turns, order = Turns(), []

    async def one(peer: str, session: str, number: int) -> None:
        async with turns.of(peer, session):
            order.append(f"{peer}{session}{number}")

    await turns.take("", "")
    waiting = [asyncio.create_task(one(*call, n)) for n, call in enumerate(calls)]
    await asyncio.sleep(0)
    assert turns.waiting == len(calls)
    turns.release()
    await asyncio.gather(*waiting)
    assert not turns.waiting
    async with turns.of("", ""):
        return order


@asynchronous(5)
async def test_peers_in_turn_then_their_sessions() -> None:
    flood = [("a", "x")] * 3 + [("a", "y")] * 2
    assert await order_of([*flood, ("b", "z"), ("b", "z")]) == [
        *("ax0", "bz5", "ay3", "bz6"),
        *("ax1", "ay4", "ax2"),
    ]


@asynchronous(5)
async def test_many_sessions_give_a_peer_no_more() -> None:
    order = await order_of([*[("a", str(n)) for n in range(9)], ("b", "x"), ("b", "x")])
    assert [each[0] for each in order[:4]] == ["a", "b", "a", "b"]


@asynchronous(5)
async def test_who_waits_no_longer_has_no_turn() -> None:
    turns = Turns()
    await turns.take("a", 1)
    gone = asyncio.create_task(turns.take("b", 1))
    stays = asyncio.create_task(turns.take("c", 1))
    await asyncio.sleep(0)
    gone.cancel()
    turns.release()  # before the cancelled task has run
    await stays
    assert gone.cancelled() or not gone.done()
    turns.release()
    async with turns.of("d", 1):
        assert not turns.waiting


@asynchronous(5)
async def test_a_turn_that_comes_as_it_is_cancelled_is_passed_on() -> None:
    turns = Turns()
    await turns.take("a", 1)
    gone = asyncio.create_task(turns.take("b", 1))
    await asyncio.sleep(0)
    turns.release()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    async with turns.of("c", 1):
        assert not turns.waiting


@asynchronous(5)
async def test_a_peer_has_so_many_waiting_and_no_more() -> None:
    turns = Turns()
    await turns.take("a", 0)
    tasks = [asyncio.create_task(turns.take("b", n % 3)) for n in range(MAX_OF_A_PEER)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyWait):
        await turns.take("b", 9)
    other = asyncio.create_task(turns.take("c", 0))
    await asyncio.sleep(0)
    assert turns.waiting == MAX_OF_A_PEER + 1
    for task in (*tasks, other):
        task.cancel()
    await asyncio.gather(*tasks, other, return_exceptions=True)
    assert not turns.waiting

"""What blocks, beside the loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from edge.threads import in_thread, running
from tests.counterparts.base import asynchronous, until


@asynchronous(10)
async def test_what_it_returns_or_raises_comes_back() -> None:
    assert await in_thread("returns", lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await in_thread("raises", lambda: 1 // 0)


@asynchronous(10)
async def test_the_loop_goes_on_and_so_does_a_thread_that_nobody_waits_for() -> None:
    go_on = threading.Event()
    waiting = asyncio.ensure_future(in_thread("blocks", go_on.wait))
    await until(lambda: at_work(1))
    waiting.cancel()
    assert await asyncio.gather(waiting, return_exceptions=True)
    assert running("blocks") == 1
    go_on.set()
    await until(lambda: at_work(0))


async def at_work(count: int) -> bool:
    return running("blocks") == count


def test_one_that_ends_after_the_loop_is_nobodys_trouble() -> None:
    go_on = threading.Event()

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await in_thread("late", go_on.wait)

    asyncio.run(give_up())
    (late,) = [thread for thread in threading.enumerate() if thread.name == "late"]
    go_on.set()
    late.join(10)
    assert not running("late")

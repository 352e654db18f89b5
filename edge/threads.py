"""What blocks, in a thread of its own, for which nobody waits at the end.

Not asyncio's executor: the process could not end before all that runs there has.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")


def running(name: str) -> int:
    """How many threads of this name are at work, waited for or not."""
    return sum(thread.name == name for thread in threading.enumerate())


async def in_thread(name: str, call: Callable[[], T]) -> T:
    """What `call()` returns or raises; cancelled, it goes on without being waited for."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[Callable[[], T]] = loop.create_future()

    def settle(outcome: Callable[[], T]) -> None:
        if not result.done():
            result.set_result(outcome)

    def run() -> None:
        outcome = _outcome(call)
        with suppress(RuntimeError):  # the loop is closed: nobody wants to know any more
            loop.call_soon_threadsafe(settle, outcome)

    threading.Thread(target=run, name=name, daemon=True).start()
    return (await result)()


def _outcome(call: Callable[[], T]) -> Callable[[], T]:
    """What returns or raises the same as `call` does now."""
    try:
        found = call()
    except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
        failure = error

        def fail() -> T:
            raise failure

        return fail
    return lambda: found

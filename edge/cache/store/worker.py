"""One thread for what blocks: jobs in their order, at most one at a time.

The thread begins with a job and ends when there was none for a while, so that an idle store has
none. Whoever waits for a job is the bound of the queue.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    T = TypeVar("T")

_IDLE = 2.0  # seconds without a job, after which the thread ends


class Worker:
    """`name`: of its thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, name: str) -> None:
        self._loop = loop
        self._name = name
        self._jobs: deque[tuple[Callable[[], Any], asyncio.Future[Any] | None]] = deque()
        self._changed = threading.Condition()
        self._running = False

    async def do(self, call: Callable[[], T]) -> T:
        """What `call()` returns or raises, in its turn. Cancelled, one that has begun goes on."""
        result: asyncio.Future[T] = self._loop.create_future()
        self._add(call, result)
        return await result

    def later(self, call: Callable[[], object]) -> None:
        """Have `call()` done in its turn; it says for itself what went wrong."""
        self._add(call, None)

    def _add(self, call: Callable[[], Any], result: asyncio.Future[Any] | None) -> None:
        with self._changed:
            self._jobs.append((call, result))
            self._changed.notify()
            if self._running:
                return
            self._running = True
        threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._jobs and not self._changed.wait_for(lambda: self._jobs, _IDLE):
                    self._running = False
                    return
                call, result = self._jobs.popleft()
            if result is None:
                call()
            elif not result.cancelled():
                self._settle(call, result)
            del call, result  # what they hold is not to wait for the next job

    def _settle(self, call: Callable[[], Any], result: asyncio.Future[Any]) -> None:
        outcome: Any = None
        failure: BaseException | None = None
        try:
            outcome = call()
        except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
            failure = error

        def tell() -> None:
            if result.done():
                return
            if failure is not None:
                result.set_exception(failure)
            else:
                result.set_result(outcome)

        with suppress(RuntimeError):  # the loop is closed: nobody wants to know any more
            self._loop.call_soon_threadsafe(tell)

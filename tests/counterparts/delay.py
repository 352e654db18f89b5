"""A TCP proxy on the loopback that holds every byte back for a while: distance without netem."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

from tests.counterparts.base import free_port

_CHUNK = 64 * 1024
_HELD = 256  # chunks on their way; more make the sender wait

_Held = asyncio.Queue[tuple[float, bytes]]


class Delay:
    """`async with Delay(port, 0.05) as far`: far.port leads to `port`, 0.05 s away each way.

    `connections`: how many were made through it. `swallow_ends`: nobody learns that the other end
    has closed, as when a machine loses its power.
    """

    def __init__(self, port: int, seconds: float, swallow_ends: bool = False) -> None:
        self.port = free_port()
        self.connections = 0
        self._target = port
        self._seconds = seconds
        self._swallow_ends = swallow_ends
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers += [writer, far_writer]  # a writer that is forgotten closes its socket
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            held = _Held(_HELD)
            self._start(self._hold(source, held))
            self._start(self._release(held, sink))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _hold(self, source: asyncio.StreamReader, held: _Held) -> None:
        chunk = b"-"
        while chunk:
            try:
                chunk = await source.read(_CHUNK)
            except OSError:
                chunk = b""  # a reset travels as an end
            await held.put((asyncio.get_running_loop().time() + self._seconds, chunk))

    async def _release(self, held: _Held, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):  # the other side has gone, and its _hold will tell
            while True:
                due, chunk = await held.get()
                await asyncio.sleep(due - asyncio.get_running_loop().time())
                if not chunk:
                    break
                sink.write(chunk)
                await sink.drain()
        if not self._swallow_ends:
            sink.close()

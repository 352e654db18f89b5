"""A gateway on the loopback interface that says what a test wants: real ones say what is right."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator, Callable

from edge.wire import pcp

PUBLIC = bytes((9, 9, 9, 9))
Answers = Callable[[bytes], list[bytes]]


class Scripted:
    """At `ip`, an address in 127/8 of its own. `answers`: what a request is answered with.

    `requests`: what it was asked; `sender`: by whom the last one.
    """

    def __init__(self, sock: socket.socket, ip: bytes) -> None:
        self.ip = ip
        self.answers: Answers = granted()
        self.requests: asyncio.Queue[bytes] = asyncio.Queue()
        self.sender = ("", 0)
        self.sock = sock

    async def serve(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._readable(loop)
            request, self.sender = self.sock.recvfrom(2048)
            for answer in self.answers(request):
                self.sock.sendto(answer, self.sender)
            self.requests.put_nowait(request)

    async def _readable(self, loop: asyncio.AbstractEventLoop) -> None:
        event = asyncio.Event()
        loop.add_reader(self.sock, event.set)
        try:
            await event.wait()
        finally:
            loop.remove_reader(self.sock)


@contextlib.asynccontextmanager
async def scripted() -> AsyncIterator[Scripted]:
    ip = bytes((127, *random.SystemRandom().choices(range(1, 255), k=3)))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind((socket.inet_ntoa(ip), pcp.PORT))
        made = Scripted(sock, ip)
        task = asyncio.ensure_future(made.serve())
        yield made
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def granted(
    ip: bytes = PUBLIC, port: int = 0, lifetime: int = 3600, epoch: int = 7, result: int = 0
) -> Answers:
    """PCP's answers that grant what is asked, but `port` in the place of the port that is."""

    def answer(request: bytes) -> list[bytes]:
        header = bytes((2, 0x81, 0, result))
        seconds = lifetime if any(request[4:8]) else 0
        times = seconds.to_bytes(4, "big") + epoch.to_bytes(4, "big") + bytes(12)
        external = port.to_bytes(2, "big") if port else request[40:42]
        wide = ip if len(ip) == 16 else bytes(10) + b"\xff\xff" + ip
        mapped = request[24:42] + external + wide
        return [header + times + mapped]

    return answer


def is_end(request: bytes) -> bool:
    """Whether it asks for the end of a mapping."""
    return not any(request[4:8])

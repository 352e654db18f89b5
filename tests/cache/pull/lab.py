"""A gateway of one file, its store and client, in front of an origin that does as it is told."""

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from edge.allowance import Allowance
from edge.budget import Budget
from edge.cache import names
from edge.cache.pace import Pace
from edge.cache.pull.puller import Puller, refuse
from edge.cache.pull.source import ChangedError, OriginError
from edge.cache.store.store import Store
from edge.http.client import HttpClient
from edge.http.exchange import Exchange
from edge.http.limits import ClientLimits
from edge.http.request import Request
from edge.http.response import Response
from edge.http.server import HttpServer
from edge.swarm.work import classes
from edge.units import MIB
from edge.url import Url
from edge.wire.merkle import PIECE

PATIENCE = 120.0  # seconds after which a test has failed
Answer = Callable[["Asked"], Awaitable[None]]


class Asked:
    """One request to the origin: `start`, `end` of its range, None for none."""

    def __init__(self, head: str, writer: asyncio.StreamWriter, origin: "Origin") -> None:
        self.head = head
        self.writer = writer
        self.origin = origin
        found = re.search(r"(?im)^range: bytes=(\d+)-(\d*)\r$", head)
        self.start = int(found[1]) if found else None
        self.end = int(found[2]) + 1 if found and found[2] else None

    async def well(self, most: int | None = None) -> None:
        """As a good origin does; `most`: bytes of the body after which the connection is cut."""
        body = self.origin.body
        start, end = self.start or 0, min(self.end or len(body), len(body))
        status = "200 OK"
        more = f"ETag: {self.origin.etag}\r\nAccept-Ranges: bytes\r\n"
        if self.start is not None:
            status = "206 Partial Content"
            more += f"Content-Range: bytes {start}-{end - 1}/{len(body)}\r\n"
        await self.send(
            f"HTTP/1.1 {status}\r\n{more}Content-Length: {end - start}\r\n\r\n".encode()
        )
        for at in range(start, min(end, start + most if most is not None else end), 1 << 16):
            stop = min(at + (1 << 16), end, start + most if most is not None else end)
            await self.send(body[at:stop])
            self.origin.sent += stop - at
            await self.origin.may_send(at)
        if most is not None and start + most < end:
            self.cut()

    async def whole(self) -> None:
        """The whole file, whatever range was asked for."""
        self.start = self.end = None
        await self.well()

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def cut(self) -> None:
        """End the connection as if nothing was wrong."""
        self.writer.close()


class Origin:
    """Stands in for an origin that misbehaves. `script`: the answers to the next requests, after
    which all are answered well. `gate`: bytes of the file up to which it sends; `sent`: all it did.
    """

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.etag = '"one"'
        self.script: list[Answer] = []
        self.asked: list[Asked] = []
        self.sent = 0
        self.gate = 1 << 60
        self.opened = asyncio.Event()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                asked = Asked(head, writer, self)
                self.asked.append(asked)
                await (self.script.pop(0)(asked) if self.script else asked.well())
        writer.close()

    async def may_send(self, at: int) -> None:
        while at >= self.gate:
            self.opened.clear()
            await self.opened.wait()

    def open_gate(self, at: int = 1 << 60) -> None:
        self.gate = at
        self.opened.set()


class OfOrigin:
    """A Source."""

    private = False

    def __init__(self, lab: "Lab", name: bytes) -> None:
        self.name = name
        self.size: int | None = len(lab.origin.body)
        self.etag = lab.origin.etag
        self._lab = lab

    async def open(self, start: int, end: int | None) -> Response:
        lab = self._lab
        fields = [("Accept-Encoding", "identity")]
        if start or end is not None:
            fields.append(("Range", f"bytes={start}-{'' if end is None else end - 1}"))
        url = Url("http", "127.0.0.1", lab.origin.port)
        response = await lab.client.request("GET", url, "/file", fields)
        if response.status not in (200, 206):
            response.close()
            raise OriginError(502, f"status {response.status}")
        if response.headers.get("etag") not in (None, self.etag):
            response.close()
            raise ChangedError(502, "changed")
        return response


class Lab:
    """`port`: of the gateway. `name`: of the file; `size`: what the source says of it."""

    def __init__(self, origin: Origin, store: Store, allowance: Allowance) -> None:
        loop = asyncio.get_running_loop()
        self.origin = origin
        self.store = store
        self.allowance = allowance
        self.client = HttpClient(loop, ClientLimits(), lambda *_: True)
        self.puller = Puller(allowance, store, store.pool, Pace(allowance, loop, classes(loop)))
        self.name = sha256(origin.body)
        self.server = HttpServer(self._serve)
        self.server.limits.speed_window = 600.0  # a busy machine is no slow client
        self.sizes: list[int | None] = []

    @property
    def port(self) -> int:
        return self.server.listening[0][1]

    @property
    def counters(self) -> dict[str, int]:
        return self.puller.counters

    async def _serve(self, request: Request, exchange: Exchange) -> None:
        source = OfOrigin(self, self.name)
        if self.sizes:
            source.size = self.sizes[0]
        try:
            await self.puller.deliver(request, exchange, source, [("Content-Type", "x/y")])
        except ChangedError:
            self.name = sha256(self.origin.body)
            again = OfOrigin(self, self.name)
            try:
                await self.puller.deliver(request, exchange, again, [("Content-Type", "x/y")])
            except ChangedError as error:
                await refuse(exchange, error)

    async def get(self, *headers: str, method: str = "GET") -> "Got":
        """A request on a connection of its own, with `headers`, and its whole answer."""
        async with self.begin(*headers, method=method) as got:
            await got.rest()
            return got

    @contextlib.asynccontextmanager
    async def begin(self, *headers: str, method: str = "GET") -> AsyncIterator["Got"]:
        """A request of which the head of the answer has been read."""
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 16)
        try:
            lines = [f"{method} /file HTTP/1.1", "Host: localhost", "Connection: close", *headers]
            writer.write("\r\n".join([*lines, "", ""]).encode())
            async with asyncio.timeout(PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
            yield Got(head.decode(), reader, writer)
        finally:
            writer.close()


class Got:
    """An answer: its status, its head, and `body` as far as it was read."""

    def __init__(
        self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.status = int(head.split()[1])
        self.head = head
        self.body = b""
        self.writer = writer
        self._reader = reader

    def field(self, name: str) -> str | None:
        found = re.search(rf"(?im)^{name}: (.*)\r$", self.head)
        return found[1] if found else None

    @property
    def is_cut(self) -> bool:
        """Whether the body ended before the head said it would."""
        return len(self.body) < int(self.field("content-length") or 0)

    async def read(self, count: int) -> bytes:
        """The next `count` bytes of the body."""
        async with asyncio.timeout(PATIENCE):
            data = await self._reader.readexactly(count)
        self.body += data
        return data

    async def rest(self) -> bytes:
        """All that still comes."""
        with contextlib.suppress(ConnectionResetError):
            async with asyncio.timeout(PATIENCE):
                while data := await self._reader.read(1 << 16):
                    self.body += data
        return self.body


@contextlib.asynccontextmanager
async def lab(body: bytes, directory: Path | None, quota: int = 64 * MIB) -> AsyncIterator[Lab]:
    """Without a directory, nothing is kept."""
    origin = Origin(body)
    server = await asyncio.start_server(origin.serve, "127.0.0.1", 0)
    origin.port = server.sockets[0].getsockname()[1]
    pool = Budget(256 * MIB, 0).pool("cache", 0.5)
    store = Store(pool, asyncio.get_running_loop())
    if directory is not None:
        await store.open(str(directory), quota)
    else:
        store.trouble = "disk full"
    made = Lab(origin, store, Allowance())
    made.server.configure([("127.0.0.1", 0)])
    try:
        yield made
    finally:
        await made.server.stop()
        await made.puller.stop()
        made.client.close()
        await store.close()
        server.close()


def sha256(body: bytes) -> bytes:
    """The name of a file with this content."""
    return names.name(names.SHA256, hashlib.sha256(body).digest())


def content(size: int, seed: int = 1) -> bytes:
    """Bytes of which no two pieces are alike."""
    import random

    return random.Random(seed).randbytes(size)


async def until(happened: Callable[[], object]) -> None:
    """Wait for what a test waits for."""
    async with asyncio.timeout(PATIENCE):
        while not happened():  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.01)


MANY = 12 * PIECE + 1234  # bytes: several pieces, and a bit

"""A small HTTP/1.1 server for stand-ins of origins: it tells what it was asked, and fails at will.

It trusts who asks: the tests. What a host answers is its `answer`; a Fault changes that.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote

_PIECE = 1 << 16
_REASONS = {200: "OK", 206: "Partial Content", 302: "Found", 307: "Temporary Redirect"}


class Body(Protocol):
    """Content of `size` bytes that is read by piece."""

    size: int

    def read(self, start: int, length: int) -> bytes: ...


class Bytes:
    """A Body in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def read(self, start: int, length: int) -> bytes:
        return self._data[start : start + length]


@dataclass(frozen=True)
class Asked:
    """A request. `path` is decoded, `headers` have names in lower case, `client` and
    `server` are ip and port."""

    host: str
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    client: tuple[str, int]
    server: tuple[str, int]

    @property
    def token(self) -> str:
        """The bearer token, or ""."""
        return self.headers.get("authorization", "").removeprefix("Bearer ")


@dataclass(frozen=True)
class Answer:
    """`ranged`: a Range is kept, as for content. `coded`: by gzip, and chunked."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body = field(default_factory=lambda: Bytes(b""))
    ranged: bool = False
    coded: bool = False


@dataclass
class Fault:
    """What goes wrong at `host` with the next `times` requests whose path has `path` in it.

    `status`: answer with it. `cut`: end the connection after so many bytes of the body. `delay`:
    seconds before the head. `pace`: bytes per second of the body. `chunked`, `coded`: send the body
    chunked, or coded by gzip and chunked, though the request may not allow it. `whole`: answer 200
    to a range. `location`: redirect there. `flip`: change the byte of the file at this offset.
    `tag`: tell this ETag. `method`: only with this one.
    """

    host: str
    path: str = ""
    times: int = 1
    method: str = ""
    status: int = 0
    cut: int = -1
    delay: float = 0.0
    pace: int = 0
    chunked: bool = False
    coded: bool = False
    whole: bool = False
    location: str = ""
    flip: int = -1
    tag: str = ""


class _Flipped:
    def __init__(self, body: Body, at: int) -> None:
        self._body, self._at, self.size = body, at, body.size

    def read(self, start: int, length: int) -> bytes:
        data = bytearray(self._body.read(start, length))
        if start <= self._at < start + len(data):
            data[self._at - start] ^= 1
        return bytes(data)


class WebHost:
    """One host on an address of its own: `name` is what Fault and Asked call it."""

    def __init__(
        self, name: str, answer: Callable[[Asked], Answer], log: list[Asked], faults: list[Fault]
    ) -> None:
        self.name = name
        self.port = 0
        self.sent = 0  # bytes of bodies
        self.before: Callable[[Asked], None] = lambda asked: None  # sees each before its answer
        self._answer = answer
        self._log = log
        self._faults = faults
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._at = "127.0.0.1"

    @property
    def authority(self) -> str:
        return f"{self._at}:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.authority}"

    async def start(
        self, address: str = "127.0.0.1", context: ssl.SSLContext | None = None
    ) -> None:
        """Listen; on the same port as before, where there was one. `context`: for https."""
        self._at = address
        self._server = await asyncio.start_server(self._serve, address, self.port, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse connections from now on, and end those there are."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._exchange(reader, writer):
                    pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; whether there may be another."""
        ends = (writer.get_extra_info("peername"), writer.get_extra_info("sockname"))
        asked = await _read(self.name, reader, *ends)
        self._log.append(asked)
        self.before(asked)
        fault = self._fault(asked)
        await asyncio.sleep(fault.delay)
        answer = _faulty(self._answer(asked), fault)
        return await self._send(writer, asked, answer, fault)

    def _fault(self, asked: Asked) -> Fault:
        for fault in self._faults:
            right = fault.host == self.name and fault.method in ("", asked.method)
            if right and fault.times and fault.path in asked.path:
                fault.times -= 1
                return fault
        return Fault(self.name)

    async def _send(
        self, writer: asyncio.StreamWriter, asked: Asked, answer: Answer, fault: Fault
    ) -> bool:
        status, headers = answer.status, dict(answer.headers)
        start, end = 0, answer.body.size
        if answer.ranged and status == 200:
            headers["Accept-Ranges"] = "bytes"
            status, start, end = _range(asked, headers, answer.body.size, fault.whole)
        pieces = _pieces(answer.body, start, end)
        coded = fault.coded or answer.coded
        if coded:
            headers["Content-Encoding"] = "gzip"
            pieces = iter([gzip.compress(b"".join(pieces), 1)])
        chunked = fault.chunked or coded
        if chunked:
            headers["Transfer-Encoding"] = "chunked"
        else:
            headers["Content-Length"] = str(end - start)
        writer.write(_head(status, headers))
        if asked.method != "HEAD":
            await self._body(writer, pieces, fault, chunked)
        await writer.drain()
        return fault.cut < 0

    async def _body(
        self, writer: asyncio.StreamWriter, pieces: Iterator[bytes], fault: Fault, chunked: bool
    ) -> None:
        left = fault.cut if fault.cut >= 0 else 1 << 62
        for piece in pieces:
            data = piece[:left]
            left -= len(data)
            self.sent += len(data)
            writer.write(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)
            await writer.drain()
            if not left:
                return
            if fault.pace:
                await asyncio.sleep(len(data) / fault.pace)
        if chunked:
            writer.write(b"0\r\n\r\n")


def _faulty(answer: Answer, fault: Fault) -> Answer:
    if fault.status:
        return Answer(fault.status, {"Content-Type": "text/plain"}, Bytes(b"out of order"))
    headers = dict(answer.headers)
    if fault.location:
        return Answer(302, {**headers, "Location": fault.location})
    if fault.tag:
        headers["ETag"] = fault.tag
    body = _Flipped(answer.body, fault.flip) if fault.flip >= 0 else answer.body
    return replace(answer, headers=headers, body=body)


async def _read(
    host: str, reader: asyncio.StreamReader, client: tuple[str, int], server: tuple[str, int]
) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *lines = head.rstrip().split("\r\n")
    method, target, _ = line.split(" ")
    headers = {}
    for each in lines:
        name, _, value = each.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    path, _, query = target.partition("?")
    return Asked(host, method, unquote(path), query, headers, body, client, server)


def _range(asked: Asked, headers: dict[str, str], size: int, ignored: bool) -> tuple[int, int, int]:
    """The status, and which bytes are sent; says so in `headers`."""
    wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", asked.headers.get("range", ""))
    condition = asked.headers.get("if-range")
    stale = condition is not None and condition != headers.get("ETag")
    if wanted is None or ignored or stale or wanted[0] == "bytes=-":
        return 200, 0, size
    first = int(wanted[1]) if wanted[1] else max(0, size - int(wanted[2]))
    last = min(size, int(wanted[2]) + 1) if wanted[1] and wanted[2] else size
    if first >= last:
        headers["Content-Range"] = f"bytes */{size}"
        return 416, 0, 0
    headers["Content-Range"] = f"bytes {first}-{last - 1}/{size}"
    return 206, first, last


def _pieces(body: Body, start: int, end: int) -> Iterator[bytes]:
    for at in range(start, end, _PIECE):
        yield body.read(at, min(_PIECE, end - at))


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Said')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def owner(client: tuple[str, int], server: tuple[str, int], pid: int) -> bool:
    """Whether the process `pid` holds the socket that connected from `client` to `server`.

    Both are IPv4 addresses of this machine, and the connection is still there.
    """
    ends = [_as_kernel(client), _as_kernel(server)]
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1:3] == ends:
            return f"socket:[{fields[9]}]" in _sockets(pid)
    return False


def _as_kernel(address: tuple[str, int]) -> str:
    ip = "".join(f"{int(part):02X}" for part in reversed(address[0].split(".")))
    return f"{ip}:{address[1]:04X}"


def _sockets(pid: int) -> set[str]:
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.add(str(entry.readlink()))
    return found

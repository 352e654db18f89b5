"""A hub of two hosts for the tests of our side of it: it answers as the hub's answers are known.

The real clients, and a stand-in on three hosts, are in tests/real_peers.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from urllib.parse import parse_qs

from edge.budget import Pool
from edge.cache.hub.service import Hub
from edge.cache.pull.source import Source
from edge.config.schema import Cache
from edge.http.client import HttpClient
from edge.http.exchange import Exchange
from edge.http.limits import ClientLimits
from edge.http.request import Request
from edge.http.response import Response
from edge.http.server import HttpServer
from edge.url import Url

COMMIT = "607a30d783dfa663caf39e06633721c8d4cfcd7e"
XET = "9a4f7c32a0f6ff9b2d62fbd8bb4d0ce5d1b3bb1e4d06d2b8a44ba4b3dd0a2a1b"
Fields = list[tuple[str, str]]


class StandIn:
    """`files`: of repositories, by name and path; large ones (*.bin) are in the storage.

    `gated`: repositories, and the tokens that open them. `asked`: what came, with the token.
    """

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        self.gated: dict[str, set[str]] = {}
        self.renamed: dict[str, str] = {}
        self.asked: list[tuple[str, str, str]] = []
        self.stored: list[tuple[str, str | None]] = []
        self.down = 0  # a status to answer all with
        self.silent = asyncio.Event()
        self.silent.set()
        self.arrived = asyncio.Event()
        self.sizes: dict[str, int] = {}  # that are told instead of the true ones
        self.page = 100
        self.unsized = False  # HEAD of small files tells no size
        self.hub = HttpServer(self._hub)
        self.storage = HttpServer(self._storage)
        for server in (self.hub, self.storage):
            server.configure([("127.0.0.1", 0)])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.hub.listening[0][1]}"

    @property
    def storage_host(self) -> str:
        return f"127.0.0.1:{self.storage.listening[0][1]}"

    async def stop(self) -> None:
        self.silent.set()
        await self.hub.stop()
        await self.storage.stop()

    def count(self, method: str, part: str) -> int:
        return sum(asked[0] == method and part in asked[1] for asked in self.asked)

    async def _hub(self, request: Request, exchange: Exchange) -> None:
        token = (request.headers.get("authorization") or "").removeprefix("Bearer ")
        self.asked.append((request.method, request.target, token))
        self.arrived.set()
        await self.silent.wait()
        if self.down:
            await exchange.answer(self.down, [("X-Error-Message", "down for maintenance")])
        elif request.segments[0] == "api" and request.segments[1] != "resolve-cache":
            await self._api(request, exchange, token)
        else:
            await self._file(request, exchange, token)

    def _opens(self, repo: str, token: str) -> bool:
        return repo not in self.gated or token in self.gated[repo]

    async def _file(self, request: Request, exchange: Exchange, token: str) -> None:
        parts = request.segments
        cached = parts[:2] == ["api", "resolve-cache"]
        repo = "/".join(parts[3:5] if cached else parts[:2])
        path = "/".join(parts[6:] if cached else parts[4:])
        revision = parts[5] if cached else parts[3]
        if repo in self.renamed:
            moved = request.target.replace(repo, self.renamed[repo], 1)
            await exchange.answer(307, [("Location", moved)])
            return
        if repo not in self.files or not self._opens(repo, token):
            gated = repo in self.gated and repo in self.files
            code = ("X-Error-Code", "GatedRepo" if gated else "RepoNotFound")
            status = 403 if gated and token else 401
            await exchange.answer(status, [code, ("X-Error-Message", f"no access to {repo}")])
            return
        data = self.files[repo].get(path)
        told = [("X-Repo-Commit", COMMIT)]
        if data is None:
            code = ("X-Error-Code", "EntryNotFound")
            await exchange.answer(404, [*told, code, ("X-Error-Message", "Entry not found")])
        elif path.endswith(".bin"):
            await self._linked(exchange, repo, path, data, told)
        elif not cached and revision != "main":
            target = f"/api/resolve-cache/models/{repo}/{COMMIT}/{path}?etag=x"
            linked = ("X-Linked-ETag", small(data)[0][1]), ("X-Linked-Size", str(len(data)))
            await exchange.answer(307, [*told, *linked, ("Location", target)])
        elif self.unsized and request.method == "HEAD":
            await exchange.head(200, [*told, *small(data)], None)
        else:
            await send(exchange, data, [*told, *small(data)])

    async def _linked(
        self, exchange: Exchange, repo: str, path: str, data: bytes, told: Fields
    ) -> None:
        digest = hashlib.sha256(data).hexdigest()
        where = f"http://{self.storage_host}/{repo}/{path}?X-Amz-Signature=abc"
        size = str(self.sizes.get(path, len(data)))
        links = (
            f'<{self.url}/api/models/{repo}/xet-read-token/{COMMIT}>; rel="xet-auth", '
            f"<https://cas-server.xethub.hf.co/v1/reconstructions/{XET}>;"
            ' rel="xet-reconstruction-info"'
        )
        more = [
            ("ETag", f'"{digest}"'),
            ("X-Linked-ETag", f'"{digest}"'),
            ("X-Linked-Size", size),
            ("X-Xet-Hash", XET),
            ("Link", links),
            ("Location", where),
        ]
        await exchange.answer(302, [*told, *more])

    async def _storage(self, request: Request, exchange: Exchange) -> None:
        self.stored.append((request.target, request.headers.get("authorization")))
        repo, path = "/".join(request.segments[:2]), "/".join(request.segments[2:])
        await send(exchange, self.files[repo][path], [("ETag", '"something-else"')])

    async def _api(self, request: Request, exchange: Exchange, token: str) -> None:
        parts = request.segments
        if parts[1] == "whoami-v2":
            await as_json(exchange, {"name": token})
            return
        repo, verb = "/".join(parts[2:4]), parts[4] if len(parts) > 4 else ""
        if repo not in self.files:
            await exchange.answer(404, [("X-Error-Code", "RepoNotFound")])
        elif verb == "tree":
            await self._tree(request, exchange, repo)
        elif verb == "paths-info":
            body = parse_qs((await exchange.body(1 << 16)).decode())
            await as_json(exchange, [self.entry(repo, path) for path in body["paths"]])
        elif verb == "refs":
            await as_json(exchange, {"branches": [{"name": "main", "targetCommit": COMMIT}]})
        else:
            siblings = [{"rfilename": path} for path in self.files[repo]]
            info = {"id": repo, "sha": COMMIT, "siblings": siblings, "url": f"{self.url}/{repo}"}
            await as_json(exchange, info)

    def entry(self, repo: str, path: str) -> dict[str, object]:
        data = self.files[repo][path]
        entry: dict[str, object] = {"type": "file", "path": path, "size": len(data), "oid": "ab"}
        if path.endswith(".bin"):
            digest = hashlib.sha256(data).hexdigest()
            entry |= {"lfs": {"oid": digest, "size": len(data)}, "xetHash": XET}
        return entry

    async def _tree(self, request: Request, exchange: Exchange, repo: str) -> None:
        query = parse_qs(request.query)
        start = int(query.get("cursor", ["0"])[0])
        paths = sorted(self.files[repo])[start : start + self.page]
        headers = []
        if start + self.page < len(self.files[repo]):
            path = request.target.partition("?")[0]
            following = f"{self.url}{path}?recursive=true&cursor={start + self.page}"
            headers = [("Link", f'<{following}>; rel="next"')]
        await as_json(exchange, [self.entry(repo, path) for path in paths], headers)


async def as_json(exchange: Exchange, value: object, headers: Fields | None = None) -> None:
    body = json.dumps(value).encode()
    etag = f'W/"{hashlib.sha256(body).hexdigest()[:16]}"'
    told = [("Content-Type", "application/json; charset=utf-8"), ("ETag", etag), *(headers or [])]
    if exchange.request.headers.get("if-none-match") == etag:
        await exchange.answer(304, told)
    else:
        await exchange.answer(200, told, body)


def small(data: bytes) -> Fields:
    """The ETag of a file in git itself."""
    git = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    return [("ETag", f'"{git}"')]


async def send(exchange: Exchange, data: bytes, headers: Fields) -> None:
    """All of `data`, or the range that is asked for."""
    wanted = exchange.request.headers.get("range")
    if wanted is None:
        await exchange.answer(200, headers, data)
        return
    start, _, end = wanted.removeprefix("bytes=").partition("-")
    part = data[int(start) : int(end) + 1 if end else None]
    total = ("Content-Range", f"bytes {start}-{int(start) + len(part) - 1}/{len(data)}")
    await exchange.answer(206, [*headers, total], part)


class Notes(dict[bytes, bytes]):
    """What the store keeps."""

    def put(self, key: bytes, value: bytes) -> None:
        assert len(value) <= 64 << 10
        self[key] = value

    def delete(self, key: bytes) -> None:
        self.pop(key, None)


class Passing:
    """In the place of the puller: passes on what the source gives, and keeps it by its name."""

    def __init__(self) -> None:
        self.sources: list[Source] = []
        self.kept: dict[bytes, bytes] = {}

    async def deliver(
        self, request: Request, exchange: Exchange, source: Source, headers: Fields
    ) -> None:
        self.sources.append(source)
        headers = [("ETag", source.etag), *headers]
        if request.method == "HEAD":
            await exchange.head(200, headers, source.size)
            return
        data = self.kept.get(source.name)
        if data is None:
            response = await source.open(0, None)
            data = b""
            while more := await response.read(1 << 16):
                data += more
            self.kept[source.name] = data
        await send(exchange, data, headers)


class Clock:
    """Both clocks of the hub's, moved by hand."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0
        self.wrong = False

    def now(self) -> float:
        return self.time

    def utc(self) -> float | None:
        return None if self.wrong else self.time


class Behind:
    """A hub behind a gateway, and a client of it."""

    def __init__(self, pool: Pool, client: HttpClient, origin: StandIn) -> None:
        self.origin = origin
        self.pool = pool
        self.client = client
        self.notes = Notes()
        self.puller = Passing()
        self.clock = Clock()
        self.hub = Hub(client, self.notes, self.puller, pool, self.clock.now, self.clock.utc)
        self.hub.configure(self.section())
        self.server = HttpServer(self.hub.serve)
        self.server.configure([("127.0.0.1", 0)])
        self.url = Url("http", "127.0.0.1", self.server.listening[0][1])

    def section(self) -> Cache:
        section = Cache.__new__(Cache)
        section.hub = self.origin.url
        section.storage_hosts = (self.origin.storage_host,)
        return section

    async def ask(
        self, target: str, method: str = "GET", token: str = "", body: bytes = b"", **more: str
    ) -> tuple[Response, bytes]:
        headers = [(name.replace("_", "-"), value) for name, value in more.items()]
        if token:
            headers.append(("Authorization", f"Bearer {token}"))
        async with asyncio.timeout(20):
            response = await self.client.request(method, self.url, target, headers, body)
            data = b""
            while chunk := await response.read(1 << 16):
                data += chunk
        return response, data


@contextlib.asynccontextmanager
async def behind(pool: Pool, prepare: Callable[[StandIn], None]) -> AsyncIterator[Behind]:
    origin = StandIn()
    prepare(origin)
    limits = ClientLimits()
    client = HttpClient(asyncio.get_running_loop(), limits, lambda *_: True)
    found = Behind(pool, client, origin)
    try:
        yield found
    finally:
        found.hub.stop()
        await found.server.stop()
        client.close()
        await origin.stop()

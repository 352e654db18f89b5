"""The server with real clients: curl, http.client, and some that are up to no good."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge.budget import Budget
from edge.http import server as server_module
from edge.http.errors import ClientGone, RequestError
from edge.http.exchange import Exchange
from edge.http.limits import Limits
from edge.http.request import Request
from edge.http.server import CLIENT, HttpServer
from edge.units import MIB
from tests.counterparts.base import asynchronous
from tests.http.origins import until

pytestmark = pytest.mark.usefixtures("loop")
SIZE = 24 * MIB + 123


class Big:
    """A file of SIZE bytes, and what is in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = os.urandom(MIB) * 24 + os.urandom(123)
        path.write_bytes(self.data)


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Big:
    return Big(tmp_path_factory.mktemp("http") / "big")


class Site:
    """A handler. `left`: of each client that went while it was answered. `bodies`: as received."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.left = asyncio.Event()
        self.failed: list[BaseException] = []
        self.waiting = asyncio.Event()

    async def __call__(self, request: Request, exchange: Exchange) -> None:
        try:
            await getattr(self, request.path[1:])(request, exchange)
        except ClientGone as error:
            self.failed.append(error)
            raise

    async def file(self, request: Request, exchange: Exchange) -> None:
        with self.path.open("rb") as file:
            await exchange.head(200, [("ETag", '"x"')], SIZE)
            await exchange.file(file.fileno(), 0, MIB)
            await exchange.file(file.fileno(), MIB, SIZE - MIB)

    async def chunks(self, request: Request, exchange: Exchange) -> None:
        with self.path.open("rb") as file:
            await exchange.head(200, [], None)
            await exchange.data(b"first")
            await exchange.data(b"")
            await exchange.file(file.fileno(), 5, MIB)
            await exchange.data(bytearray(b"x") * 300000)

    async def echo(self, request: Request, exchange: Exchange) -> None:
        await exchange.answer(200, [("X-Path", request.path)], await exchange.body(1000))

    async def small(self, request: Request, exchange: Exchange) -> None:
        await exchange.answer(200, [("X-Query", request.query)], b"small")

    async def nothing(self, request: Request, exchange: Exchange) -> None:
        await exchange.answer(204, [])

    async def forgets(self, request: Request, exchange: Exchange) -> None:
        pass

    async def fails(self, request: Request, exchange: Exchange) -> None:
        raise ValueError("a bug")

    async def refuses(self, request: Request, exchange: Exchange) -> None:
        raise RequestError(403, "not for you")

    async def injects(self, request: Request, exchange: Exchange) -> None:
        await exchange.answer(200, [("X", "y\r\nSet-Cookie: evil")])

    async def latin(self, request: Request, exchange: Exchange) -> None:
        await exchange.answer(200, [("X", request.headers.get("x") or "")])

    async def chinese(self, request: Request, exchange: Exchange) -> None:
        await exchange.answer(200, [("X", "\u4e2d")])

    async def short(self, request: Request, exchange: Exchange) -> None:
        await exchange.head(200, [], 10)
        await exchange.data(b"short")

    async def long(self, request: Request, exchange: Exchange) -> None:
        await exchange.head(200, [], 3)
        await exchange.data(b"longer")

    async def cut(self, request: Request, exchange: Exchange) -> None:
        await exchange.head(200, [], None)
        await exchange.data(b"half")
        exchange.cut()

    async def shrunk(self, request: Request, exchange: Exchange) -> None:
        with self.path.open("rb") as file:
            await exchange.head(200, [], SIZE + 1)
            await exchange.file(file.fileno(), 0, SIZE + 1)

    async def waits(self, request: Request, exchange: Exchange) -> None:
        exchange.on_gone = self.left.set
        self.waiting.set()
        await self.left.wait()
        assert exchange.gone


@contextlib.asynccontextmanager
async def serving(
    big: Big, limits: Limits | None = None, budget: Budget | None = None
) -> AsyncIterator[tuple[HttpServer, Site, int]]:
    site = Site(big.path)
    pool = None if budget is None else budget.pool("http", 0.5)
    server = HttpServer(site, limits, pool)
    server.configure([("127.0.0.1", 0)])
    try:
        yield server, site, server.listening[0][1]
    finally:
        await server.stop()
        assert server.clients == 0
        if pool is not None:
            assert pool.used == 0


async def exchanged(port: int, data: bytes) -> bytes:
    """All that comes back until the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    found = bytearray()
    try:
        while part := await reader.read(65536):
            found += part
    except ConnectionError:
        found += b"<reset>"
    finally:
        writer.close()
    return bytes(found)


def get(path: str, *fields: str, version: str = "1.1", method: str = "GET") -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "Host: localhost", *fields, "", ""]
    return "\r\n".join(lines).encode()


async def curl(port: int, path: str, *options: str) -> tuple[int, bytes]:
    """Its exit status, and what it wrote."""
    command = ["curl", "-sS", "--path-as-is", *options, f"http://127.0.0.1:{port}{path}"]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out


# --- answers ---


@pytest.mark.parametrize("http", ["--http1.1", "--http1.0"])
@asynchronous(60)
async def test_files_and_chunks_arrive_whole(big: Big, http: str) -> None:
    async with serving(big) as (server, _, port):
        assert await curl(port, "/file", http) == (0, big.data)
        status, found = await curl(port, "/chunks", http)
        expected = b"first" + big.data[5 : 5 + MIB] + b"x" * 300000
        assert (status, found) == (0, expected)
        assert server.counters["requests"] == 2


@asynchronous(60)
async def test_a_connection_serves_one_request_after_the_other(big: Big) -> None:
    async with serving(big) as (server, _, port):
        urls = [f"http://127.0.0.1:{port}/{name}" for name in ("file", "chunks", "nothing")]
        status, _ = await curl(
            port, "/small?a=b", "-o", "/dev/null", *urls, "-w", "%{num_connects}"
        )
        assert (status, server.counters["connections"]) == (0, 1)
        assert server.counters["requests"] == 4


@asynchronous(60)
async def test_pipelined_requests_are_answered_in_their_order(big: Big) -> None:
    """gunicorn PR 3727: the second of two that came together was lost, and the client waited."""
    async with serving(big) as (_, _, port):
        first = get("/small?1")
        post = get("/echo", "Content-Length: 3", method="POST") + b"abc"
        found = await exchanged(port, first + post + get("/small?2", "Connection: close"))
        heads = found.split(b"HTTP/1.1 200 OK\r\n")
        assert [b"1" in heads[1], b"abc" in heads[2], b"X-Query: 2" in heads[3]] == [True] * 3
        assert len(heads) == 4


@asynchronous(60)
async def test_pipelined_behind_a_large_answer(big: Big) -> None:
    async with serving(big) as (_, _, port):
        found = await exchanged(port, get("/file") + get("/small", "Connection: close"))
        _, _, rest = found.partition(b"\r\n\r\n")
        assert rest[:SIZE] == big.data
        assert rest[SIZE:].startswith(b"HTTP/1.1 200 OK\r\n")
        assert rest.endswith(b"small")


@asynchronous(60)
async def test_head_has_the_length_and_no_body(big: Big) -> None:
    async with serving(big) as (_, _, port):
        requests = [get(path, method="HEAD") for path in ("/file", "/chunks", "/small")]
        found = await exchanged(port, b"".join(requests) + get("/nothing", "Connection: close"))
        heads = found.split(b"\r\n\r\n")
        assert f"Content-Length: {SIZE}".encode() in heads[0]
        assert b"Transfer-Encoding: chunked" in heads[1]
        assert b"Content-Length: 5" in heads[2]
        assert heads[3].startswith(b"HTTP/1.1 204 ") and b"Content-Length" not in heads[3]
        assert heads[4:] == [b""]


@asynchronous(60)
async def test_http_1_0_ends_with_the_connection(big: Big) -> None:
    async with serving(big) as (_, _, port):
        found = await exchanged(port, get("/cut", version="1.0"))
        assert found.endswith(b"<reset>")  # its end would be that of the body
        head, _, body = (await exchanged(port, get("/small", version="1.0"))).partition(b"\r\n\r\n")
        assert body == b"small" and b"Connection: close" in head


@pytest.mark.parametrize("path", ["/short", "/long", "/cut", "/shrunk"])
@asynchronous(60)
async def test_a_body_that_is_not_whole_looks_like_it(big: Big, path: str) -> None:
    async with serving(big) as (server, _, port):
        assert (await curl(port, path, "-o", "/dev/null"))[0] in (18, 56)
        assert server.counters["cut"] == 1
        assert (await curl(port, "/small"))[1] == b"small"


@pytest.mark.parametrize(
    ("path", "status"),
    [("/forgets", b"500"), ("/refuses", b"403"), ("/nothing", b"204"), ("/small", b"200")],
)
@asynchronous(60)
async def test_every_request_has_an_answer(big: Big, path: str, status: bytes) -> None:
    async with serving(big) as (_, _, port):
        assert (await exchanged(port, get(path, "Connection: close"))).split(b" ")[1] == status


@asynchronous(60)
async def test_values_beyond_ascii_pass_as_they_came(big: Big) -> None:
    async with serving(big) as (_, _, port):
        request = get("/latin", "X: @@", "Connection: close").replace(b"@@", b"caf\xc3\xa9")
        assert b"\r\nX: caf\xc3\xa9\r\n" in await exchanged(port, request)


@pytest.mark.parametrize("path", ["/fails", "/injects", "/chinese"])
@asynchronous(60)
async def test_a_handler_that_fails_ends_its_client_alone(big: Big, path: str) -> None:
    async with serving(big) as (_, _, port):
        found = await exchanged(port, get(path))
        assert b"evil" not in found and b"a bug" not in found
        assert (await curl(port, "/small"))[1] == b"small"


# --- bodies of requests ---


@asynchronous(60)
async def test_a_body_is_read_when_it_is_wanted(big: Big) -> None:
    async with serving(big) as (_, _, port):
        assert (await curl(port, "/echo", "-d", "hello"))[1] == b"hello"
        waits = ["-d", "x" * 1000, "-H", "Expect: 100-continue", "--expect100-timeout", "30"]
        assert (await curl(port, "/echo", *waits))[1] == b"x" * 1000
        assert b"more than 1000" in (await curl(port, "/echo", "-d", "x" * 1001))[1]


@asynchronous(60)
async def test_what_nobody_read_is_no_request(big: Big) -> None:
    """Else a body could hold a request that another program on the way has not seen."""
    async with serving(big) as (server, _, port):
        inner = get("/small")
        found = await exchanged(port, get("/small", f"Content-Length: {len(inner)}") + inner)
        assert found.count(b"HTTP/1.1") == 1 and b"Connection: close" in found
        assert server.counters["requests"] == 1


@asynchronous(60)
async def test_a_large_body_that_is_refused_does_not_hide_the_answer(big: Big) -> None:
    async with serving(big) as (_, _, port):
        status, out = await curl(port, "/echo", "-H", "Expect:", "--data-binary", f"@{big.path}")
        assert b"more than 1000" in out or status in (55, 56)


# --- hostile and slow clients ---


def limits(**values: float) -> Limits:
    found = Limits()
    for name, value in values.items():
        setattr(found, name, value)
    return found


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "_SWEEP", 0.05)


@pytest.mark.parametrize(
    ("said", "reason", "bound"),
    [
        (b"", "head", "head_timeout"),
        (b"GET /small HTTP/1.1\r\nHost: loc", "head", "head_timeout"),
        (get("/small"), "idle", "idle_timeout"),
        (get("/echo", "Content-Length: 9", method="POST") + b"abc", "body", "body_timeout"),
        (get("/small") + b"GET /sm", "head", "head_timeout"),
    ],
)
@asynchronous(60)
@pytest.mark.usefixtures("quick")
async def test_who_takes_his_time_is_let_go(big: Big, said: bytes, reason: str, bound: str) -> None:
    async with serving(big, limits(**{bound: 0.3})) as (server, _, port):
        await exchanged(port, said)
        assert server.counters[reason] == 1


@asynchronous(60)
@pytest.mark.usefixtures("quick")
async def test_a_head_in_drops_does_not_extend_its_time(big: Big) -> None:
    async with serving(big, limits(head_timeout=0.5)) as (server, _, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        ended = asyncio.ensure_future(reader.read())
        while not ended.done():
            writer.write(b"X")
            await asyncio.sleep(0.05)
        assert server.counters["head"] == 1
        writer.close()


@asynchronous(60)
@pytest.mark.usefixtures("quick")
async def test_who_reads_too_slowly_is_cut_and_costs_nothing(big: Big) -> None:
    async with serving(big, limits(least_speed=MIB, speed_window=0.5)) as (server, site, port):
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.connect(("127.0.0.1", port))
            slow.sendall(get("/file"))
            await until(lambda: site.failed)
            assert server.counters["slow"] == 1
            found = await exchanged(port, get("/file", "Connection: close"))
            assert found.endswith(big.data[-123:])


@asynchronous(60)
async def test_who_pauses_with_the_rest_on_its_way_is_not_cut(big: Big) -> None:
    """The kernel would: TCP_USER_TIMEOUT ends who is there and has no room (tcp(7))."""
    async with serving(big) as (server, _, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        await until(lambda: bool(server.clients))
        (client,) = server._clients.values()
        await asyncio.sleep(0)
        assert client._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 0
        writer.close()


@asynchronous(60)
async def test_a_client_that_leaves_is_noticed_while_its_answer_is_waited_for(big: Big) -> None:
    async with serving(big) as (_, site, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(get("/waits") + get("/small"))  # with another one behind it
        await site.waiting.wait()
        writer.close()
        await site.left.wait()


@asynchronous(60)
async def test_a_client_that_leaves_in_the_middle_ends_its_answer_alone(big: Big) -> None:
    async with serving(big) as (_, site, port):
        with socket.create_connection(("127.0.0.1", port)) as gone:
            gone.sendall(get("/file"))
            assert await asyncio.to_thread(gone.recv, 1000)
        await until(lambda: site.failed)
        assert (await curl(port, "/small"))[1] == b"small"


@asynchronous(60)
async def test_clients_in_all_and_of_one_address_are_bounded(big: Big) -> None:
    async with serving(big, limits(max_clients=3, max_clients_per_ip=2)) as (server, _, port):
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        assert await exchanged(port, b"") == b""
        assert server.counters["clients_per_ip"] == 1
        other = [
            await asyncio.open_connection("127.0.0.1", port, local_addr=(f"127.0.0.{n}", 0))
            for n in (2, 3)
        ]
        assert await other[1][0].read() == b""
        assert server.counters["clients"] == 1
        for _, writer in [*held, *other]:
            writer.close()
        await until(lambda: not (server.clients))
        assert (await curl(port, "/small"))[1] == b"small"


@asynchronous(60)
async def test_a_network_that_is_not_admitted(big: Big) -> None:
    async with serving(big) as (server, _, port):
        server.admits = lambda ip: ip != "127.0.0.1"
        assert await exchanged(port, get("/small")) in (b"", b"<reset>")
        assert server.counters["network"] == 1


@asynchronous(60)
async def test_memory_of_clients_is_leased(big: Big) -> None:
    budget = Budget(64 * MIB, 60 * MIB)
    async with serving(big, budget=budget) as (server, _, port):
        pool = budget.pools["http"]
        held = pool.ceiling - CLIENT - 1
        assert pool.take(held)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(get("/small"))
        assert (await reader.readuntil(b"small")).startswith(b"HTTP/1.1 200")
        assert pool.used == held + CLIENT
        assert await exchanged(port, get("/small")) in (b"", b"<reset>")
        assert server.counters["memory"] == 1
        pool.give(held)
        writer.close()


@pytest.mark.slow
@asynchronous(120)
async def test_a_thousand_connections(big: Big) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    try:
        many = limits(max_clients=1000, max_clients_per_ip=1000)
        async with serving(big, many) as (server, _, port):
            held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(1000)]
            for _, writer in held:
                writer.write(get("/small"))
            for reader, _ in held:
                assert await reader.readuntil(b"small")
            assert server.clients == 1000
            assert await exchanged(port, get("/small")) in (b"", b"<reset>")
            assert server.counters["clients"] == 1
            for _, writer in held:
                writer.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@asynchronous(60)
async def test_without_file_descriptors_it_waits_and_goes_on(
    big: Big, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(big) as (server, _, port):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with socket.socket() as client:
            used = max(int(name) for name in os.listdir("/proc/self/fd"))
            resource.setrlimit(resource.RLIMIT_NOFILE, (client.fileno() + 1, hard))
            spare = []
            try:
                with contextlib.suppress(OSError):
                    while len(spare) < used + 10:
                        spare.append(os.dup(0))
                client.setblocking(False)
                await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
                await until(lambda: server.counters.get("file_descriptors"))
            finally:
                for fd in spare:
                    os.close(fd)
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            await asyncio.get_running_loop().sock_sendall(client, get("/small"))
            answer = await asyncio.get_running_loop().sock_recv(client, 1000)
            assert answer.startswith(b"HTTP/1.1 200")

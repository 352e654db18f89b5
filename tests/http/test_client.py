"""The client with real origins, and with some that are slow, broken or hostile."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import http.server
import os
import socket
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from edge.http import client as client_module
from edge.http.client import HttpClient
from edge.http.errors import HttpError, OriginError
from edge.http.limits import ClientLimits
from edge.http.response import Response
from edge.units import MIB
from edge.url import Url
from tests.counterparts.base import asynchronous, free_port
from tests.http.origins import origin, says, until

pytestmark = pytest.mark.usefixtures("loop")


@contextlib.asynccontextmanager
async def asking(allow=lambda *_: True, **limits: float) -> AsyncIterator[HttpClient]:
    bounds = ClientLimits()
    for name, value in limits.items():
        setattr(bounds, name, value)
    client = HttpClient(asyncio.get_running_loop(), bounds, allow)
    try:
        yield client
    finally:
        client.close()
        assert not client._links


def url(port: int, host: str = "127.0.0.1") -> Url:
    return Url("http", host, port)


async def whole(response: Response, most: int = 65536) -> bytes:
    found = b""
    while part := await response.read(most):
        assert len(part) <= most
        found += part
    assert await response.read(most) == b""
    return found


# --- real origins ---


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("origin")
    (folder / "big").write_bytes(os.urandom(8 * MIB + 5))
    (folder / "empty").touch()
    return folder


@pytest.fixture
def python_origin(files: Path) -> Iterator[int]:
    class Handler(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Handler, directory=files)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@asynchronous(60)
async def test_python_s_server_over_one_connection(python_origin: int, files: Path) -> None:
    async with asking() as client:
        for _ in range(3):
            response = await client.request("GET", url(python_origin), "/big")
            assert (response.status, response.length) == (200, 8 * MIB + 5)
            assert await whole(response) == (files / "big").read_bytes()
            assert response.ended_well
        response = await client.request("HEAD", url(python_origin), "/big")
        assert response.length == 8 * MIB + 5
        assert await whole(response) == b"" and response.ended_well
        response = await client.request("GET", url(python_origin), "/empty")
        assert (response.length, response.ended_well) == (0, True)
        response = await client.request("GET", url(python_origin), "/none")
        assert response.status == 404
        response.close()
        assert client.counters == {"connections": 1, "reused": 5, "failed": 0}


@pytest.fixture
def nginx(files: Path, tmp_path: Path) -> Iterator[int]:
    """As storage hosts are: ranges, sendfile, an end to kept connections."""
    port = free_port()
    config = tmp_path / "nginx.conf"
    temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    config.write_text(
        f"daemon off; pid {tmp_path}/pid; error_log stderr; user root;\n"
        "events {}\nhttp { access_log off; sendfile on; keepalive_requests 2;\n"
        + "".join(f"{what}_temp_path {tmp_path}/{what};\n" for what in temporary)
        + f"server {{ listen 127.0.0.1:{port}; root {files}; }} }}\n"
    )
    process = subprocess.Popen(["nginx", "-p", str(tmp_path), "-c", str(config)], stderr=-3)
    while process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            break
        time.sleep(0.02)
    assert process.poll() is None, "nginx has ended"
    yield port
    process.terminate()
    process.wait()


@asynchronous(60)
async def test_nginx_with_ranges(nginx: int, files: Path) -> None:
    async with asking() as client:
        for start in (0, 1_000_000, 8 * MIB):
            headers = [("Range", f"bytes={start}-")]
            response = await client.request("GET", url(nginx), "/big", headers)
            size = 8 * MIB + 5 - start
            assert (response.status, response.length) == (206, size)
            assert (
                response.headers.get("content-range")
                == f"bytes {start}-{8 * MIB + 4}/{8 * MIB + 5}"
            )
            assert len(await whole(response)) == size and response.ended_well
        response = await client.request("GET", url(nginx), "/big", [("Range", f"bytes={9 * MIB}-")])
        assert response.status == 416
        response.close()
        assert client.counters == {"connections": 2, "reused": 2, "failed": 0}


@asynchronous(60)
async def test_into_a_buffer(python_origin: int, files: Path) -> None:
    async with asking() as client:
        response = await client.request("GET", url(python_origin), "/big")
        room, found = bytearray(100_000), bytearray()
        while count := await response.read_into(memoryview(room)):
            found += room[:count]
        assert found == (files / "big").read_bytes()
        assert response.ended_well


@asynchronous(60)
async def test_a_name_is_looked_up_and_each_address_tried(python_origin: int) -> None:
    async with asking() as client:
        response = await client.request("GET", url(python_origin, "localhost"), "/empty")
        assert response.status == 200


# --- answers, good and bad ---

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("parts", "length", "body", "well"),
    [
        ([OK + b"Content-Length: 5\r\n\r\nhello"], 5, b"hello", True),
        ([OK + b"Content-Length: 5\r\n\r\n", b"he", b"llo"], 5, b"hello", True),
        ([OK + b"Content-Length: 5\r\n\r\nhe"], 5, b"he", False),
        ([CHUNKED + b"5\r\nhello\r\n0\r\n\r\n"], None, b"hello", True),
        ([CHUNKED, b"5", b"\r", b"\nhel", b"lo\r\n0;a=b\r\nX: y\r\n\r\n"], None, b"hello", True),
        ([CHUNKED + b"5\r\nhello\r\n0\r\n"], None, b"hello", False),
        ([CHUNKED + b"5\r\nhello\r\n"], None, b"hello", False),
        ([CHUNKED + b"6\r\nhello"], None, b"hello", False),
        ([OK + b"\r\nuntil the end"], None, b"until the end", False),
        ([b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"], 2, b"ok", True),
        ([b"HTTP/1.1 204 None\r\n\r\n"], None, b"", True),
        ([b"HTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n"], 9, b"", True),
        ([b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n", OK + b"Content-Length: 2\r\n\r\nok"], 2, b"ok",
         True),
        ([b"HTTP/1.1 100 Continue\r\n\r\n" * 7 + OK + b"Content-Length: 0\r\n\r\n"], 0, b"", True),
    ],
)  # fmt: skip
@asynchronous(60)
async def test_bodies(parts: list[bytes], length: int | None, body: bytes, well: bool) -> None:
    """squid PR 528: chunks without the last one were taken, and kept, as a whole body."""
    async with origin(says(*parts)) as port, asking() as client:
        for most in (3, 65536):
            response = await client.request("GET", url(port), "/")
            assert response.length == length
            assert await whole(response, most) == body
            assert response.ended_well == well


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", "closed without an answer"),
        (b"HTTP/1.1 200 OK\r\n", "closed without an answer"),
        (b"SSH-2.0-x\r\n\r\n", "no answer in HTTP"),
        (b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", "no answer in HTTP"),
        (OK + b"X: " + b"y" * 40000, "too long"),
        (OK + b"X: y\r\n" * 101 + b"\r\n", "too many header fields"),
        (OK + b"X: y\nZ: a\r\n\r\n", "CR LF"),
        (OK + b"X: y\r\n z\r\n\r\n", "folded"),
        (OK + b"X: y\0\r\n\r\n", "control character"),
        (OK + b"X : y\r\n\r\n", "no answer in HTTP"),
        (OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "not one number"),
        (OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "both"),
        (OK + b"Content-Length: x\r\n\r\n", "no answer in HTTP"),
        (OK + b"Transfer-Encoding: gzip\r\n\r\n", "no answer in HTTP"),
        (b"HTTP/1.1 101 Switch\r\n\r\n", "no answer"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 9, "no answer"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "no answer in HTTP"),
    ],
)
@asynchronous(60)
async def test_what_is_no_answer(said: bytes, why: str) -> None:
    async with origin(says(said)) as port, asking() as client:
        with pytest.raises(OriginError, match=why) as raised:
            await client.request("GET", url(port), "/")
        assert str(raised.value).startswith(f"127.0.0.1:{port}: ")
        assert client.counters["failed"] == 1


@pytest.mark.parametrize(
    "chunks",
    [b"x\r\n", b"5\nhello\r\n", b"5\r\nhelloX\r\n", b"-5\r\n", b"5 \x0b\r\n", b"f" * 30 + b"\r\n"],
)
@asynchronous(60)
async def test_broken_chunks(chunks: bytes) -> None:
    async with origin(says(CHUNKED + chunks, end=False)) as port, asking() as client:
        response = await client.request("GET", url(port), "/")
        with pytest.raises(OriginError, match="broken chunks"):
            await whole(response)
        assert not response.ended_well


@asynchronous(60)
async def test_the_line_of_a_chunk_and_the_trailers_are_bounded() -> None:
    for rest in (b"5;" + b"x" * 100_000, b"0\r\nX: " + b"y" * 100_000):
        async with origin(says(CHUNKED + rest, end=False)) as port, asking() as client:
            response = await client.request("GET", url(port), "/")
            with pytest.raises(OriginError, match="broken chunks"):
                await whole(response)


@asynchronous(60)
async def test_an_answer_before_the_question() -> None:
    answer = OK + b"Content-Length: 2\r\n\r\nok"
    async with origin(says(first=answer, end=False)) as port, asking() as client:
        link = await client._connect(url(port))
        await until(lambda: not link.quiet)
        client._done(("http", "127.0.0.1", port), link, True)
        client._connect = None  # a new connection is needed, as that one is not used
        with pytest.raises(TypeError):
            await client.request("GET", url(port), "/")
        assert client.counters["reused"] == 0


@asynchronous(60)
async def test_what_follows_an_answer_is_not_taken_for_the_next() -> None:
    twice = OK + b"Content-Length: 2\r\n\r\nok" + OK + b"Content-Length: 4\r\n\r\nevil"
    async with origin(says(twice, end=False)) as port, asking() as client:
        for _ in range(2):
            response = await client.request("GET", url(port), "/")
            assert await whole(response) == b"ok"
        assert client.counters["connections"] == 2


@asynchronous(60)
async def test_a_kept_connection_that_has_ended_is_no_failure() -> None:
    answer = OK + b"Content-Length: 2\r\n\r\nok"
    async with origin(says(answer)) as port, asking() as client:
        for _ in range(3):
            assert await whole(await client.request("GET", url(port), "/")) == b"ok"
        assert client.counters["failed"] == 0


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/a b", []),
        ("/a\r\nX: y", []),
        ("/é", []),
        ("/", [("X", "a\r\nY: b")]),
        ("/", [("X\r\nY", "b")]),
        ("/", [("X", "a\0")]),
        ("/", [("Authorization", "Bearer secret\n")]),
        ("/", [("Authorization", "Bearer secret\u2026")]),
    ],
)
@asynchronous(60)
async def test_nothing_is_smuggled_into_a_request(target: str, headers: list) -> None:
    async with origin(says(OK)) as port, asking() as client:
        with pytest.raises(HttpError, match="cannot be sent") as raised:
            await client.request("GET", url(port), target, headers)
        assert "secret" not in str(raised.value)
        assert client.counters["connections"] == 0


@asynchronous(60)
async def test_a_request_says_what_it_has_to() -> None:
    said = asyncio.get_running_loop().create_future()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        said.set_result(head + await reader.readexactly(4))
        writer.write(b"HTTP/1.1 204 OK\r\n\r\n")

    async with origin(talk) as port, asking() as client:
        await client.request("POST", url(port), "/a?b", [("Accept", "x")], b"body")
        head = f"POST /a?b HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: x\r\nContent-Length: 4\r\n"
        assert await said == head.encode() + b"\r\nbody"


# --- bounds ---


@asynchronous(60)
async def test_addresses_that_are_not_allowed_are_not_connected_to(python_origin: int) -> None:
    asked = []

    def allow(ip: bytes, host: str, port: int) -> bool:
        asked.append((ip, host, port))
        return ip != bytes((127, 0, 0, 1)) and ip != bytes(15) + b"\x01"

    made: list[socket.socket] = []
    async with asking(allow) as client:
        client._new_socket = made.append
        for host in ("127.0.0.1", "localhost", "::ffff:127.0.0.1", "127.1", "2130706433"):
            with pytest.raises(OriginError, match="not permitted"):
                await client.request("GET", url(python_origin, host), "/")
    assert not made
    assert (bytes((127, 0, 0, 1)), "::ffff:127.0.0.1", python_origin) in asked


@asynchronous(60)
async def test_a_name_that_leads_elsewhere_the_second_time(monkeypatch, python_origin: int) -> None:
    """DNS rebinding: what was asked about is what is connected to."""
    answers = [[b"\x7f\0\0\x01"], [b"\x0a\0\0\x01"]]
    monkeypatch.setattr(client_module, "_getaddrinfo", lambda _: answers.pop(0))
    async with asking(lambda ip, *_: ip == b"\x7f\0\0\x01", keep_time=0.0) as client:
        response = await client.request("HEAD", url(python_origin, "a.test"), "/empty")
        assert response.status == 200
        for kept in client._kept.values():
            kept.pop()[0].close()
        with pytest.raises(OriginError, match="not permitted"):
            await client.request("HEAD", url(python_origin, "a.test"), "/empty")


@asynchronous(60)
async def test_dead_addresses_are_passed_by(monkeypatch, python_origin: int) -> None:
    found = [b"\x7f\0\0\x63", b"\x7f\0\0\x01"]
    monkeypatch.setattr(client_module, "_getaddrinfo", lambda _: found)
    async with asking() as client:
        response = await client.request("GET", url(python_origin, "a.test"), "/empty")
        assert response.status == 200


@asynchronous(60)
async def test_an_origin_that_is_not_there() -> None:
    async with asking() as client:
        with pytest.raises(OriginError, match="refused"):
            await client.request("GET", url(free_port()), "/")
        with pytest.raises(OriginError, match="the name is not found"):
            await client.request("GET", url(80, "nowhere.invalid"), "/")


@pytest.mark.parametrize(
    ("parts", "limits", "why"),
    [
        ([], {"first_byte_timeout": 0.2}, "silent for 0.2 s"),
        ([OK], {"first_byte_timeout": 0.2}, "silent for 0.2 s"),
        ([OK + b"Content-Length: 9\r\n\r\nabc"], {"idle_timeout": 0.2}, "silent for 0.2 s"),
    ],
)
@asynchronous(60)
async def test_a_silent_origin(parts: list[bytes], limits: dict[str, float], why: str) -> None:
    async with origin(says(*parts, end=False)) as port, asking(**limits) as client:
        with pytest.raises(OriginError, match=why):
            await whole(await client.request("GET", url(port), "/"))


@asynchronous(60)
async def test_an_origin_in_drops() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"Content-Length: 100000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with origin(talk) as port, asking(speed_window=0.5, least_speed=1000) as client:
        with pytest.raises(OriginError, match="too slow"):
            response = await client.request("GET", url(port), "/")
            await whole(response)


@asynchronous(60)
async def test_connections_are_bounded_and_those_that_are_kept_make_room(python_origin) -> None:
    async with asking(max_connections=2) as client:
        one = await client.request("GET", url(python_origin), "/big")
        two = await client.request("GET", url(python_origin), "/big")
        with pytest.raises(OriginError, match="too many connections"):
            await client.request("GET", url(python_origin), "/empty")
        await whole(one)
        other = await client.request("GET", url(python_origin, "localhost"), "/empty")
        assert other.status == 200
        two.close()


@asynchronous(60)
async def test_no_more_are_kept_than_may_be(python_origin: int) -> None:
    async with asking(max_kept=1, keep_time=0.1) as client:
        both = [await client.request("GET", url(python_origin), "/big") for _ in range(2)]
        for response in both:
            await whole(response)
        assert len(client._links) == 1
        await until(lambda: not client._links)


@asynchronous(60)
async def test_a_read_that_is_given_up(python_origin: int) -> None:
    async with (
        origin(says(OK + b"Content-Length: 9\r\n\r\n", end=False)) as port,
        asking() as client,
    ):
        response = await client.request("GET", url(port), "/")
        reading = asyncio.ensure_future(response.read(100))
        await asyncio.sleep(0)
        response.close()
        with pytest.raises(OriginError):
            await reading
        again = asyncio.ensure_future(client.request("GET", url(port), "/"))
        await asyncio.sleep(0.05)
        again.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            (await again).close()

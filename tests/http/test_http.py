"""/metrics and /health: for Prometheus' own parser and real HTTP clients, and hostile ones."""

import asyncio
import contextlib
import http.client
import json
import re
import socket
from collections.abc import AsyncIterator
from functools import partial

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edge.http.errors import HttpError
from edge.http.server import HttpServer
from edge.status import pages
from edge.status.exposition import MAX_VALUES
from edge.status.metrics import metrics
from tests.counterparts.base import Setup, asynchronous, free_port
from tests.counterparts.edge_node import EdgeNode
from tests.status.examples import SPARSE, STATUS

LIMITS = pages.limits()
MAX_CLIENTS, MAX_HEAD = LIMITS.max_clients, LIMITS.max_head
PAGES = {"/page": lambda: (200, "text/plain", b"a page\n"), "/ill": lambda: (503, "text/x", b"no")}
GET = b"GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n"
STEP = {"cause": "machine", "new_work": True, "rate": 0, "seconds": 1}


# --- one request ---


def server(names: frozenset[str] = frozenset(), head_seconds: float = 5.0) -> HttpServer:
    limits = pages.limits()
    limits.head_timeout = head_seconds
    served = HttpServer(pages.handler(PAGES), limits)
    served.names = names
    return served


async def answer(head: bytes, names: frozenset[str] = frozenset()) -> bytes:
    served = server(names)
    served.configure([("127.0.0.1", 0)])
    try:
        return await ask(served.listening[0][1], head)
    finally:
        await served.stop()


@pytest.mark.parametrize(
    ("head", "status", "body"),
    [
        (GET, 200, b"a page\n"),
        (b"GET /page?x=1 HTTP/1.0\r\n\r\n", 200, b"a page\n"),
        (b"GET http://localhost/page HTTP/1.1\r\nHost: localhost\r\n\r\n", 200, b"a page\n"),
        (b"HEAD /page HTTP/1.1\r\nHost: localhost\r\n\r\n", 200, b""),
        (b"GET /ill HTTP/1.1\r\nHost: localhost\r\n\r\n", 503, b"no"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, b"here are /page and /ill\n"),
        (b"GET /../etc/passwd HTTP/1.0\r\n\r\n", 400, b"the path is not plain\n"),
        (b"POST /page HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, b"only GET and HEAD\n"),
        (b"GET /page HTTP/1.1\r\n\r\n", 400, b"missing mandatory host\n"),
        (b"GET /page\r\n\r\n", 400, b"that is not HTTP\n"),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400, b"that is not HTTP\n"),
        (b"PRI * HTTP/2.0\r\n\r\n", 505, b"only HTTP/1 is spoken here\n"),
        (b"GET /page HTTP/1.1\r\nX: " + b"y" * MAX_HEAD, 431, b"the request is too long\n"),
    ],
)
@asynchronous(30)
async def test_what_is_asked_and_answered(head: bytes, status: int, body: bytes) -> None:
    reply = await answer(head)
    assert reply.startswith(f"HTTP/1.1 {status} ".encode())
    assert reply.partition(b"\r\n\r\n")[2] == body
    assert b"\r\nConnection: close\r\n" in reply
    assert b"\r\nCache-Control: no-store\r\n" in reply


@pytest.mark.parametrize(
    "host",
    [
        *(
            "127.0.0.1",
            "127.0.0.1:9464",
            "192.168.1.1:80",
            "[::1]",
            "[::1]:9464",
            "[fe80::1%eth0]:1",
        ),
        *("localhost", "LOCALHOST:9464", "localhost.", "router.lan", "Router.LAN:9464", "", "\t::"),
    ],
)
@asynchronous(30)
async def test_hosts_that_are_served(host: str) -> None:
    head = f"GET /page HTTP/1.1\r\nhost:{host} \r\nX: y\r\n\r\n".encode()
    assert (await answer(head, frozenset(["router.lan"]))).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:9464", "router.lan.evil.example", "127.0.0.1.evil.example"),
        *("xlocalhost", "localhost.evil.example", "[evil.example]", "[", "127.1", "0"),
        *("lan", "user@localhost", "evil.example#localhost", "\xff"),
    ],
)
@asynchronous(30)
async def test_a_name_that_a_page_elsewhere_leads_here_is_refused(host: str) -> None:
    """DNS rebinding: the browser takes it for the page's own, and says so in Host."""
    head = b"GET /page HTTP/1.1\r\nHost: " + host.encode("latin-1") + b"\r\n\r\n"
    reply = await answer(head, frozenset(["router.lan"]))
    assert reply.startswith(b"HTTP/1.1 421 ")
    assert reply.endswith(b"\r\n\r\nnot served by this name; see http_names\n")


@pytest.mark.parametrize(
    "head",
    [
        b"GET /page HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"GET /page HTTP/1.1\r\nHost: localhost\r\nHost : evil.example\r\n\r\n",
        b"GET /page HTTP/1.1\r\nHost: \0\r\n\r\n",
        b"GET /page HTTP/1.1\r\nHost:\xa0localhost, evil.example\r\nHost:\r\n\r\n",
    ],
)
@asynchronous(30)
async def test_two_hosts_are_none(head: bytes) -> None:
    assert (await answer(head)).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "host", ["localhost:80@evil.example", "localhost:", "localhost:1x", "[::1].evil.example"]
)
@asynchronous(30)
async def test_a_host_is_a_name_and_a_port_alone(host: str) -> None:
    head = f"GET /page HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    assert (await answer(head)).startswith(b"HTTP/1.1 " + (b"200" if host[-1] == ":" else b"421"))


@asynchronous(30)
async def test_the_host_in_the_target_counts() -> None:
    head = b"GET http://evil.example/page HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert (await answer(head)).startswith(b"HTTP/1.1 421 ")


# --- the listener ---


@contextlib.asynccontextmanager
async def serving(seconds: float = 5.0) -> AsyncIterator[int]:
    served = server(head_seconds=seconds)
    served.configure([("127.0.0.1", 0)])
    try:
        yield served.listening[0][1]
    finally:
        await served.stop()


async def ask(port: int, data: bytes = GET) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    try:
        return await reader.read()
    finally:
        writer.close()


@asynchronous(30)
async def test_a_request_may_come_in_pieces() -> None:
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for byte in GET:
            writer.write(bytes([byte]))
            await writer.drain()
        assert (await reader.read()).endswith(b"a page\n")
        writer.close()


@asynchronous(30)
async def test_who_says_nothing_or_too_much_is_closed_on() -> None:
    async with serving(seconds=0.3) as port:
        assert await ask(port, b"") == b""
        assert await ask(port, b"GET /page HTTP/1.1\r\n") == b""
        assert (await ask(port, b"G" * MAX_HEAD)).startswith(b"HTTP/1.1 431 ")
        assert (await ask(port)).endswith(b"a page\n")


@asynchronous(30)
async def test_few_clients_at_a_time_and_then_it_serves_again() -> None:
    async with serving(seconds=1.0) as port:
        waiting = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MAX_CLIENTS)]
        assert await ask_or_reset(port) == b""
        for reader, writer in waiting:
            assert await reader.read() == b""  # their time is over
            writer.close()
        assert (await ask(port)).endswith(b"a page\n")


async def ask_or_reset(port: int) -> bytes:
    try:
        return await ask(port)
    except ConnectionError:
        return b""


@asynchronous(30)
async def test_it_moves_when_it_is_told_to() -> None:
    served = server()
    ports = [free_port(), free_port()]
    for port in ports:
        served.configure([("127.0.0.1", port)])
        assert (await ask(port)).endswith(b"a page\n")
    with pytest.raises(ConnectionRefusedError):
        await ask(ports[0])
    served.configure([])
    with pytest.raises(ConnectionRefusedError):
        await ask(ports[1])
    await served.stop()


@asynchronous(30)
async def test_a_port_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        served = server()
        with pytest.raises(HttpError, match=rf"cannot serve HTTP at 127\.0\.0\.1:{port}: Address"):
            served.configure([("127.0.0.1", port)])
        await served.stop()


@asynchronous(30)
async def test_an_address_that_narrows_leaves_nothing_open_to_all() -> None:
    port = free_port()
    served = server()
    served.configure([("0.0.0.0", port)])
    served.configure([("127.0.0.1", port)])
    assert served.listening == [("127.0.0.1", port)]
    assert (await ask(port)).endswith(b"a page\n")
    served.configure([("0.0.0.0", port)])
    assert served.listening == [("0.0.0.0", port)]
    await served.stop()


@asynchronous(30)
async def test_a_change_that_fails_leaves_all_as_it_was() -> None:
    port = free_port()
    served = server()
    served.configure([("0.0.0.0", port)])
    with pytest.raises(HttpError):
        served.configure([("192.0.2.1", port)])  # an address that no interface has
    assert served.listening == [("0.0.0.0", port)]
    assert (await ask(port)).endswith(b"a page\n")
    await served.stop()


@asynchronous(30)
async def test_one_of_several_that_is_taken_is_served_once_it_is_free() -> None:
    port, other, third = free_port(), free_port(), free_port()
    served = server()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        served.configure([("127.0.0.1", port), ("127.0.0.1", other)])
        assert (await ask(other)).endswith(b"a page\n")
        with pytest.raises(HttpError):
            served.configure([("127.0.0.1", port)])
        assert served.listening == [("127.0.0.1", other)]
        served.listen_anew()
        assert served.listening == [("127.0.0.1", other)]
    served.listen_anew()
    assert (await ask(port)).endswith(b"a page\n")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", third))
        taken.listen()
        served.configure([("127.0.0.1", other), ("127.0.0.1", third)])
        served.configure([("127.0.0.1", other)])
    served.listen_anew()  # what is no longer wanted is not tried
    assert served.listening == [("127.0.0.1", other)]
    await served.stop()


# --- the page for Prometheus ---


def families(text: str) -> dict[str, object]:
    return {family.name: family for family in text_string_to_metric_families(text)}


@pytest.mark.parametrize("status", [{**STATUS, "step": STEP}, {**SPARSE, "step": STEP}])
def test_names_follow_the_rules_of_prometheus(status) -> None:
    text = metrics(status)
    units = re.compile(r"_(bytes|seconds|ratio|celsius|info)(_total)?$|^[a-z_]+$")
    for family in text_string_to_metric_families(text):
        assert re.fullmatch(r"kwaainet_[a-z]+(_[a-z]+)*", family.name)
        assert units.search(family.name)
        assert family.documentation.endswith(".") or family.documentation
        assert family.type in ("gauge", "counter")
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter")
            assert set(sample.labels) <= {
                *("mode", "state", "reason", "status", "direction", "room", "version"),
            }
    lines = text.splitlines()
    assert len([line for line in lines if line.startswith("# TYPE")]) == len(families(text))


def test_values() -> None:
    found = families(metrics({**STATUS, "step": STEP}))

    def value(name: str, **labels: str) -> float:
        family = found[name]
        (sample,) = [s for s in family.samples if labels.items() <= s.labels.items()]  # type: ignore[attr-defined]
        return float(sample.value)

    assert value("kwaainet_mode", mode="relay") == 1
    assert value("kwaainet_mode", mode="paused") == 0
    assert value("kwaainet_relay_bytes", direction="to_listeners") == 1288490188
    assert value("kwaainet_connections_refused", reason="connections_per_ip") == 31
    assert value("kwaainet_machine_wan_others_ratio") == 0.83
    assert value("kwaainet_flash_written_bytes") == 12288


def test_no_more_label_values_than_are_allowed_and_no_way_out_of_one() -> None:
    refused = {f"reason-{number:03}": 1 for number in range(200)}
    refused['a"} 1\nevil{x="'] = 7
    status = {**STATUS, "step": STEP, "refusals": {"connections": refused, "relay": {}}}
    family = families(metrics(status))["kwaainet_connections_refused"]
    samples = family.samples  # type: ignore[attr-defined]
    assert len(samples) == MAX_VALUES
    assert sum(sample.value for sample in samples) == 207
    assert samples[0].labels == {"reason": 'a"} 1\nevil{x="'}


# --- a running node ---


@asynchronous(60)
async def test_a_node_serves_both_pages_where_it_is_told_to() -> None:
    port = free_port()
    options = ["--status-http", "yes", "--status-http-listen", f"/ip4/127.0.0.1/tcp/{port}"]
    options += ["--status-http-names", "router.lan"]
    listen = [f"/ip4/127.0.0.1/tcp/{free_port()}"]
    async with EdgeNode(Setup(listen=listen), options):

        def page(path: str, **headers: str) -> tuple[http.client.HTTPResponse, str]:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return response, response.read().decode()

        response, text = await asyncio.to_thread(page, "/metrics")
        assert response.getheader("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
        assert "kwaainet_memory_resident_bytes" in families(text)
        response, text = await asyncio.to_thread(page, "/health")
        assert response.status == 200
        assert json.loads(text)["status"] == "ok"
        assert json.loads(text)["mode"] == "relay"
        response, _ = await asyncio.to_thread(
            partial(page, "/metrics", Host=f"evil.example:{port}")
        )
        assert response.status == 421
        response, _ = await asyncio.to_thread(partial(page, "/metrics", Host="Router.lan"))
        assert response.status == 200


@asynchronous(60)
async def test_a_node_that_is_not_told_to_listens_nowhere_else() -> None:
    async with EdgeNode() as node:
        with pytest.raises(ConnectionRefusedError):
            await ask(9464)
        assert "http" not in [line.split()[2] for line in node.log().splitlines()]

"""The page of a running node, asked for over raw sockets and by Python's client."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge import cli
from edge.http.server import HttpServer
from edge.node import Node
from edge.page import assets
from edge.status import pages
from tests.counterparts.base import Setup, asynchronous, free_port, until
from tests.counterparts.edge_node import EdgeNode
from tests.hosts import configured

STYLE = assets.source_hash(assets.load()["page.css"])
SAFE = {
    "Content-Security-Policy": f"default-src 'none'; script-src 'self'; style-src {STYLE}; img-src"
    " 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
MOST = 60_000  # bytes of the page and all that belongs to it, as they are sent


class Paged:
    """A node whose page is at `host`. `cookie`: what a browser would send."""

    def __init__(self, node: EdgeNode, port: int) -> None:
        self.node = node
        self.port = port
        self.cookie = ""

    def _asked(
        self, path: str, method: str, headers: dict[str, str]
    ) -> tuple[http.client.HTTPResponse, str]:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        if self.cookie:
            headers = {"Cookie": self.cookie, **headers}
        link.request(method, path, headers=headers)
        response = link.getresponse()
        return response, response.read().decode()

    async def ask(
        self, path: str = "/", method: str = "GET", **headers: str
    ) -> tuple[http.client.HTTPResponse, str]:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return await asyncio.to_thread(self._asked, path, method, named)

    async def status(self, path: str = "/", method: str = "GET", **headers: str) -> int:
        return (await self.ask(path, method, **headers))[0].status

    async def url(self, *words: str) -> str:
        """The first that `kwaainet page` prints."""
        return (await self.node.run("page", *words)).split()[0]

    async def enter(self, *words: str) -> None:
        """Open that address, as a browser does."""
        response, _ = await self.ask("/?" + (await self.url(*words)).partition("?")[2])
        assert response.status == 303
        self.cookie = (response.getheader("Set-Cookie") or "").partition(";")[0]


@contextlib.asynccontextmanager
async def paged(
    ip: str = "127.0.0.1", *options: str, data_dir: Path | None = None
) -> AsyncIterator[Paged]:
    port = free_port()
    words = ["--status-page", "yes", "--status-http-listen", f"/ip4/{ip}/tcp/{port}", *options]
    listen = ["/ip4/127.0.0.1/tcp/0"]
    async with EdgeNode(Setup(listen=listen), words, data_dir=data_dir) as node:
        yield Paged(node, port)


@asynchronous(60)
async def test_with_the_page_on_it_is_at_the_root_and_metrics_are_not() -> None:
    """`page` brings its listener with it, and no page for programs."""
    async with paged() as one:
        response, text = await one.ask()
        assert response.status == 200
        assert response.getheader("Content-Type") == "text/html; charset=utf-8"
        assert response.getheader("Cache-Control") == "no-store"
        assert '<h1 id="title">Relaying for others</h1>' in text
        assert f'title="{one.node.peer_id}"' in text
        response, text = await one.ask("/metrics")
        assert (response.status, text) == (404, "here are /\n")
        assert await one.status("/nowhere") == 404


@asynchronous(60)
async def test_it_is_whole_small_and_under_strict_headers() -> None:
    async with paged() as one:
        total = 0
        _, page = await one.ask()
        parts = re.findall(r'(?:href|src)="((?:page|icon)[^"]+)"', page)
        assert len(parts) == 2
        for path in ["/", *[f"/{part}" for part in parts]]:
            response, text = await one.ask(path)
            assert response.status == 200
            assert {name: response.getheader(name) for name in SAFE} == SAFE
            assert response.getheader("Access-Control-Allow-Origin") is None
            total += len(text)
        assert total < MOST


@asynchronous(60)
async def test_methods() -> None:
    async with paged() as one:
        for path in ("/", "/events", "/page.js", "/icon.svg"):
            response, text = await one.ask(path, "HEAD")
            assert (response.status, text) == (200, "")
            response, _ = await one.ask(path, "POST")
            assert response.status == 405
            assert response.getheader("Allow") == "GET, HEAD"
            assert await one.status(path, "OPTIONS") == 405


@asynchronous(60)
async def test_metrics_and_health_are_beside_it_as_ever() -> None:
    async with paged("0.0.0.0", "--status-http", "yes") as one:
        assert await one.status("/metrics") == 200
        assert await one.status("/health") == 200
        assert await one.status("/") == 403
        assert (await one.ask("/nowhere"))[1] == "here are /metrics and /health and /\n"


@asynchronous(60)
async def test_other_sites_get_nothing() -> None:
    """Not by a name led here, not by a page in the same browser, with or without its cookie."""
    async with paged() as one:
        await one.enter()
        assert await one.status(Host=f"evil.example:{one.port}") == 421
        assert await one.status("/events", Host="evil.example") == 421
        for path in ("/", "/events", "/page.js"):
            assert await one.status(path, Sec_Fetch_Site="cross-site") == 403
            assert await one.status(path, Origin="http://evil.example") == 403
            assert await one.status(path, Sec_Fetch_Site="same-site", Sec_Fetch_Mode="cors") == 403
        followed = {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
        assert await one.status(Sec_Fetch_Site="cross-site", **followed) == 200


@asynchronous(60)
async def test_beyond_this_machine_it_asks_for_a_token_once() -> None:
    async with paged("0.0.0.0") as one:
        response, text = await one.ask()
        assert response.status == 403
        assert "kwaainet page" in text
        assert one.node.peer_id not in text
        assert await one.status("/events") == 403
        assert await one.status("/page.js") == 200  # there is nothing of the node in it
        url = await one.url()
        assert re.fullmatch(rf"http://[0-9.]+:{one.port}/\?token=[0-9a-f]{{32}}", url)
        response, text = await one.ask("/?" + url.partition("?")[2])
        assert (response.status, response.getheader("Location"), text) == (303, "./", "")
        cookie = response.getheader("Set-Cookie") or ""
        assert url[-32:] not in cookie
        assert {"HttpOnly", "SameSite=Strict"} <= set(cookie.split("; "))
        one.cookie = cookie.partition(";")[0]
        assert await one.status() == 200
        assert url[-32:] not in one.node.log()


@asynchronous(60)
async def test_wrong_tokens_open_nothing_shut_out_nobody_and_are_not_logged() -> None:
    async with paged("0.0.0.0") as one:
        wrong = [f"{number:032x}" for number in range(30)]
        assert {await one.status(f"/?token={text}") for text in wrong} == {403}
        one.cookie = "kwaainet_" + one.node.peer_id[-8:] + "=0"
        _, text = await one.ask()
        assert "That token is not right, or no more." in text
        await one.enter()
        assert await one.status() == 200
        assert not [text for text in wrong if text in one.node.log()]


@asynchronous(60)
async def test_a_new_token_ends_the_sessions_of_the_old_one() -> None:
    async with paged("0.0.0.0") as one:
        await one.enter()
        reader, writer = await asyncio.open_connection("127.0.0.1", one.port)
        head = f"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {one.cookie}\r\n\r\n"
        writer.write(head.encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        old = await one.url()
        assert await one.url() == old
        new = await one.url("--new")
        assert new != old
        await reader.read()  # to its end
        writer.close()
        assert await one.status() == 403
        assert await one.status("/?" + old.partition("?")[2]) == 403
        await one.enter()
        assert await one.status() == 200


@asynchronous(60)
async def test_a_session_outlives_the_node(tmp_path: Path) -> None:
    async with paged("0.0.0.0", data_dir=tmp_path / "data") as one:
        await one.enter()
        cookie = one.cookie
    async with paged("0.0.0.0", data_dir=tmp_path / "data") as one:
        one.cookie = cookie
        assert await one.status() == 200


@asynchronous(60)
async def test_a_name_closes_it_and_opens_it_with_a_token() -> None:
    async with paged("127.0.0.1", "--status-http-names", "node.lan") as one:
        assert await one.status() == 403
        await one.enter()
        assert await one.status(Host="node.lan") == 200


@asynchronous(60)
async def test_what_comes_through_a_proxy_needs_the_token() -> None:
    async with paged() as one:
        assert await one.status(X_Forwarded_For="192.168.1.7") == 403
        await one.enter()
        assert await one.status(X_Forwarded_For="192.168.1.7") == 200


@asynchronous(60)
async def test_ten_browsers_listen_and_metrics_are_still_answered() -> None:
    async with paged("127.0.0.1", "--status-http", "yes") as one:
        request = b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"
        links = []
        for _ in range(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", one.port)
            writer.write(request)
            assert (await reader.readuntil(b"\n\n")).startswith(b"HTTP/1.1 200 ")
            links.append((reader, writer))
        assert await one.status("/metrics") == 200
        assert await one.status() == 200
        for reader, writer in links:
            assert b"uptime" in await reader.readuntil(b"\n\n")
            writer.close()


@asynchronous(60)
async def test_the_command_says_where_it_would_be_and_that_it_is_off(tmp_path: Path) -> None:
    node = EdgeNode(data_dir=tmp_path)
    (tmp_path / "kwaainet.toml").write_text("[status]\npage = true\nhttp_names = ['nas.lan']\n")
    out = await node.run("page", "--config", str(tmp_path / "kwaainet.toml"))
    urls = out.split()
    assert [url.partition("?")[0] for url in urls] == [
        *("http://127.0.0.1:9464/", "http://nas.lan:9464/")
    ]
    assert (tmp_path / "page.token").stat().st_mode & 0o777 == 0o600
    with pytest.raises(Exception, match="ended with 1"):
        await node.run("page")


@asynchronous(60)
async def test_a_build_without_the_page_says_so_and_serves_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The static binary is one."""
    monkeypatch.setitem(sys.modules, "edge.page.site", None)
    monkeypatch.setitem(sys.modules, "edge.status.where", None)
    port = free_port()
    at = f"/ip4/127.0.0.1/tcp/{port}"
    flags = {"status_page": "yes", "status_http": "yes", "status_http_listen": at}
    config = configured(tmp_path, **flags)
    async with Node(config) as node:
        one = Paged(EdgeNode(), port)
        assert await one.status("/metrics") == 200
        assert (await one.ask())[1] == "here are /metrics and /health\n"
        assert node.status.report()
    assert cli.main(["page", "--data-dir", str(tmp_path)]) == 1
    said = capfd.readouterr().err
    assert 'page-not-served error="this build has no page; LuCI shows the node"' in said
    assert said.endswith("kwaainet: this build has no page; LuCI shows the node\n")


@asynchronous(60)
async def test_who_leaves_without_a_word_keeps_no_place_for_long() -> None:
    """A phone that is switched off acknowledges nothing: the kernel ends that (tcp(7))."""
    served = HttpServer(pages.handler({}), pages.limits(browsers=True))
    served.configure([("127.0.0.1", 0)])
    _, writer = await asyncio.open_connection(*served.listening[0])
    while not served.clients:  # noqa: ASYNC110 - it has no event
        await asyncio.sleep(0)
    (client,) = served._clients.values()
    await asyncio.sleep(0)
    option = client._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert option == served.limits.ack_timeout * 1000 > 0
    writer.close()
    await served.stop()


@asynchronous(60)
async def test_a_reload_closes_it_to_this_machine_too_and_ends_what_was_open(
    tmp_path: Path,
) -> None:
    port = free_port()
    file = tmp_path / "kwaainet.toml"

    def say(page: str, ip: str) -> None:
        lines = ["[status]", f"page = {page}", "http = true"]
        file.write_text("\n".join([*lines, f'http_listen = ["/ip4/{ip}/tcp/{port}"]\n']))

    say("true", "127.0.0.1")
    listen = ["/ip4/127.0.0.1/tcp/0"]
    async with EdgeNode(Setup(listen=listen), ["--config", str(file)]) as node:
        one = Paged(node, port)
        assert node.process is not None
        assert await one.status() == 200
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        say("true", "0.0.0.0")
        node.process.send_signal(signal.SIGHUP)
        await reader.read()  # to its end
        writer.close()
        assert await one.status() == 403
        say("false", "0.0.0.0")
        node.process.send_signal(signal.SIGHUP)

        async def gone() -> bool:
            return await one.status() == 404

        await until(gone)
        assert await one.status("/metrics") == 200


@asynchronous(60)
async def test_a_reload_that_fails_leaves_it_as_open_as_it_was(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.2", 0))
        other.listen()
        port, taken = free_port(), other.getsockname()[1]
        flags = {"status_page": "yes", "status_http_listen": f"/ip4/127.0.0.1/tcp/{port}"}
        async with Node(configured(tmp_path, **flags)) as node:
            one = Paged(EdgeNode(), port)
            assert await one.status() == 200
            flags |= {"status_http_listen": f"/ip4/127.0.0.2/tcp/{taken}"}
            node.status.configure(configured(tmp_path, **flags, status_http_names="nas.lan"))
            assert await one.status() == 200


@asynchronous(60)
async def test_one_client_leaves_places_for_others() -> None:
    """Who holds connections without a word has not all of them."""
    async with paged("127.0.0.1", "--status-http", "yes") as one:
        links = [await asyncio.open_connection("127.0.0.1", one.port) for _ in range(32)]
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", one.port, local_addr=("127.0.0.2", 0)
        )
        writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        for link in [writer, *[writer for _, writer in links]]:
            link.close()

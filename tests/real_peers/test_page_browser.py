"""The node's page in Chromium: of a node that real peers use, and with texts that are hostile."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from edge.budget import Budget
from edge.http.exchange import Exchange
from edge.http.request import Request
from edge.http.server import HttpServer
from edge.page.access import Access
from edge.page.site import Site
from edge.page.token import Token
from edge.status import pages
from tests.counterparts.axe import assert_accessible
from tests.counterparts.base import Setup, asynchronous, free_port
from tests.counterparts.chromium import CANARY, DESKTOP, PHONE, Chromium, Page, Viewport
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.go_peer import P2pd
from tests.counterparts.ours_peer import OurPeer
from tests.layout import assert_fits
from tests.page.overviews import BUSY, HOSTILE, YOUNG, hostile

pytestmark = pytest.mark.peers

MIB = 1 << 20


@contextlib.asynccontextmanager
async def node(ip: str = "127.0.0.1") -> AsyncIterator[tuple[EdgeNode, str]]:
    """A running node, and where its page is."""
    port = free_port()
    options = ["--status-page", "yes", "--status-http-listen", f"/ip4/{ip}/tcp/{port}"]
    async with EdgeNode(Setup(), options) as made:
        yield made, f"http://127.0.0.1:{port}/"


@contextlib.asynccontextmanager
async def shown(directory: Path, overview: Callable[[], dict[str, Any]]) -> AsyncIterator[str]:
    """Where there is the page of `overview`, as a node would serve it."""
    access = Access(Token(str(directory)), "kwaainet_test")
    access.configure(["127.0.0.1"], ())
    pool = Budget(1 << 30, 0).pool("page", 0.5)
    site = Site(lambda: json.loads(json.dumps(overview())), access, pool)
    site.feed._interval = 0.1
    async with served(pages.handler({}, [site])) as port:
        yield f"http://127.0.0.1:{port}/"


@contextlib.asynccontextmanager
async def served(handler: Any, names: frozenset[str] = frozenset()) -> AsyncIterator[int]:
    server = HttpServer(handler, pages.limits(browsers=True))
    server.names = names
    server.configure([("127.0.0.1", 0)])
    try:
        yield server.listening[0][1]
    finally:
        await server.stop()


# --- a running node ---


@asynchronous(120)
async def test_figures_move_as_peers_exchange_bytes(page: Page) -> None:
    async with node() as (relay, url):
        at = await relay.direct()
        await asyncio.to_thread(page.open, url)
        await asyncio.to_thread(page.until, "#live", "live")
        assert await asyncio.to_thread(page.text, "#relayed") == "0 B"
        assert await asyncio.to_thread(page.text, "#held") == "0"
        before = await asyncio.to_thread(page.attribute, "#down-line", "d")
        there = Setup(listen=(), relays=[at])
        async with P2pd(there) as listener, OurPeer(Setup(listen=())) as dialer:
            await asyncio.to_thread(page.until, "#held", "1")
            await dialer.transfer(listener.circuit(at), 8 * MIB)
            await asyncio.to_thread(page.until, "#relayed", "16.0 MiB")
            await asyncio.to_thread(page.until, "#circuits-note", "1 since the start")
            await asyncio.to_thread(page.until, "#today", "16.0 MiB")
            moved = "(before) => document.getElementById('down-line').getAttribute('d') !== before"
            await asyncio.to_thread(page.wait, moved, before)
            assert "MiB" in await asyncio.to_thread(page.text, "#down-total")
        assert await asyncio.to_thread(page.attribute, "#peer", "title") == relay.peer_id
        await asyncio.to_thread(page.until, "#links", "0")
        await asyncio.to_thread(page.open, "about:blank")


@asynchronous(60)
async def test_it_says_when_the_node_is_gone_and_when_it_is_back(
    page: Page, tmp_path: Path
) -> None:
    port = free_port()
    options = ["--status-page", "yes", "--status-http-listen", f"/ip4/127.0.0.1/tcp/{port}"]
    async with EdgeNode(Setup(), options, data_dir=tmp_path / "data"):
        await asyncio.to_thread(page.open, f"http://127.0.0.1:{port}/")
        await asyncio.to_thread(page.until, "#live[data-live=yes]")
    await asyncio.to_thread(page.until, "#live[data-live=no]", "trying again")
    async with EdgeNode(Setup(), options, data_dir=tmp_path / "data"):
        await asyncio.to_thread(page.until, "#live[data-live=yes]")
        await asyncio.to_thread(page.open, "about:blank")
        await asyncio.to_thread(page.take_errors)  # that it was not there


@asynchronous(60)
async def test_without_scripts_the_figures_are_there(page: Page) -> None:
    async with node() as (relay, url):
        page.disable_scripts()
        await asyncio.to_thread(page.open, url)
        assert await asyncio.to_thread(page.text, "#title") == "Relaying for others"
        assert await asyncio.to_thread(page.text, "#live") == "reloads every 10 s"
        assert " MiB" in await asyncio.to_thread(page.text, "#memory")
        assert await asyncio.to_thread(page.attribute, "#peer", "title") == relay.peer_id
        await asyncio.to_thread(page.until_loaded)  # it has done so by itself
        await asyncio.to_thread(page.open, "about:blank")


@asynchronous(60)
async def test_a_token_leaves_the_address_and_no_script_sees_the_session(page: Page) -> None:
    async with node("0.0.0.0") as (relay, url):
        await asyncio.to_thread(page.open, url)
        await asyncio.to_thread(page.until, "h1", "This page is its owner's")
        await asyncio.to_thread(assert_accessible, page)
        await asyncio.to_thread(page.screenshot, "page-locked")
        page.take_errors()  # 403 is one
        token = (await relay.run("page")).split("=")[1].split()[0]
        await asyncio.to_thread(page.type, "input", token)
        await asyncio.to_thread(page.click, "button")
        await asyncio.to_thread(page.until, "#live", "live")
        seen = "() => [location.href, document.cookie, document.referrer]"
        assert await asyncio.to_thread(page.evaluate, seen) == [url, "", ""]
        answered = [each["url"] for each in page.requests if "token" in each["url"]]
        assert answered == [f"{url}?token={token}"]
        await relay.run("page", "--new")
        await asyncio.to_thread(page.until, "#live[data-live=no]")
        await asyncio.to_thread(page.open, "about:blank")
        await asyncio.to_thread(page.take_errors)


# --- a hostile page in the same browser ---

_TRIES = """async (url) => {
  const got = [];
  const quiet = (work) => work.then((found) => got.push(found), () => {});
  const late = new Promise((done) => setTimeout(done, 500));
  for (const path of ['', 'events', 'page.js']) {
    await quiet(fetch(url + path).then((answer) => 'read ' + answer.status));
    await quiet(fetch(url + path, {credentials: 'include'}).then((answer) => 'read'));
    await quiet(fetch(url + path, {method: 'POST', mode: 'no-cors'}).then(() => {}));
  }
  const element = (name, more) => new Promise((done) => {
    const made = Object.assign(document.createElement(name), more);
    made.onload = () => done(name + ' loaded'); made.onerror = () => done('');
    document.body.append(made); late.then(() => done(''));
  });
  got.push(await element('script', {src: url + 'page.js'}));
  got.push(await element('img', {src: url + 'icon.svg'}));
  got.push(await element('link', {rel: 'stylesheet', href: url}));
  const frame = document.createElement('iframe');
  frame.src = url; document.body.append(frame);
  await late;
  try { got.push(frame.contentDocument.body.textContent); } catch { /* that is right */ }
  const source = new EventSource(url + 'events', {withCredentials: true});
  source.onmessage = (event) => got.push(event.data);
  await new Promise((done) => setTimeout(done, 300));
  return [...got.filter(Boolean), document.cookie];
}"""


async def _evil(_: Request, exchange: Exchange) -> None:
    await exchange.answer(
        200, [("Content-Type", "text/html")], b"<!doctype html><title>evil</title>"
    )


@pytest.mark.parametrize("ip", ["127.0.0.1", "0.0.0.0"], ids=["without-token", "in-a-session"])
@asynchronous(90)
async def test_a_hostile_page_in_the_same_browser_gets_nothing(page: Page, ip: str) -> None:
    async with (
        node(ip) as (relay, url),
        served(_evil, frozenset(["evil.test"])) as port,
    ):
        token = (await relay.run("page")).split("=")[1].split()[0]
        await asyncio.to_thread(page.open, f"{url}?token={token}")
        await asyncio.to_thread(page.until, "#live", "live")
        await asyncio.to_thread(page.open, f"http://evil.test:{port}/")
        found = await asyncio.to_thread(page.evaluate, _TRIES, url)
        assert found == [""]
        # DNS rebinding: its own name leads to the node.
        rebound = url.replace("127.0.0.1", "evil.test")
        await asyncio.to_thread(page.open, rebound)
        assert "not served by this name" in await asyncio.to_thread(page.text)
        assert relay.peer_id not in await asyncio.to_thread(
            page.evaluate, "() => document.body.innerHTML"
        )
        # A page of another server of the same host, whose cookies are the same.
        await asyncio.to_thread(page.open, f"http://127.0.0.1:{port}/")
        assert await asyncio.to_thread(page.evaluate, _TRIES, url) == [""]
        await asyncio.to_thread(page.take_errors)


# --- hostile texts ---

_MADE = "() => document.querySelectorAll('img, [onload], [onerror], main script').length"


@asynchronous(120)
async def test_hostile_texts_are_shown_and_nothing_runs(chromium: Chromium, tmp_path: Path) -> None:
    """As the page comes, and as the script changes it."""
    assert all(CANARY in text for text in HOSTILE[:5])
    now = BUSY
    async with shown(tmp_path, lambda: now) as url:
        for text in HOSTILE:
            now = BUSY
            with chromium.page() as page:
                await asyncio.to_thread(page.open, url)
                await asyncio.to_thread(page.until, "#live", "live")
                now = hostile(text)
                await asyncio.to_thread(
                    page.wait,
                    "() => !document.querySelector('#title').textContent.startsWith('Relaying')",
                )
                await asyncio.to_thread(page.open, url)
                await asyncio.to_thread(page.until, "#live", "live")
                if text.startswith(("<", '"')):
                    assert text in await asyncio.to_thread(page.text, "#reason")
                assert await asyncio.to_thread(page.evaluate, _MADE) == 0


# --- how it looks ---


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
@asynchronous(90)
async def test_it_fits_and_is_for_everybody(
    chromium: Chromium, tmp_path: Path, viewport: Viewport, dark: bool
) -> None:
    paused = {
        **BUSY,
        "mode": "paused",
        "reachable": "private",
        "ports": "closed",
        "new_work": False,
    }
    name = f"page-{'phone' if viewport is PHONE else 'desktop'}-{'dark' if dark else 'light'}"
    for state, overview in (("busy", BUSY), ("young", YOUNG), ("paused", paused)):
        async with shown(tmp_path, lambda: overview) as url:  # noqa: B023 - it ends before
            with chromium.page(viewport, dark=dark) as page:
                await asyncio.to_thread(page.open, url)
                await asyncio.to_thread(page.until, "#live", "live")
                await asyncio.to_thread(assert_fits, page)
                await asyncio.to_thread(assert_accessible, page)
                await asyncio.to_thread(page.screenshot, f"{name}-{state}")
                await asyncio.to_thread(page.click, ".days summary")
                if "fit" in overview:
                    await asyncio.to_thread(page.click, ".state summary")
                await asyncio.to_thread(assert_fits, page)
                await asyncio.to_thread(assert_accessible, page)

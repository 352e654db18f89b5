"""The events: what changed, once for all; nothing for whom it is not, nothing kept afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

from edge.budget import Budget
from edge.http.exchange import Exchange
from edge.http.request import Request
from edge.http.server import HttpServer
from edge.page import feed
from edge.page.feed import MAX_LISTENERS, Feed
from edge.status import pages
from tests.counterparts.base import asynchronous

GET = b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Served:
    """A feed at a port, over figures that the test sets."""

    def __init__(self) -> None:
        self.figures = {"a": "1", "b": "2"}
        self.made = 0
        self.allowed = True
        self.pool = Budget(1 << 30, 0).pool("page", 0.5)
        self.feed = Feed(self._figures, self.pool, interval=0.02)
        self.server = HttpServer(self._serve, pages.limits(browsers=True))
        self.server.configure([("127.0.0.1", 0)])

    def _figures(self) -> dict[str, str]:
        self.made += 1
        return dict(self.figures)

    async def _serve(self, _: Request, exchange: Exchange) -> None:
        exchange.keep = False
        await self.feed.serve(exchange, [], lambda: self.allowed)

    async def opened(self, head: bytes = GET) -> Listener:
        streams = await asyncio.open_connection(*self.server.listening[0])
        streams[1].write(head)
        return Listener(*streams, (await streams[0].readuntil(b"\r\n\r\n")).decode())


class Listener:
    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str
    ) -> None:
        self.reader, self.writer, self.head = reader, writer, head

    async def raw(self) -> bytes:
        """The next event, out of its chunk; b"" at the end."""
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        return (await self.reader.readexactly(size + 2))[:-2]

    async def event(self) -> dict[str, str]:
        while True:
            for line in (await self.raw()).decode().splitlines():
                if line.startswith("data: ") and line != "data: {}":
                    return dict(json.loads(line.removeprefix("data: ")))


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[Served]:
    served = Served()
    try:
        yield served
    finally:
        await served.server.stop()


async def fallen_to(served: Served, count: int) -> None:
    """When no more than so many listen."""
    while served.feed.listeners > count:  # noqa: ASYNC110 - it has no event
        await asyncio.sleep(0.01)


@asynchronous(30)
async def test_the_first_frame_has_everything_and_others_what_changed() -> None:
    async with serving() as served:
        one = await served.opened()
        assert one.head.startswith("HTTP/1.1 200 ")
        assert "\r\nContent-Type: text/event-stream; charset=utf-8\r\n" in one.head
        assert await one.event() == {"a": "1", "b": "2"}
        served.figures["b"] = "3"
        assert await one.event() == {"b": "3"}
        other = await served.opened()
        assert await other.event() == {"a": "1", "b": "3"}
        served.figures["a"] = "0"
        assert await one.event() == await other.event() == {"a": "0"}


@asynchronous(30)
async def test_figures_are_made_once_for_all() -> None:
    async with serving() as served:
        listeners = [await served.opened() for _ in range(10)]
        before = served.made
        served.figures["a"] = "2"
        frames = {str([await each.event() for _ in range(2)]) for each in listeners}
        ticks = served.made - before
        assert len(frames) == 1
        assert ticks < 10


@asynchronous(30)
async def test_in_the_quiet_it_says_that_it_still_is_there() -> None:
    async with serving() as served:
        one = await served.opened()
        await one.event()
        assert await one.raw() == b": still here\ndata: {}\n\n"
        assert await one.raw() == b": still here\ndata: {}\n\n"


@asynchronous(30)
async def test_nothing_runs_and_nothing_is_kept_when_all_have_left() -> None:
    async with serving() as served:
        listeners = [await served.opened() for _ in range(5)]
        for each in listeners:
            await each.event()
            each.writer.close()
        await fallen_to(served, 0)
        made = served.made
        assert served.feed._timer is None
        assert served.feed._shown == {}
        assert served.pool.used == 0
        assert served.feed._frame == served.feed._whole == b""
        await asyncio.sleep(0.1)
        assert served.made == made
        assert await (await served.opened()).event() == {"a": "1", "b": "2"}


@asynchronous(30)
async def test_listeners_are_bounded() -> None:
    async with serving() as served:
        listeners = [await served.opened() for _ in range(MAX_LISTENERS)]
        refused = await served.opened()
        assert refused.head.startswith("HTTP/1.1 503 ")
        assert "\r\nRetry-After: " in refused.head
        listeners[0].writer.close()
        await fallen_to(served, MAX_LISTENERS - 1)
        assert (await served.opened()).head.startswith("HTTP/1.1 200 ")


@asynchronous(30)
async def test_who_may_listen_no_more_is_let_go() -> None:
    async with serving() as served:
        one = await served.opened()
        await one.event()
        served.allowed = False
        while await one.raw():
            pass
        assert await one.reader.read() == b""
        await fallen_to(served, 0)


@asynchronous(30)
async def test_who_listens_is_let_go_when_the_feed_closes() -> None:
    async with serving() as served:
        one = await served.opened()
        await one.event()
        served.feed.close()
        while await one.raw():
            pass
        assert await one.reader.read() == b""


@asynchronous(60)
async def test_a_reader_who_takes_nothing_keeps_nobody_waiting_and_is_cut_off() -> None:
    async with serving() as served:
        served.server.limits.speed_window = 1.0
        slow, quick = await served.opened(), await served.opened()
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await quick.event()
        number = 0
        while served.feed.listeners == 2:
            number += 1
            served.figures["a"] = f"{number}" + "x" * 300_000
            assert (await quick.event())["a"].startswith(f"{number}x")
        assert served.server.counters["slow"] == 1
        slow.writer.transport.abort()


@asynchronous(30)
async def test_figures_that_fail_end_nothing() -> None:
    async with serving() as served:
        one = await served.opened()
        await one.event()
        figures, served.feed._figures = served.feed._figures, dict  # type: ignore[assignment]

        def fail() -> dict[str, str]:
            raise ValueError("no figures")

        served.feed._figures = fail
        assert await one.raw() == feed._STILL_HERE
        served.feed._figures = figures
        served.figures["b"] = "9"
        assert await one.event() == {"b": "9"}


@asynchronous(30)
async def test_head_has_no_events() -> None:
    async with serving() as served:
        one = await served.opened(GET.replace(b"GET", b"HEAD"))
        assert one.head.startswith("HTTP/1.1 200 ")
        assert await one.reader.read() == b""
        assert served.feed.listeners == 0


@asynchronous(30)
async def test_an_old_client_gets_the_events_without_chunks() -> None:
    async with serving() as served:
        one = await served.opened(b"GET /events HTTP/1.0\r\n\r\n")
        assert "chunked" not in one.head
        assert await one.reader.readuntil(b"\n\n") == b'data: {"a":"1","b":"2"}\n\n'


@asynchronous(30)
async def test_where_there_is_no_memory_nobody_listens() -> None:
    async with serving() as served:
        served.feed._pool = Budget(0, 0).pool("page", 0.0)
        assert (await served.opened()).head.startswith("HTTP/1.1 503 ")
        assert served.feed.listeners == 0

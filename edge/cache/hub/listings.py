"""What the hub's API says, passed on: rewritten as it passes, and kept for a short while.

An answer is kept for one asker, who is known by the hash of his token, so that no listing reaches
anybody to whom the hub would not give it. It is good for a minute; of a commit for ever where
nobody's token was needed, else for as long as a right is. Then the hub is asked whether it is still
the same, and while it does not answer, what is kept stands in.
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import aclosing

from edge.cache.hub import kept, links, rights
from edge.cache.hub.kept import Keeper, Kept
from edge.cache.hub.origin import Asker, Refusal, plain, printable
from edge.cache.hub.pages import PageError, Pages
from edge.cache.hub.rewriter import RewriteError, Rewriter
from edge.cache.hub.routes import API, READ
from edge.cache.pull.source import OriginError
from edge.http.errors import HttpError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from edge.budget import Pool
    from edge.cache.hub.files import Files
    from edge.cache.hub.origin import Origin
    from edge.cache.hub.remembered import Remembered
    from edge.cache.hub.rights import Notes
    from edge.cache.hub.routes import Route
    from edge.http.exchange import Exchange
    from edge.http.request import Request
    from edge.http.response import Response

MAX_BODY = 256 << 10  # bytes of a POST
ANSWER = 96 << 10  # bytes that an answer takes while it passes: a portion, changed and kept
STALE = ("Warning", '111 - "the hub does not answer: this is what it said before"')
_NAMED, _MISSING = 60.0, 30.0  # seconds
_CHUNK = 16 << 10
_MAX_PAGES = 64
_WAIT = 9.0  # seconds for an answer's head: a client has given up by then
_TOLD = ("ETag", "X-Repo-Commit", "X-Total-Count", "RateLimit", "RateLimit-Policy", "Cache-Control")


class Listings:
    """`utc()`: seconds since 1970, None while the clock cannot be right."""

    def __init__(
        self,
        files: Files,
        notes: Notes,
        recent: Remembered,
        pool: Pool,
        utc: Callable[[], float | None],
    ) -> None:
        self._pool = pool
        self._files = files
        self._notes = notes
        self._recent = recent
        self._utc = utc

    async def answer(self, route: Route, asker: Asker, exchange: Exchange) -> None:
        """Answer a request to the API. Raises OriginError before the answer's head."""
        cost = ANSWER + min(exchange.request.length, MAX_BODY)
        if not self._pool.take(cost):
            raise Refusal(503, "there is no memory for another answer; try again")
        try:
            await self._answer(route, asker, exchange)
        finally:
            self._pool.give(cost)

    async def _answer(self, route: Route, asker: Asker, exchange: Exchange) -> None:
        request = exchange.request
        body = await exchange.body(MAX_BODY) if route.kind == READ else b""
        one = Question(self._origin, route, asker, request, body)
        if request.method == "HEAD" or route.kind not in (API, READ):
            await self._pass(one, exchange)
            return
        refused = self._recent.get(one.key)
        if isinstance(refused, Refusal):
            raise refused.again()
        found = kept.find(self._notes, one.key)
        if found is not None and self._is_good(one, refused is not None):
            await self._send_kept(one, found, exchange)
            return
        await self._renew(one, found, exchange)

    @property
    def _origin(self) -> Origin:
        return self._files.origin

    def _is_good(self, one: Question, recent: bool) -> bool:
        return recent or (one.route.fixed and not one.asker.who)

    async def _renew(self, one: Question, found: Kept | None, exchange: Exchange) -> None:
        stand_in = found if found is not None and self._is_allowed(one.asker, found) else None
        seconds = _WAIT if stand_in is None else self._files.patience
        try:
            async with asyncio.timeout(seconds):
                response = await one.ask(found.etag if found is not None else "")
            self._files.heard(None)
        except (Refusal, TimeoutError) as error:
            refusal = error if isinstance(error, Refusal) else Refusal(504, "the hub is silent")
            self._files.heard(refusal)
            if stand_in is not None and refusal.passing:
                await self._send_kept(one, stand_in, exchange, STALE)
                return
            if refusal.status == 404:
                self._recent.put(one.key, _MISSING, refusal.again())
            raise refusal from None
        try:
            await self._settle(one, found, response, exchange)
        finally:
            response.close()

    async def _settle(
        self, one: Question, found: Kept | None, response: Response, exchange: Exchange
    ) -> None:
        """Pass on what the hub has answered."""
        if response.status == 304 and found is not None:
            self._recent.put(one.key, one.lifetime)
            await self._send_kept(one, found, exchange)
        elif response.status == 200 and one.is_kept:
            await self._send_new(one, response, exchange)
        elif response.status == 304:
            raise Refusal(502, "the hub answers with 304, which was not asked for")
        else:
            await self._send_on(one, response, exchange)

    def _is_allowed(self, asker: Asker, found: Kept) -> bool:
        """Whether it may stand in for the hub: his, and not too long ago."""
        now = self._utc()
        recently = now is not None and 0 <= now - found.at < rights.OFFLINE
        return recently or not asker.who

    async def _pass(self, one: Question, exchange: Exchange) -> None:
        """What is never kept."""
        try:
            async with asyncio.timeout(_WAIT):
                response = await one.ask("")
        except TimeoutError:
            raise Refusal(504, "the hub is silent") from None
        try:
            await self._send_on(one, response, exchange)
        finally:
            response.close()

    async def _send_on(self, one: Question, response: Response, exchange: Exchange) -> None:
        headers = one.headers(response)
        location = response.headers.get("location")
        if location:
            target = self._origin.within(location)
            if target is None:
                raise Refusal(502, "the hub redirects to elsewhere")
            headers.append(("Location", one.ours + target))
        await exchange.head(response.status, headers, None)
        await self._pour(one, _portions(response), exchange, None)

    async def _send_new(self, one: Question, response: Response, exchange: Exchange) -> None:
        kind = printable(response.headers.get("content-type"))
        link = "" if one.merged else printable(", ".join(response.headers.all("link")))
        etag = "" if one.merged else printable(response.headers.get("etag"))
        head = Kept(etag, kind, link, int(self._utc() or 0))
        keeper = Keeper(self._notes, one.key, head)
        await exchange.head(200, one.headers(response), None)
        portions = one.pages(response) if one.merged else _portions(response)
        if await self._pour(one, portions, exchange, keeper):
            keeper.end()
            self._recent.put(one.key, one.lifetime)

    async def _send_kept(
        self, one: Question, found: Kept, exchange: Exchange, *more: tuple[str, str]
    ) -> None:
        headers = [("Content-Type", found.kind or "application/json"), *more]
        if found.etag:
            headers.append(("ETag", found.etag))
        link = one.our_link(found.link)
        if link:
            headers.append(("Link", link))
        await exchange.head(200, headers, None)

        async def portions() -> AsyncGenerator[bytes, None]:
            for number in range(found.portions):
                data = found.portion(self._notes, one.key, number)
                if data is None:
                    self._notes.delete(one.key)
                    raise Refusal(502, "what was kept is damaged")
                yield data
                await asyncio.sleep(0)  # others may go on

        await self._pour(one, portions(), exchange, None)

    async def _pour(
        self,
        one: Question,
        portions: AsyncGenerator[bytes, None],
        exchange: Exchange,
        keeper: Keeper | None,
    ) -> bool:
        """Send a body, rewritten. False: it was cut, and so is the client's answer."""
        rewriter = Rewriter(str(self._origin.url), one.ours)
        try:
            async with aclosing(portions):
                async for data in portions:
                    if keeper is not None:
                        keeper.add(data)
                    await exchange.data(rewriter.feed(data))
            await exchange.data(rewriter.end())
        except (RewriteError, PageError, OriginError):
            exchange.cut()
            return False
        return True


class Question:
    """One request to the API. `ours`: what stands for the hub's address in the answer.

    `merged`: whether all pages of a listing are to come as one. `key`: of what is kept of it.
    """

    def __init__(
        self, origin: Origin, route: Route, asker: Asker, request: Request, body: bytes
    ) -> None:
        self._origin = origin
        self._request = request
        self._body = body
        self.route = route
        self.asker = asker
        self.ours = f"http://{request.host}" if request.host else ""
        tree = route.verb == "tree" and "recursive=true" in route.query.lower()
        self.merged = tree and asker.agent.startswith("llama") and "cursor=" not in route.query
        what = f"{request.method} {origin.url}{route.target} {self.merged}\n".encode()
        digest = hashlib.sha256(asker.who + what + body).digest()
        self.key = b"hub.api." + digest[:16]

    @property
    def is_kept(self) -> bool:
        """Whether the answer is kept: that to a POST only if it can never be another."""
        return self.route.kind == API or self.route.fixed

    @property
    def lifetime(self) -> float:
        """Seconds that an answer is good for."""
        return rights.PROVEN if self.route.fixed else _NAMED

    async def ask(self, etag: str) -> Response:
        """The hub's answer; 304 where it is still `etag`. Raises Refusal."""
        headers = [("Accept", "application/json")]
        kind = printable(self._request.headers.get("content-type"))
        if self._body and kind:
            headers.append(("Content-Type", kind))
        if etag:
            headers.append(("If-None-Match", etag))
        method, target = self._request.method, self.route.target
        return plain(await self._origin.ask(method, self.asker, target, headers, self._body))

    async def pages(self, response: Response) -> AsyncGenerator[bytes, None]:
        """The pages of a listing as one. Raises PageError, OriginError."""
        pages = Pages()
        try:
            for _ in range(_MAX_PAGES):
                async for data in _portions(response):
                    yield pages.feed(data)
                pages.turn()
                following = links.next_page(", ".join(response.headers.all("link")))
                target = self._origin.within(following)
                if target is None:
                    yield pages.end()
                    return
                response = plain(await self._origin.ask("GET", self.asker, target))
        finally:
            response.close()
        raise PageError("a listing of too many pages")

    def headers(self, response: Response) -> list[tuple[str, str]]:
        """Those of an answer that a client is to see."""
        found = [("Content-Type", printable(response.headers.get("content-type")) or "text/plain")]
        for name in _TOLD:
            value = printable(response.headers.get(name))
            if value and not (self.merged and name == "ETag"):
                found.append((name, value))
        link = self.our_link(", ".join(response.headers.all("link")))
        if link and not self.merged:
            found.append(("Link", link))
        return found

    def our_link(self, link: str) -> str:
        """A header Link of the hub, as it leads to us."""
        return links.our_link(link, self._origin.url.root, self._origin.url.path, self.ours)


async def _portions(response: Response) -> AsyncGenerator[bytes, None]:
    """The body of an answer. Raises OriginError where it was cut short."""
    try:
        while data := await response.read(_CHUNK):
            yield data
    except HttpError as error:
        raise Refusal(504, f"the hub broke off: {error}") from None
    if not response.ended_well:
        raise Refusal(504, "the hub broke off")

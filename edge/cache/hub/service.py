"""The Hugging Face hub behind the gateway: its paths, and what each is answered with.

It reads alone: what would write, or go past the gateway (Xet, git, git-lfs), is refused with a
sentence that helps.
"""

from __future__ import annotations

import json

from edge.cache.hub import rights, routes, versions
from edge.cache.hub.files import Files
from edge.cache.hub.listings import STALE, Listings
from edge.cache.hub.origin import Asker, Origin, Refusal
from edge.cache.hub.remembered import Remembered
from edge.cache.hub.routes import Route
from edge.cache.pull.source import ChangedError, OriginError
from edge.url import Url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import Protocol

    from edge.budget import Pool
    from edge.cache.hub.rights import Notes
    from edge.cache.pull.source import Source
    from edge.config.schema import Cache
    from edge.http.client import HttpClient
    from edge.http.exchange import Exchange
    from edge.http.request import Request

    class Deliverer(Protocol):
        """What answers with the bytes of a file: the puller."""

        def deliver(
            self,
            request: Request,
            exchange: Exchange,
            source: Source,
            headers: list[tuple[str, str]],
        ) -> Awaitable[None]:
            """Answer; raises OriginError before the answer's head."""


_RECENT = 1024  # things remembered for minutes
_REFUSED = {
    routes.XET: (
        404,
        "Xet storage is not reached through this cache, which serves the file itself: set"
        " HF_HUB_DISABLE_XET=1, or delete the folder trees/ of this repository in your own cache",
    ),
    routes.GIT: (
        403,
        "git and git-lfs are not served by this cache: download with hf download, or clone from"
        " the hub itself",
    ),
    routes.WRITE: (
        405,
        "this cache only reads: unset HF_ENDPOINT to write to the hub itself",
    ),
    routes.UNKNOWN: (404, "this cache serves files and the API of the hub, not its pages"),
}


class Hub:
    """`puller`: answers with files. `utc()`: seconds since 1970, None while the clock cannot be
    right; `now()`: seconds, never back.
    """

    def __init__(
        self,
        client: HttpClient,
        notes: Notes,
        puller: Deliverer,
        pool: Pool,
        now: Callable[[], float],
        utc: Callable[[], float | None],
    ) -> None:
        self._client = client
        self._puller = puller
        self._recent = Remembered(_RECENT, now, pool)
        origin = Origin(client, Url("https", "huggingface.co", 443), ())
        self._rights = rights.Rights(self._recent, notes, utc)
        self._files = Files(origin, notes, self._rights, self._recent, pool)
        self._listings = Listings(self._files, notes, self._recent, pool, utc)

    def configure(self, section: Cache) -> None:
        """Follow [cache]: which hub, and which storage."""
        url = Url.parse(section.hub)
        if str(url) != str(self._files.origin.url):
            self._recent.clear()  # what was proven there proves nothing here
        self._files.origin = Origin(self._client, url, section.storage_hosts)

    def stop(self) -> None:
        """Ask the hub no more."""
        self._files.stop()
        self._recent.clear()

    async def serve(self, request: Request, exchange: Exchange) -> None:
        """Answer one request."""
        route = routes.route(request.method, request.segments, request.query)
        try:
            if route.kind in _REFUSED:
                status, why = _REFUSED[route.kind]
                allow = [("Allow", "GET, HEAD")] if status == 405 else []
                raise Refusal(status, why, headers=allow)
            asker = Asker.of(request)
            if route.kind == routes.FILE:
                await self._file(route, asker, exchange)
            else:
                await self._listings.answer(route, asker, exchange)
        except OriginError as error:
            if exchange.status:
                exchange.cut()
            else:
                await refuse(exchange, error)

    async def _file(self, route: Route, asker: Asker, exchange: Exchange) -> None:
        try:
            await self._deliver(route, asker, exchange)
        except ChangedError:
            if exchange.status:
                raise
            self._files.forget(route)
            await self._deliver(route, asker, exchange)

    async def _deliver(self, route: Route, asker: Asker, exchange: Exchange) -> None:
        request = exchange.request
        file = await self._files.find(route, asker)
        hidden = request.method == "HEAD" and versions.hides_size(asker.agent, file.size)
        headers = file.version.headers(sized=not hidden)
        if file.kept:
            headers.append(STALE)
        if hidden:
            known = [("ETag", file.etag), ("Accept-Ranges", "bytes")]
            await exchange.head(200, [*known, *headers], None)
            return
        await self._puller.deliver(request, exchange, file, headers)


async def refuse(exchange: Exchange, error: OriginError) -> None:
    """Answer as the hub words what it refuses; git shows a plain text to who uses it."""
    headers: Sequence[tuple[str, str]] = error.headers if isinstance(error, Refusal) else ()
    told = [*headers, ("X-Error-Message", str(error))]
    if error.code:
        told.append(("X-Error-Code", error.code))
    body = json.dumps({"error": str(error)}).encode()
    kind = "application/json; charset=utf-8"
    if error.status == 403 and str(error) == _REFUSED[routes.GIT][1]:
        body, kind = f"{error}\n".encode(), "text/plain; charset=utf-8"
    await exchange.answer(error.status, [*told, ("Content-Type", kind)], body)

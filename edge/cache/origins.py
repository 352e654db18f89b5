"""Plain HTTP origins that the owner has configured, each below a name of its own.

What a file is, its origin's answer to HEAD says (to a GET of one byte where it knows no HEAD):
size, entity tag, date. That is believed for a minute; after that the origin is asked again, and
while it cannot be, what is kept is served as it was. A file is another one when its entity tag is,
or its date and size where it has no strong tag. One whose origin tells neither is passed through
and not kept.

Credentials do not go through: what a plain origin gives, it gives to everybody.

Source: RFC 9110 sections 8.8, 10.2.2, 13.1.5 and 15.4
"""

from __future__ import annotations

import json

from edge.cache import names
from edge.cache.hub.origin import is_one_of, printable, storage
from edge.cache.pull.conditions import parse_content_range
from edge.cache.pull.puller import refuse
from edge.cache.pull.source import ChangedError, OriginError
from edge.http.errors import HttpError
from edge.url import Url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.cache.pull.puller import Puller
    from edge.cache.store.notes import Notes
    from edge.config.schema import Origin as OriginSection
    from edge.http.client import HttpClient
    from edge.http.exchange import Exchange
    from edge.http.request import Request
    from edge.http.response import Response

FRESH = 60.0  # seconds that what an origin said of a file is believed
_HOPS = 5
_MOVED = frozenset({301, 302, 303, 307, 308})
_NO_HEAD = frozenset({403, 405, 501})  # 403: of addresses that are signed for GET alone
_GONE = frozenset({404, 410, 412, 416})
_MAX_TARGET = 2048  # characters
_PASSED_ON = ("Content-Type", "Last-Modified", "Content-Disposition", "Cache-Control")


class About:
    """What an origin says of a file. `size`: None if it does not. `headers`: to be passed on."""

    __slots__ = ("at", "etag", "headers", "size")

    def __init__(self, size: int | None, etag: str, headers: list[list[str]], at: float) -> None:
        self.size = size
        self.etag = etag
        self.headers = headers
        self.at = at  # when it said so

    @property
    def tag(self) -> str:
        """What changes with the content; "" if nothing does."""
        if self.etag and not self.etag.startswith("W/"):
            return self.etag
        modified = [value for name, value in self.headers if name == "Last-Modified"]
        return f"{modified[0]} {self.size}" if modified and self.size is not None else ""

    def encode(self) -> bytes:
        """As a note of the store."""
        return json.dumps([self.size, self.etag, self.headers, self.at]).encode()

    @classmethod
    def decode(cls, data: bytes) -> About:
        """Of our own note."""
        return cls(*json.loads(data))


class OriginFile:
    """A Source: the file at `target` of `origin`, as `about` has it."""

    private = False

    def __init__(self, origin: PlainOrigin, target: str, about: About) -> None:
        self._origin = origin
        self._target = target
        self._about = about
        self.size = about.size if about.tag else None
        self.etag = about.etag
        self.name = names.by_origin(f"{origin.url}{target}", about.tag)

    async def open(self, start: int, end: int | None) -> Response:
        """See Source."""
        headers = []
        if start or end is not None:
            headers.append(("Range", f"bytes={start}-{'' if end is None else end - 1}"))
        response = await self._origin.ask("GET", self._target, headers)
        try:
            self._check(response)
        except OriginError:
            response.close()
            raise
        return response

    def _check(self, response: Response) -> None:
        if response.status in _GONE:
            raise ChangedError(502, "the origin does not have the file any more as it was")
        if response.status not in (200, 206):
            raise OriginError(502, f"the origin answers with {response.status}")
        if self._about.tag and described(response, self._about.size, 0.0).tag != self._about.tag:
            raise ChangedError(502, "the origin has another file there now")


class PlainOrigin:
    """One [[origin]]. `now()`: seconds since 1970."""

    def __init__(
        self,
        section: OriginSection,
        client: HttpClient,
        puller: Puller,
        notes: Notes,
        now: Callable[[], float],
    ) -> None:
        self.name = section.name
        self.url = Url.parse(section.url)
        self._hosts = frozenset(section.hosts)
        self._client = client
        self._puller = puller
        self._notes = notes
        self._now = now

    async def serve(self, request: Request, exchange: Exchange) -> None:
        """Answer a request for a path below the name of this origin."""
        target = request.target[len(self.name) + 1 :]
        if request.method not in ("GET", "HEAD"):
            await exchange.refuse(405, "this cache only reads", ("Allow", "GET, HEAD"))
            return
        if not target.startswith("/") or len(target) > _MAX_TARGET:
            await exchange.refuse(404, f"a path below /{self.name}/ is needed")
            return
        try:
            await self._deliver(request, exchange, target, FRESH)
        except ChangedError:
            if exchange.status:
                raise
            try:
                await self._deliver(request, exchange, target, 0.0)
            except OriginError as error:
                await refuse(exchange, error)
        except (OriginError, HttpError) as error:
            if exchange.status:
                exchange.cut()
            else:
                await refuse(exchange, error)

    async def _deliver(
        self, request: Request, exchange: Exchange, target: str, fresh: float
    ) -> None:
        about = await self._about(target, fresh)
        headers = [(name, value) for name, value in about.headers]
        source = OriginFile(self, target, about)
        await self._puller.deliver(request, exchange, source, headers)

    async def _about(self, target: str, fresh: float) -> About:
        """What the file is: as it was told less than `fresh` seconds ago, else as it is told now.

        While the origin cannot tell, as it last was. Raises OriginError.
        """
        key = b"o" + names.by_origin(f"{self.url}{target}", "")
        note = self._notes.get(key)
        known = About.decode(note) if note is not None else None
        if known is not None and 0 <= self._now() - known.at < fresh:
            return known
        try:
            response = await self._told(target)
        except (OriginError, HttpError) as error:
            if known is not None and fresh and getattr(error, "status", 504) >= 500:
                return known
            if isinstance(error, OriginError):
                raise
            raise OriginError(504, f"the origin does not answer: {error}") from None
        about = described(response, _size(response), self._now())
        self._notes.put(key, about.encode())
        return about

    async def _told(self, target: str) -> Response:
        """The origin's answer about the file, without its body. Raises OriginError, HttpError."""
        response = await self.ask("HEAD", target, [])
        if response.status in _NO_HEAD:
            response.close()
            response = await self.ask("GET", target, [("Range", "bytes=0-0")])
        response.close()
        if response.status >= 500:
            raise OriginError(502, f"the origin answers with {response.status}")
        if response.status not in (200, 206):
            status = response.status if response.status >= 400 else 502
            raise OriginError(status, f"the origin answers with {response.status}")
        return response

    async def ask(self, method: str, target: str, headers: list[tuple[str, str]]) -> Response:
        """The answer, after redirects to configured hosts. Raises OriginError, HttpError."""
        url, path = self.url, self.url.path + target
        fields = [("Accept-Encoding", "identity"), ("User-Agent", "kwaainet-edge"), *headers]
        for _ in range(_HOPS):
            response = await self._client.request(method, url, path, fields)
            if response.status not in _MOVED:
                return response
            response.close()
            location = response.headers.get("location") or ""
            if location.startswith("/") and not location.startswith("//"):
                location = url.root + location
            url, path = storage(location)
            is_worse = url.scheme < self.url.scheme  # http where the origin has https
            if url.root != self.url.root and (is_worse or not is_one_of(url, self._hosts)):
                raise OriginError(502, f"{url.root} is none of the hosts of [[origin]]")
        raise OriginError(502, "the origin redirects in a circle")


def described(response: Response, size: int | None, at: float) -> About:
    """What the head of `response` says of a file of `size` bytes."""
    headers = [
        [name, printable(value)]
        for name in _PASSED_ON
        if (value := response.headers.get(name)) is not None
    ]
    return About(size, printable(response.headers.get("etag")), headers, at)


def _size(response: Response) -> int | None:
    """The size of the whole file."""
    if response.status == 206:
        try:
            return parse_content_range(response.headers.get("content-range") or "")[2]
        except ValueError:
            return None
    coding = response.headers.get("content-encoding") or "identity"
    return response.length if coding == "identity" else None

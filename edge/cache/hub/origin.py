"""The hub as it is asked: redirects are followed, and a token goes to the hub alone.

A redirect that stays at the hub (a renamed repository, the hub's own cache of small files) is
followed with the token. One that leads to a storage host ends a HEAD: what the file is, the hub has
said by then. A GET follows it without the token, to the storage hosts that are configured.

Source: RFC 9110 sections 10.2.2 and 15.4
"""

from __future__ import annotations

from typing import cast

from edge.cache.hub import links, rights
from edge.cache.pull.conditions import parse_content_range
from edge.cache.pull.source import ChangedError, OriginError
from edge.http.errors import HttpError
from edge.url import Url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.http.client import HttpClient
    from edge.http.heads import Headers
    from edge.http.request import Request
    from edge.http.response import Response

_HOPS = 5
_MOVED = frozenset({301, 302, 303, 307, 308})
_BUSY = frozenset({408, 429, 500, 502, 503, 504})  # it may be otherwise soon
_TOLD = ("X-Repo-Commit", "Retry-After", "RateLimit", "RateLimit-Policy")
_MAX_VALUE = 1024  # characters of a header that is passed on


class Refusal(OriginError):
    """What the hub refuses, in its own words. `headers`: what else a client is told."""

    def __init__(
        self, status: int, message: str, code: str = "", headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        super().__init__(status, message, code)
        self.headers = headers

    @classmethod
    def of(cls, response: Response) -> Refusal:
        """Of an answer with a status from 400 on."""
        found = response.headers
        told = [(name, printable(found.get(name))) for name in _TOLD if found.get(name)]
        message = printable(found.get("x-error-message")) or "the hub refuses"
        return cls(response.status, message, printable(found.get("x-error-code")), told)

    def again(self) -> Refusal:
        """The same without a past: one that is kept and raised holds what it passed through."""
        return Refusal(self.status, str(self), self.code, self.headers)

    @property
    def passing(self) -> bool:
        """Whether the hub cannot answer now: what was kept may stand in for it."""
        return self.status in _BUSY


class Asker:
    """Who asks: `authorization` as he sent it, `who` its hash, `agent` his User-Agent."""

    __slots__ = ("agent", "authorization", "who")

    def __init__(self, authorization: str, agent: str) -> None:
        self.authorization = authorization
        self.agent = agent
        self.who = rights.who(authorization)

    @classmethod
    def of(cls, request: Request) -> Asker:
        return cls(
            request.headers.get("authorization") or "", request.headers.get("user-agent") or ""
        )

    def anybody(self) -> Asker:
        """The same without a token."""
        return Asker("", self.agent)


class Origin:
    """`url`: of the hub. `hosts`: where it may redirect downloads to, as [cache] has them."""

    def __init__(self, client: HttpClient, url: Url, hosts: Sequence[str]) -> None:
        self.url = url
        self._client = client
        self._hosts = frozenset(hosts)

    async def head(self, asker: Asker, target: str) -> list[tuple[int, Headers]]:
        """The answers to HEAD on the way to the file, or to its storage. Raises Refusal."""
        answers = []
        for _ in range(_HOPS):
            response = await self.ask("HEAD", asker, target)
            response.close()
            answers.append((response.status, response.headers))
            if response.status not in _MOVED:
                if response.status != 200:
                    raise Refusal(502, f"the hub answers HEAD with {response.status}")
                return answers
            moved = self.within(response.headers.get("location") or "")
            if moved is None:
                return answers
            target = moved
        raise Refusal(502, "the hub redirects in a circle")

    async def fetch(self, asker: Asker, target: str, start: int, end: int | None) -> Response:
        """The body of a file from `start` to before `end`, wherever it is. Raises OriginError."""
        wanted = [("Range", f"bytes={start}-{'' if end is None else end - 1}")]
        headers = wanted if start or end is not None else []
        for _ in range(_HOPS):
            response = await self.ask("GET", asker, target, headers)
            if response.status not in _MOVED:
                return checked(response)
            response.close()
            location = response.headers.get("location") or ""
            moved = self.within(location)
            if moved is None:
                return await self._stored(location, headers)
            target = moved
        raise Refusal(502, "the hub redirects in a circle")

    async def size(self, asker: Asker, target: str) -> int | None:
        """The size of a file by the answer to a request for its first byte. Raises OriginError."""
        response = await self.fetch(asker, target, 0, 1)
        response.close()
        if response.status == 200:
            return response.length
        try:
            return parse_content_range(response.headers.get("content-range") or "")[2]
        except ValueError:
            return None

    async def ask(
        self,
        method: str,
        asker: Asker,
        target: str,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Response:
        """The hub's answer, of a status below 400. Raises Refusal."""
        fields = [("Accept-Encoding", "identity"), *headers]
        if asker.authorization:
            fields.append(("Authorization", asker.authorization))
        if asker.agent:
            fields.append(("User-Agent", asker.agent))
        try:
            response = await self._client.request(
                method, self.url, self.url.path + target, fields, body
            )
        except HttpError as error:
            raise Refusal(504, f"the hub does not answer: {error}") from None
        if response.status >= 400:
            response.close()
            raise Refusal.of(response)
        return response

    def within(self, location: str) -> str | None:
        """The target at the hub that a Location leads to, None where it leads elsewhere."""
        return links.at_hub(location, self.url.root, self.url.path)

    async def _stored(self, location: str, headers: Sequence[tuple[str, str]]) -> Response:
        """The answer of a storage host, which may redirect to another."""
        for _ in range(_HOPS):
            url, target = storage(location)
            if not is_one_of(url, self._hosts) or url.scheme < self.url.scheme:  # https to http
                raise Refusal(502, f"{url.root} is none of the storage_hosts")
            try:
                response = await self._client.request(
                    "GET", url, target, [("Accept-Encoding", "identity"), *headers]
                )
            except HttpError as error:
                raise Refusal(504, f"the storage does not answer: {error}") from None
            if response.status not in _MOVED:
                return checked(response)
            response.close()
            location = response.headers.get("location") or ""
        raise Refusal(502, "the storage redirects in a circle")


def checked(response: Response) -> Response:
    """`response`, if it has bytes of the file. Raises OriginError."""
    status = response.status
    if status in (200, 206):
        return plain(response)
    response.close()
    if status in (404, 410, 412, 416):
        raise ChangedError(502, "the file is not there any more as it was")
    raise Refusal(502 if status < 500 else 504, f"the storage answers with {status}")


def plain(response: Response) -> Response:
    """`response` with its body as it is, or as it was before it was coded. Raises Refusal."""
    coding = response.headers.words("content-encoding")
    if coding in ([""], ["identity"]):
        return response
    if coding == ["gzip"] and response.status == 200:
        try:
            from edge.cache.hub.coded import Decoded
        except ImportError:  # the static binary has no zlib
            pass
        else:
            return cast("Response", Decoded(response))
    response.close()
    raise Refusal(502, "the origin sent the body coded, though it was asked not to")


def storage(location: str) -> tuple[Url, str]:
    """The host that an absolute Location leads to, and the target there. Raises Refusal."""
    scheme, _, rest = location.partition("://")
    end = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    target = rest[end:].partition("#")[0]
    target = target if target.startswith("/") else "/" + target
    try:
        url = Url.parse(f"{scheme}://{rest[:end]}")
    except ValueError:
        raise Refusal(502, "the hub redirects to what is no address") from None
    if not all(32 < ord(char) < 127 for char in target):
        raise Refusal(502, "the hub redirects to what is no address")
    return url, target


def is_one_of(url: Url, hosts: frozenset[str]) -> bool:
    """Whether `url` leads to one of `hosts`, each host:port, or `*.` and the end of a name."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    labels = host.split(".")
    ends = ["*." + ".".join(labels[at:]) for at in range(1, len(labels))]
    return any(f"{name}:{url.port}" in hosts for name in [host, *ends])


def printable(value: str | None) -> str:
    """A header's value that can be sent on."""
    return "".join(char for char in (value or "")[:_MAX_VALUE] if 32 <= ord(char) < 127).strip()

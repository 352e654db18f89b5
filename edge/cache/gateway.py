"""The gateway: whose request it is, whom it is for, and what is refused before anybody is asked.

Paths lead to the hub, but for /v2/ (Ollama's registry) and the names of configured origins. There
is no way through it to any other host.
"""

from __future__ import annotations

from edge.http.exchange import PLAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from edge.http.exchange import Exchange
    from edge.http.request import Request

    Serve = Callable[[Request, Exchange], Awaitable[None]]

_WELCOME = """\
This is the model cache of {agent}.

It keeps what it has fetched, and gives it to everybody in this network. To use it:

    HF_ENDPOINT=http://{host} hf download REPOSITORY
    ollama pull http://{host}/library/MODEL --insecure
{origins}
https://github.com/kwaainet/kwaainet-edge, docs/cache.md, tells more.
"""
_ORIGIN = "    curl -O http://{host}/{name}/PATH          from {url}\n"
_CORS = [
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Expose-Headers", "*"),
]
_PREFLIGHT = [
    ("Access-Control-Allow-Methods", "GET, HEAD"),
    ("Access-Control-Allow-Headers", "Range, If-Range, If-Match, If-None-Match, User-Agent"),
    ("Access-Control-Max-Age", "86400"),
]


class Gateway:
    """`hub`, `registry`: what serves their paths. `origins`: by name.

    `cors`: pages of any site may read what is public. `refused`: requests, by reason.
    """

    def __init__(self, agent: str, hub: Serve, registry: Serve) -> None:
        self.cors = False
        self.origins: Mapping[str, tuple[str, Serve]] = {}  # by name: address, what serves it
        self.refused: dict[str, int] = {}
        self._agent = agent
        self._hub = hub
        self._registry = registry

    async def serve(self, request: Request, exchange: Exchange) -> None:
        """Answer one request."""
        if self.cors and request.headers.get("authorization") is None:
            exchange.more += _CORS
        if request.method == "OPTIONS":
            await self._options(exchange)
        elif self._is_foreign(request):
            why = "pages of other sites may not read this cache; see [cache] cors"
            await self._refuse(exchange, "cross_site", 403, why)
        elif request.path == "/":
            await self._welcome(request, exchange)
        else:
            await self._server(request)(request, exchange)

    def _server(self, request: Request) -> Serve:
        first = request.segments[0]
        if first in self.origins:
            return self.origins[first][1]
        return self._registry if first == "v2" else self._hub

    def _is_foreign(self, request: Request) -> bool:
        """Whether a page of another site asks, not somebody who follows a link."""
        headers = request.headers
        site, mode = headers.get("sec-fetch-site"), headers.get("sec-fetch-mode")
        return site == "cross-site" and mode != "navigate" and not self.cors

    async def _options(self, exchange: Exchange) -> None:
        if not self.cors:
            why = "pages of other sites may not read this cache; see [cache] cors"
            await self._refuse(exchange, "cross_site", 405, why, ("Allow", "GET, HEAD"))
            return
        await exchange.head(204, _PREFLIGHT, None)

    async def _welcome(self, request: Request, exchange: Exchange) -> None:
        if request.method not in ("GET", "HEAD"):
            await self._refuse(exchange, "method", 405, "only GET and HEAD", ("Allow", "GET, HEAD"))
            return
        host = request.host or "ADDRESS"
        lines = [
            _ORIGIN.format(host=host, name=name, url=url)
            for name, (url, _) in sorted(self.origins.items())
        ]
        text = _WELCOME.format(agent=self._agent, host=host, origins="".join(lines))
        await exchange.answer(200, [("Content-Type", PLAIN)], text.encode())

    async def _refuse(
        self, exchange: Exchange, reason: str, status: int, why: str, *headers: tuple[str, str]
    ) -> None:
        self.refused[reason] = self.refused.get(reason, 0) + 1
        await exchange.refuse(status, why, *headers)

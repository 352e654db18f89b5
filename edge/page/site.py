"""The paths of the page: what is at which, for whom, under which headers.

Nothing on the page is from elsewhere and nothing in it runs but page.js: Content-Security-Policy.
No other page may frame it or load its parts, and none is told where one came from.

Source: W3C CSP Level 3, Fetch (Cross-Origin-Resource-Policy)
"""

from __future__ import annotations

from edge.page import assets
from edge.page.access import Access, is_foreign
from edge.page.document import Document
from edge.page.feed import Feed
from edge.page.figures import figures
from edge.page.token import Token

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.budget import Pool
    from edge.http.exchange import Exchange
    from edge.http.request import Request
    from edge.page.figures import Figures, Overview

_HTML = "text/html; charset=utf-8"
_ASSETS = {
    "/page.js": "text/javascript; charset=utf-8",
    "/icon.svg": "image/svg+xml",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src {style}; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_SAFE = [
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
]
_FRESH = ("Cache-Control", "no-store")
_KEPT = ("Cache-Control", "max-age=31536000, immutable")  # its address has the tag of its content
_NEEDED = "It is not opened from everywhere: it asks for a token."
_WRONG = "That token is not right, or no more."


def site(overview: Callable[[], Overview], pool: Pool, directory: str, name: str) -> Site:
    """Of the node with its data in `directory`; `name`: see Access; `pool`: see Feed."""
    return Site(overview, Access(Token(directory), name), pool)


class Site:
    """Shows `overview()`; `access` says to whom. `paths`: those that it serves."""

    paths = ("/", "/events", *_ASSETS)

    def __init__(self, overview: Callable[[], Overview], access: Access, pool: Pool) -> None:
        self.access = access
        self._overview = overview
        self._files = assets.load()
        self._tag = {"tag": assets.tag(self._files)}
        self._page = Document(self._files["page.html"])
        self._locked = Document(self._files["locked.html"])
        policy = _POLICY.format(style=assets.source_hash(self._files["page.css"]))
        self._safe = [("Content-Security-Policy", policy), *_SAFE]
        self.feed = Feed(self._figures, pool)

    async def serve(self, request: Request, exchange: Exchange) -> None:
        """Answer a GET or HEAD of one of its paths."""
        if is_foreign(request):
            await exchange.refuse(403, "pages of other sites may not read this one", *self._safe)
        elif request.path in _ASSETS:
            body = self._files[request.path[1:]].encode()
            kind = ("Content-Type", _ASSETS[request.path])
            await exchange.answer(200, [kind, _KEPT, *self._safe], body)
        elif request.path == "/" and "token=" in request.query:
            await self._enter(request, exchange)
        elif not self.access.admits(request):
            await self._refuse(exchange, _WRONG if self.access.is_stale(request) else _NEEDED)
        elif request.path == "/":
            fields = [("Content-Type", _HTML), _FRESH, *self._safe]
            await exchange.answer(200, fields, self._page.filled(self._figures() | self._tag))
        else:
            await self.feed.serve(exchange, self._safe, lambda: self.access.admits(request))

    async def _enter(self, request: Request, exchange: Exchange) -> None:
        """Have the browser keep a session, and go to where no token is in the address."""
        texts = [word.partition("=") for word in request.query.split("&")]
        text = next((value for name, _, value in texts if name == "token"), "")
        if self.access.is_right(text):
            fields = [("Location", "./"), self.access.cookie(), _FRESH, *self._safe]
            await exchange.answer(303, fields)
        else:
            await self._refuse(exchange, _WRONG)

    async def _refuse(self, exchange: Exchange, why: str) -> None:
        fields = [("Content-Type", _HTML), _FRESH, *self._safe]
        await exchange.answer(403, fields, self._locked.filled({"why": why, **self._tag}))

    def _figures(self) -> Figures:
        return figures(self._overview())

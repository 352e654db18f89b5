"""The pages that the node serves over HTTP: /metrics for Prometheus, /health for who restarts it.

One request a connection, GET and HEAD. Whoever reaches the address may read these, so they are off
unless the owner turns them on, and then on the loopback interface alone unless he names another.
The page for people (edge/page/) is beside them, and lets in whom it knows.

/health answers at all only while the event loop turns; it says "ok" (200) while the node listens,
or was never to, and 503 otherwise. A pause is no illness.
"""

from __future__ import annotations

from edge.http.limits import Limits
from edge.status import exposition, metrics
from edge.status.report import WELL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edge.host import Status
    from edge.http.exchange import Exchange
    from edge.http.request import Request
    from edge.http.server import Handler
    from edge.page.site import Site

    Page = Callable[[], tuple[int, str, bytes]]  # status, content type, body
    Pages = Mapping[str, Page]  # by path

_MAX_HEAD = 4096  # bytes of a request's head
_MAX_CLIENTS = 8
_MAX_BROWSERS = 24  # clients more, where there is the page: a browser has several connections
_MAX_BROWSER_HEAD = 16384  # cookies of all that this host serves come with a request
_TIMEOUT = 5.0  # seconds for the request to come, and for the answer to be taken
_ACK_TIMEOUT = 60.0  # seconds that the kernel tries


def pages(status: Callable[[], Status], health: Callable[[], Status]) -> Pages:
    """By path. `status`: reports; `health`: whether the node does what it was started for."""

    def metrics_page() -> tuple[int, str, bytes]:
        return 200, exposition.CONTENT_TYPE, metrics.metrics(status()).encode()

    def health_page() -> tuple[int, str, bytes]:
        import json

        found = health()
        code = 200 if found["status"] == WELL else 503
        return code, "application/json", json.dumps(found).encode() + b"\n"

    return {"/metrics": metrics_page, "/health": health_page}


def limits(browsers: bool = False) -> Limits:
    """Small ones, for few programs that ask now and then. `browsers`: and for people who look."""
    found = Limits()
    found.max_head = _MAX_BROWSER_HEAD if browsers else _MAX_HEAD
    found.max_clients = _MAX_CLIENTS + _MAX_BROWSERS * browsers
    found.max_clients_per_ip = _MAX_BROWSERS if browsers else _MAX_CLIENTS  # room for others
    found.head_timeout = found.body_timeout = found.speed_window = _TIMEOUT
    found.ack_timeout = _ACK_TIMEOUT
    return found


def handler(pages: Pages, sites: Sequence[Site] = ()) -> Handler:
    """What answers with `pages`, and with the first of `sites`, if there is one."""

    async def answer(request: Request, exchange: Exchange) -> None:
        exchange.keep = False
        if request.method not in ("GET", "HEAD"):
            await exchange.refuse(405, "only GET and HEAD", ("Allow", "GET, HEAD"))
            return
        page = pages.get(request.path)
        if page is not None:
            status, kind, body = page()
            fields = [("Content-Type", kind), ("Cache-Control", "no-store")]
            await exchange.answer(status, fields, body)
        elif sites and request.path in sites[0].paths:
            await sites[0].serve(request, exchange)
        else:
            found = [*pages, *(["/"] if sites else [])]
            await exchange.refuse(404, "here are " + " and ".join(found))

    return answer

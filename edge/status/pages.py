"""The pages that the node serves over HTTP: /metrics for Prometheus, /health for who restarts it.

One request a connection, GET and HEAD. Whoever reaches the address may read the pages, so it is off
unless the owner turns it on, and then on the loopback interface alone unless he names another.

/health answers at all only while the event loop turns; it says "ok" (200) while the node listens,
or was never to, and 503 otherwise. A pause is no illness.
"""

from __future__ import annotations

from edge.http.limits import Limits
from edge.status import exposition, metrics

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edge.host import Status
    from edge.http.exchange import Exchange
    from edge.http.request import Request
    from edge.http.server import Handler

    Page = Callable[[], tuple[int, str, bytes]]  # status, content type, body

_MAX_HEAD = 4096  # bytes of a request's head
_MAX_CLIENTS = 8
_TIMEOUT = 5.0  # seconds for the request to come, and for the answer to be taken


def pages(status: Callable[[], Status], well: Callable[[], bool]) -> dict[str, Page]:
    """By path. `status`: reports; `well`: whether the node does what it was started for."""

    def metrics_page() -> tuple[int, str, bytes]:
        return 200, exposition.CONTENT_TYPE, metrics.metrics(status()).encode()

    def health_page() -> tuple[int, str, bytes]:
        import json

        ok, now = well(), status()
        found = {
            "status": "ok" if ok else "not accepting connections",
            "mode": now.get("mode"),
            "reason": now.get("mode_reason"),
        }
        return 200 if ok else 503, "application/json", json.dumps(found).encode() + b"\n"

    return {"/metrics": metrics_page, "/health": health_page}


def limits() -> Limits:
    """Small ones, for few programs that ask now and then."""
    found = Limits()
    found.max_head = _MAX_HEAD
    found.max_clients = found.max_clients_per_ip = _MAX_CLIENTS
    found.head_timeout = found.body_timeout = found.speed_window = _TIMEOUT
    return found


def handler(pages: Mapping[str, Page]) -> Handler:
    """What answers with `pages`."""

    async def answer(request: Request, exchange: Exchange) -> None:
        exchange.keep = False
        if request.method not in ("GET", "HEAD"):
            await exchange.refuse(405, "only GET and HEAD", ("Allow", "GET, HEAD"))
            return
        page = pages.get(request.path)
        if page is None:
            await exchange.refuse(404, "here are " + " and ".join(pages))
            return
        status, kind, body = page()
        await exchange.answer(status, [("Content-Type", kind), ("Cache-Control", "no-store")], body)

    return answer

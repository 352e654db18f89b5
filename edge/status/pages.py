"""The pages that the node serves over HTTP: /metrics for Prometheus, /health for who restarts it.

/health answers at all only while the event loop turns; it says "ok" (200) while the node listens,
or was never to, and 503 otherwise. A pause is no illness.
"""

from __future__ import annotations

from edge.status import exposition, metrics

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.host import Status
    from edge.http.server import Page


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

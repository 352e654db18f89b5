"""The pages that the node serves over HTTP: /metrics for Prometheus, /health for who restarts it.

/health answers at all only while the event loop turns; it says "ok" (200) while the node listens,
or was never to, and 503 otherwise. A pause is no illness.
"""

from __future__ import annotations

from edge.status import metrics, report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.status.http import Page
    from edge.status.report import Sources


def pages(sources: Sources) -> dict[str, Page]:
    """By path."""
    listened = bool(sources.swarm.listening)

    def metrics_page() -> tuple[int, str, bytes]:
        return 200, metrics.CONTENT_TYPE, metrics.metrics(report.status(sources)).encode()

    def health_page() -> tuple[int, str, bytes]:
        import json

        well = sources.swarm.accepting or not listened
        decision = sources.modes.decision
        found = {
            "status": "ok" if well else "not accepting connections",
            "mode": decision.mode,
            "reason": decision.reason,
        }
        return 200 if well else 503, "application/json", json.dumps(found).encode() + b"\n"

    return {"/metrics": metrics_page, "/health": health_page}

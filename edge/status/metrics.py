"""The status report as Prometheus reads it: the page /metrics."""

from __future__ import annotations

from edge import log, rooms
from edge.status.exposition import Exposition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Status = Mapping[str, Any]


def metrics(status: Status) -> str:
    """The page /metrics. `status`: as edge.status.report gives it."""
    page = Exposition()
    page.gauge("build_info", "Constant 1.", [({"version": str(status["version"])}, 1)])
    page.gauge("uptime_seconds", "Time since the start.", status["uptime"])
    _add_connections(page, status)
    _add_memory(page, status["memory"])
    if "flash" in status:
        page.counter("flash_written_bytes", "Put on the disk.", status["flash"]["written"])
    for view in rooms.views():
        try:
            view.metrics(page, status)
        except Exception as error:  # noqa: BLE001 - whatever it is, the page is served without
            log.error("metrics-failed", error=f"{type(error).__name__}: {error}")
    return page.text()


def _add_connections(page: Exposition, status: Status) -> None:
    links = status["connections"]
    states = [({"state": state}, links[state]) for state in ("open", "pending")]
    page.gauge("connections", "Connections with peers.", states)
    page.gauge("connections_limit", "Connections allowed.", links["max"])
    page.gauge("peers", "Peers connected.", links["peers"])
    page.counter(
        "protocol_errors", "Connections closed for breaking a protocol.", links["protocol_errors"]
    )
    refused = status["refusals"]["connections"]
    page.counter("connections_refused", "By reason.", page.labelled("reason", refused))


def _add_memory(page: Exposition, memory: Status) -> None:
    if "rss" in memory:
        page.gauge("memory_resident_bytes", "Of this process.", memory["rss"])
    if "limit" not in memory:
        return
    page.gauge("memory_limit_bytes", "What this process may use.", memory["limit"])
    rooms = memory.get("rooms", {})
    leased = {name: room["used"] for name, room in rooms.items()}
    refused = {name: room["refused"] for name, room in rooms.items()}
    page.gauge("memory_leased_bytes", "By use.", page.labelled("room", leased))
    page.counter("memory_leases_refused", "By use.", page.labelled("room", refused))

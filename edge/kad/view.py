"""Peer routing in `kwaainet status`, and in the metrics."""

from __future__ import annotations

from edge.view import View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.status.exposition import Exposition
    from edge.view import Answer, Rows


def _rows(answer: Answer) -> Rows:
    if "kad" not in answer:
        return []
    shown = answer["kad"]
    found, made = shown["requests"]["find_node"], shown["searches"]
    return [("peer routing", f"{shown['peers']} peers, {found} searches answered, {made} made")]


def _metrics(page: Exposition, status: Answer) -> None:
    if "kad" not in status:
        return
    told = status["kad"]
    page.gauge("kad_peers", "Peers in the routing table.", told["peers"])
    page.gauge("kad_providers", "Provider records held for others.", told["providers"])
    page.counter("kad_searches", "Searches made.", told["searches"])
    requests = page.labelled("type", told["requests"])
    page.counter("kad_requests", "Requests answered, by type.", requests)
    page.counter("kad_refused", "Requests refused.", told["refused"])


VIEW = View(rows=_rows, metrics=_metrics)

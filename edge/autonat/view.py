"""Dial-backs in `kwaainet status`, and in the metrics."""

from __future__ import annotations

from edge.text import counted
from edge.view import View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.status.exposition import Exposition
    from edge.view import Answer, Rows


def _rows(answer: Answer) -> Rows:
    found = answer.get("autonat", {})
    reached, failed = found.get("reached", 0), found.get("failed", 0)
    if not reached and not failed:
        return ()
    asked = counted(reached + failed, "network")
    return [("dialled back", f"from {reached} of {asked} that were asked")]


def _metrics(page: Exposition, status: Answer) -> None:
    if "autonat" not in status:
        return
    found = status["autonat"]
    outcomes = [({"reached": word}, found[name]) for word, name in _OUTCOMES]
    page.gauge("autonat_networks", "Networks whose peers have dialled this node back.", outcomes)
    answered = page.labelled("outcome", found["answered"])
    page.counter("autonat_requests", "Dial-backs that peers have asked for.", answered)


_OUTCOMES = (("yes", "reached"), ("no", "failed"))
VIEW = View(rows=_rows, metrics=_metrics)

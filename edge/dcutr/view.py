"""What status and the metrics show of direct connections through NAT."""

from __future__ import annotations

from edge.view import View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.status.exposition import Exposition
    from edge.view import Answer, Rows


def _rows(answer: Answer) -> Rows:
    dcutr = answer.get("dcutr", {})
    if not dcutr or not dcutr["punched"] + dcutr["failed"]:
        return ()
    return [("hole punching", f"{dcutr['punched']} direct connections, {dcutr['failed']} failed")]


def _metrics(page: Exposition, status: Answer) -> None:
    if "dcutr" not in status:
        return
    told = {"result": "punched"}, {"result": "failed"}, {"result": "refused"}
    counts = [(labels, status["dcutr"][labels["result"]]) for labels in told]
    page.counter("dcutr_attempts", "Attempts to reach a peer through NAT, by result.", counts)


VIEW = View(rows=_rows, metrics=_metrics)

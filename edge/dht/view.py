"""The DHT in `kwaainet status`, and in the metrics."""

from __future__ import annotations

from edge.text import counted
from edge.view import View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.status.exposition import Exposition
    from edge.view import Answer, Rows


def _rows(answer: Answer) -> Rows:
    if "dht" not in answer:
        return ()
    dht = answer["dht"]
    known = counted(dht["nodes"], "node") + " known"
    role = "stores for others" if dht["serving"] else "asks only"
    return [("dht", f"{known}, {role}"), *_announced(dht["announced"])]


def _announced(told: Answer) -> Rows:
    if not told["nodes"]:
        return ()
    at = counted(told["nodes"], "node")
    return [("announced as", f"{', '.join(told['roles'])}, at {at}")]


def _metrics(page: Exposition, status: Answer) -> None:
    if "dht" not in status:
        return
    dht = status["dht"]
    page.gauge("dht_nodes", "Nodes in the routing table of the DHT.", dht["nodes"])
    served = page.labelled("call", dht["served"])
    page.counter("dht_served", "Calls of other nodes that were answered.", served)
    keys = page.labelled("call", dht["keys"])
    page.counter("dht_keys", "Keys that these calls were about.", keys)
    page.counter("dht_calls", "Calls made to other nodes.", dht["calls"])
    page.counter("dht_failures", "Of these, calls without an answer.", dht["failures"])
    page.counter("dht_dial_backs", "Callers dialled back.", dht["dial_backs"])


VIEW = View(rows=_rows, metrics=_metrics)

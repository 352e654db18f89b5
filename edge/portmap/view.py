"""Port mapping in `kwaainet status`, and in the metrics."""

from __future__ import annotations

from edge.text import shown, span
from edge.view import View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.status.exposition import Exposition
    from edge.view import Answer, Rows


def _rows(answer: Answer) -> Rows:
    mapping = answer.get("port_mapping", {})
    texts = [_one(each) for each in mapping.get("ports", ())]
    if not texts and mapping.get("error"):
        texts = [f"none: {shown(mapping['error'])}"]
    return [("" if i else "port mapping", text) for i, text in enumerate(texts)]


def _one(port: Answer) -> str:
    text = f"{shown(port['external'])} by {shown(port['protocol'])}"
    if not port["public"]:
        return f"{text}, not public: another NAT is behind the gateway"
    if not port["confirmed"]:
        text += ", not confirmed yet"
    return f"{text}, renewed in {span(port['renewed_in'])}"


def _metrics(page: Exposition, status: Answer) -> None:
    if "port_mapping" in status:
        mapping = status["port_mapping"]
        page.gauge("port_mappings", "Ports that the gateway forwards.", len(mapping["ports"]))
        failed = mapping["failed"]
        page.counter("port_mapping_failures", "Requests that it did not grant.", failed)


VIEW = View(rows=_rows, metrics=_metrics)

"""The peers of the local network in `kwaainet status` and the metrics."""

from edge.text import shown
from edge.view import View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.status.exposition import Exposition
    from edge.view import Answer, Rows


def _rows(answer: "Answer") -> "Rows":
    mdns = answer.get("mdns", {})
    if not mdns.get("interfaces"):
        return ()
    count, connected = len(mdns["peers"]), sum(peer["connected"] for peer in mdns["peers"])
    text = f"{count} {'peer' if count == 1 else 'peers'} found"
    also = f", {connected} connected" if connected else ""
    where = ", ".join([shown(name) for name in mdns["interfaces"]])
    return [("local network", f"{text} on {where}{also}")]


def _metrics(page: "Exposition", status: "Answer") -> None:
    if "mdns" not in status:
        return
    peers = status["mdns"]["peers"]
    page.gauge("mdns_peers", "Peers found on the local network.", len(peers))
    connected = sum(peer["connected"] for peer in peers)
    page.gauge("mdns_peers_connected", "Those of them that are connected.", connected)
    counted = page.labelled("kind", status["mdns"]["messages"])
    page.counter("mdns_messages", "Messages of multicast DNS, by kind.", counted)


VIEW = View(rows=_rows, metrics=_metrics)

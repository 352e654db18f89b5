"""The relay in `kwaainet status`, `peers` and `run`, and in the metrics."""

from __future__ import annotations

from edge.text import short_peer, shown, size, span
from edge.view import Column, View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.status.exposition import Exposition
    from edge.view import Answer, Rows


def _rows(answer: Answer) -> Rows:
    rows = []
    reservations = answer.get("reservations", {})
    if "held" in reservations:
        held, most = reservations["held"], reservations["max"]
        rows.append(("reservations", f"{held} held for others (limit {most})"))
    own = [
        f"{short_peer(shown(each['relay']))}, renewed within {span(each['expires_in'])}"
        for each in reservations.get("own", ())
    ]
    if reservations.get("wanted") and not own:
        own = [f"none yet, {reservations['wanted']} wanted"]
    rows += [("" if i else "own relays", text) for i, text in enumerate(own)]
    if "circuits" in answer:
        circuits = answer["circuits"]
        text = f"{circuits['open']} open, {circuits['total']} since start"
        rows.append(("circuits", f"{text} (limit {circuits['max']})"))
    if "bytes" in answer:
        there, back = answer["bytes"]["to_listeners"], answer["bytes"]["to_dialers"]
        rows.append(("relayed", f"{size(there)} to listeners, {size(back)} to dialers"))
    return rows


def _banner(answer: Answer) -> Rows:
    if "circuits" not in answer:
        return ()
    circuits = answer["circuits"]
    duration, data = circuits["max_duration"], circuits["max_data"]
    most = f"{answer['reservations']['max']} reservations, {circuits['max']} circuits"
    ends = [span(duration)] if duration else []
    ends += [f"{size(data)} each way"] if data else []
    text = f"closed after {' or '.join(ends)}" if ends else "unlimited time and data"
    return [("relay", f"up to {most}"), ("circuits", text)]


def _metrics(page: Exposition, status: Answer) -> None:
    if "circuits" not in status:
        return
    held, circuits, passed = status["reservations"], status["circuits"], status["bytes"]
    page.gauge("relay_reservations", "Reservations held for others.", held["held"])
    page.gauge("relay_reservations_limit", "Reservations allowed.", held["max"])
    page.gauge("relay_circuits", "Circuits open.", circuits["open"])
    page.gauge("relay_circuits_limit", "Circuits allowed.", circuits["max"])
    page.counter("relay_circuits_opened", "Circuits since the start.", circuits["total"])
    ways = [({"direction": way}, passed[way]) for way in ("to_listeners", "to_dialers")]
    page.counter("relay_bytes", "Bytes relayed.", ways)
    refused = page.labelled("status", status["refusals"]["relay"])
    page.counter("relay_refused", "Refusals, by the status answered.", refused)


VIEW = View(
    rows=_rows,
    banner=_banner,
    columns=(
        Column("RESERVED", "reserved", lambda peer: "yes" if peer["reserved"] else "-", False),
        Column("CIRCUITS", "circuits", lambda peer: str(peer["circuits"])),
        Column("FROM", "bytes_from", lambda peer: size(peer["bytes_from"])),
        Column("TO", "bytes_to", lambda peer: size(peer["bytes_to"])),
    ),
    metrics=_metrics,
)

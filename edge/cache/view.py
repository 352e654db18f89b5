"""What status and the metrics show of the cache."""

from __future__ import annotations

from edge.text import size
from edge.view import Column, View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.status.exposition import Exposition
    from edge.view import Answer, Rows


def _rows(answer: Answer) -> Rows:
    cache = answer.get("cache", {})
    if "files" not in cache:
        return ()
    kept = f"{cache['files']} files, {size(cache['bytes'])} of {size(cache['size'])}"
    if cache["trouble"]:
        kept += f"; keeps nothing new: {cache['trouble']}"
    rows = [("cache", kept)]
    if cache["listening"]:
        served, saved = size(cache["lan_bytes"]), size(cache["saved_bytes"])
        rows.append(("", f"{served} served, {saved} of it not fetched again"))
        where = ", ".join(cache["listening"])
        rows.append(("gateway", f"{where}; {cache['hits']} hits, {cache['misses']} misses"))
    pieces = cache.get("fragments", {})
    if pieces.get("shared"):
        given = size(sum(pieces["bytes"].values()))
        rows.append(("peers", f"{given} given, {size(pieces['fetched'])} fetched"))
    return rows


def _banner(answer: Answer) -> Rows:
    listening = answer.get("cache", {}).get("listening")
    return [("gateway", "http://" + ", http://".join(listening))] if listening else ()


def _metrics(page: Exposition, status: Answer) -> None:
    cache = status.get("cache", {})
    if "files" not in cache:
        return
    page.gauge("cache_files", "Files of which something is kept.", cache["files"])
    page.gauge("cache_bytes", "Bytes of disk that the cache takes.", cache["bytes"])
    page.gauge("cache_size_bytes", "Bytes of disk that the cache may take.", cache["size"])
    page.gauge("cache_available", "Whether new files are kept.", int(not cache["trouble"]))
    page.gauge("cache_clients", "Connections of clients.", cache["clients"])
    page.gauge("cache_downloads", "Downloads from origins.", cache["downloads"])
    answers = [({"result": result}, cache[result]) for result in ("hits", "misses")]
    page.counter("cache_requests", "Files asked for, by where they came from.", answers)
    page.counter("cache_wan_bytes", "Bytes from origins.", cache["wan_bytes"])
    page.counter("cache_wan_bytes_saved", "Bytes not fetched again.", cache["saved_bytes"])
    page.counter("cache_lan_bytes", "Bytes to clients.", cache["lan_bytes"])
    written = cache["flash_bytes_written"]
    page.counter("cache_flash_bytes_written", "Bytes written to the disk.", written)
    page.counter("cache_repaired_bytes", "Bytes found wrong and dropped.", cache["repaired_bytes"])
    page.counter("cache_evicted_bytes", "Bytes that made room for others.", cache["evicted_bytes"])
    refused = page.labelled("reason", status["refusals"]["cache"])
    page.counter("cache_refused", "Refusals, by reason.", refused)
    pieces = cache["fragments"]
    page.counter("cache_fragments", "Pieces given to peers.", pieces["served"])
    ways = page.labelled("way", pieces["bytes"])
    page.counter("cache_fragment_bytes", "Bytes of pieces given to peers.", ways)
    page.counter("cache_fragment_bytes_fetched", "Bytes fetched from peers.", pieces["fetched"])
    page.counter("cache_fragments_wrong", "Answers of peers that were wrong.", pieces["wrong"])
    errors = page.labelled("error", pieces["refused"])
    page.counter("cache_fragments_refused", "Requests of peers refused, by error.", errors)


VIEW = View(
    rows=_rows,
    banner=_banner,
    columns=(Column("PIECES", "fragment_bytes", lambda peer: size(peer.get("fragment_bytes", 0))),),
    metrics=_metrics,
)

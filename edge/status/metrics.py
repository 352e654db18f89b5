"""The status report as Prometheus reads it.

Written by hand: prometheus-client takes 5.3 MB of resident memory and 85 modules (CPython 3.11,
beside asyncio), which a router does not have. Label values are words of the program, never of a
peer, and MAX_VALUES of them at most, the rest counted as "other".

Source: prometheus.io/docs/instrumenting/exposition_formats (text format 0.0.4) and
prometheus.io/docs/practices/naming
"""

from __future__ import annotations

from edge import rooms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    Status = Mapping[str, Any]
    Samples = Iterable[tuple[Mapping[str, str], float]]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MAX_VALUES = 64
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


class Exposition:
    """The text being written."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def gauge(self, name: str, text: str, samples: float | Samples) -> None:
        """What goes up and down. `samples`: one number, or several with their labels."""
        self._family(name, "gauge", text, samples)

    def counter(self, name: str, text: str, samples: float | Samples) -> None:
        """What only grows; "_total" is put behind its name."""
        self._family(f"{name}_total", "counter", text, samples)

    @staticmethod
    def labelled(label: str, counts: Mapping[str, int]) -> list[tuple[dict[str, str], float]]:
        """Samples of one label, in the order of its values."""
        found = [({label: name}, count) for name, count in sorted(counts.items())]
        rest = sum(count for _, count in found[MAX_VALUES - 1 :])
        if len(found) <= MAX_VALUES:
            return list(found)
        return [*found[: MAX_VALUES - 1], ({label: "other"}, rest)]

    def text(self) -> str:
        return "\n".join(self._lines) + "\n"

    def _family(self, name: str, kind: str, text: str, samples: float | Samples) -> None:
        name = f"kwaainet_{name}"
        self._lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
        if isinstance(samples, int | float):
            samples = [({}, samples)]
        for labels, value in samples:
            words = [f'{key}="{each.translate(_ESCAPES)}"' for key, each in labels.items()]
            self._lines.append(
                f"{name}{{{','.join(words)}}} {value}" if words else f"{name} {value}"
            )


def metrics(status: Status) -> str:
    """The page /metrics. `status`: as edge.status.report gives it."""
    page = Exposition()
    page.gauge("build_info", "Constant 1.", [({"version": str(status["version"])}, 1)])
    page.gauge("uptime_seconds", "Time since the start.", status["uptime"])
    _add_connections(page, status)
    _add_memory(page, status["memory"])
    page.counter("flash_written_bytes", "Put on the disk.", status["flash"]["written"])
    for view in rooms.views():
        view.metrics(page, status)
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

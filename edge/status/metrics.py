"""The status report as Prometheus reads it.

Written by hand: prometheus-client takes 5.3 MB of resident memory and 85 modules (CPython 3.11,
beside asyncio), which a router does not have. Label values are words of the program, never of a
peer, and MAX_VALUES of them at most, the rest counted as "other".

Source: prometheus.io/docs/instrumenting/exposition_formats (text format 0.0.4) and
prometheus.io/docs/practices/naming
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    Status = Mapping[str, Any]
    Samples = Iterable[tuple[Mapping[str, str], float]]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MAX_VALUES = 64
_MODES = ("full", "light", "relay", "paused")
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})
_MACHINE = {
    "memory_used": ("machine_memory_used_ratio", "Share of the machine's memory in use."),
    "memory_stalled": (
        "machine_memory_stalled_ratio",
        "Share of the time in which everything stood still for want of memory.",
    ),
    "cpu": ("machine_cpu_others_ratio", "Share of the processor that others use."),
    "temperature": ("machine_temperature_celsius", "Of the hottest part."),
    "wan": ("machine_wan_others_ratio", "Share of the WAN that others use."),
    "battery": ("machine_battery_charge_ratio", "Charge of the battery."),
}


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
    _add_mode(page, status)
    _add_connections(page, status)
    if "circuits" in status:
        _add_relay(page, status)
    _add_memory(page, status["memory"])
    if "flash" in status:
        page.counter("flash_written_bytes", "Put on the disk.", status["flash"]["written"])
    for key, (name, text) in _MACHINE.items():
        if key in status.get("machine", {}):
            page.gauge(name, text, status["machine"][key])
    return page.text()


def _add_mode(page: Exposition, status: Status) -> None:
    states = [({"mode": mode}, int(mode == status["mode"])) for mode in _MODES]
    page.gauge("mode", "1 for the mode the node is in.", states)
    step = status["step"]
    page.gauge(
        "new_work_allowed", "Whether new slots and circuits are given.", int(step["new_work"])
    )
    page.gauge("relay_rate_limit_bytes_per_second", "0: none by the mode.", step["rate"])


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
    page.counter("connections_refused", "By reason.", _labelled("reason", refused))


def _add_relay(page: Exposition, status: Status) -> None:
    slots, circuits, passed = status["reservations"], status["circuits"], status["bytes"]
    page.gauge("relay_reservations", "Slots that others hold here.", slots["held"])
    page.gauge("relay_reservations_limit", "Slots allowed.", slots["max"])
    page.gauge("relay_circuits", "Circuits open.", circuits["open"])
    page.gauge("relay_circuits_limit", "Circuits allowed.", circuits["max"])
    page.counter("relay_circuits_opened", "Circuits since the start.", circuits["total"])
    ways = [({"direction": way}, passed[way]) for way in ("to_listeners", "to_dialers")]
    page.counter("relay_bytes", "Relayed.", ways)
    refused = status["refusals"]["relay"]
    page.counter("relay_refused", "By the status answered.", _labelled("status", refused))


def _add_memory(page: Exposition, memory: Status) -> None:
    if "rss" in memory:
        page.gauge("memory_resident_bytes", "Of this process.", memory["rss"])
    if "limit" not in memory:
        return
    page.gauge("memory_limit_bytes", "What this process may use.", memory["limit"])
    rooms = memory.get("rooms", {})
    leased = {name: room["used"] for name, room in rooms.items()}
    refused = {name: room["refused"] for name, room in rooms.items()}
    page.gauge("memory_leased_bytes", "By use.", _labelled("room", leased))
    page.counter("memory_leases_refused", "By use.", _labelled("room", refused))


def _labelled(label: str, counts: Mapping[str, int]) -> list[tuple[dict[str, str], float]]:
    found = [({label: name}, count) for name, count in sorted(counts.items())]
    rest = sum(count for _, count in found[MAX_VALUES - 1 :])
    if len(found) <= MAX_VALUES:
        return list(found)
    return [*found[: MAX_VALUES - 1], ({label: "other"}, rest)]

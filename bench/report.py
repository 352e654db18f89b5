"""The table, the targets, and what is said of the machine."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from bench.builds import HERE
from bench.figures import Figures
from bench.relays import Cores

MB = 1e6
FEWER, MORE = 200, 1000  # reserved peers
LIMITED_BY_LOAD = "*"


def at(figures: Figures, path: str) -> Any:
    """What `path` ("memory.idle.rss") leads to; None where it was not measured or failed."""
    value: Any = figures
    for name in path.split("."):
        value = value.get(name)
        if value is None or (isinstance(value, dict) and "error" in value):
            return None
    return value


def kb_per_peer(figures: Figures) -> float | None:
    """Resident kilobytes that a reserved peer adds, from FEWER to MORE of them."""
    memory = at(figures, "memory")
    if memory is None:
        return None
    grown = memory[str(MORE)]["rss"] - memory[str(FEWER)]["rss"]
    return float(grown / (MORE - FEWER) / 1000)


def _figure(path: str, digits: int, unit: float = 1) -> Callable[[Figures], str | None]:
    def show(figures: Figures) -> str | None:
        value = at(figures, path)
        return None if value is None else f"{value / unit:.{digits}f}"

    return show


def _quantiles(path: str) -> Callable[[Figures], str | None]:
    def show(figures: Figures) -> str | None:
        value = at(figures, path)
        return None if value is None else f"{value['p50_ms']:.2f} / {value['p99_ms']:.2f}"

    return show


def _throughput(path: str) -> Callable[[Figures], str | None]:
    def show(figures: Figures) -> str | None:
        value = at(figures, path)
        if value is None:
            return None
        mark = LIMITED_BY_LOAD if value["relay_busy"] < value["load_busy"] else ""
        return f"{value['mb_per_second']:.0f}{mark}"

    return show


def _per_peer(figures: Figures) -> str | None:
    value = kb_per_peer(figures)
    return None if value is None else f"{value:.1f}"


COLUMNS: tuple[tuple[str, Callable[[Figures], str | None]], ...] = (
    ("CPU-s/GB 1 stream", _figure("bulk_1.cpu_seconds_per_gb", 2)),
    ("16", _figure("bulk_16.cpu_seconds_per_gb", 2)),
    ("MB/s 1 stream", _throughput("bulk_1")),
    ("16", _throughput("bulk_16")),
    ("RSS MB idle", _figure("memory.idle.rss", 1, MB)),
    (f"+{FEWER}", _figure(f"memory.{FEWER}.rss", 1, MB)),
    (f"+{MORE}", _figure(f"memory.{MORE}.rss", 1, MB)),
    ("KB/peer", _per_peer),
    ("reserve CPU-ms", _figure("reserve.cpu_ms", 2)),
    ("set-up ms p50/p99", _quantiles("circuits")),
    ("1 KiB ms p50/p99", _quantiles("latency.unloaded")),
    ("beside bulk", _quantiles("latency.loaded")),
)


def table(relays: dict[str, Figures]) -> str:
    """As Markdown, columns aligned so that it reads well on a terminal too."""
    rows = [["relay", *(title for title, _ in COLUMNS)]]
    rows += [[name, *(show(f) or "-" for _, show in COLUMNS)] for name, f in relays.items()]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: Iterable[str], widths: Sequence[int]) -> str:
    cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
    return f"| {' | '.join(cells)} |"


def failures(relays: dict[str, Figures]) -> list[str]:
    return [
        f"{relay}: {name}: {value['error']}"
        for relay, figures in relays.items()
        for name, value in figures.items()
        if "error" in value
    ]


def targets(relays: dict[str, Figures], ours: str) -> list[str]:
    """What is asked of `ours` beside the libp2p peers of this run, a line for each target."""
    mine = relays[ours]
    peers = [figures for name, figures in relays.items() if name.endswith("-libp2p")]
    go = relays.get("go-libp2p", {})
    lines = []
    for streams in (1, 16):
        bulk = f"bulk_{streams}"
        cpu = [at(peer, f"{bulk}.cpu_seconds_per_gb") for peer in peers]
        rate = [at(peer, f"{bulk}.mb_per_second") for peer in peers]
        text = f"{streams} streams: CPU-s/GB at most 0.75 of the best peer's"
        value = at(mine, f"{bulk}.cpu_seconds_per_gb")
        lines.append(_target(text, value, _times(0.75, _best(min, cpu))))
        text = f"{streams} streams: CPU-s/GB not above the best peer's (must)"
        lines.append(_target(text, value, _best(min, cpu)))
        text = f"{streams} streams: MB/s at least the best peer's"
        value = at(mine, f"{bulk}.mb_per_second")
        lines.append(_target(text, value, _best(max, rate), at_least=True))
    held = f"memory.{MORE}.rss"
    text = f"RSS MB with {MORE} reserved peers at most a third of go's"
    lines.append(_target(text, _times(1 / MB, at(mine, held)), _times(1 / MB / 3, at(go, held))))
    lines.append(_target("KB per reserved peer at most 25", kb_per_peer(mine), 25))
    cost = "reserve.cpu_ms"
    text = "CPU-ms per connect + reserve at most go's"
    lines.append(_target(text, at(mine, cost), at(go, cost)))
    loaded, unloaded = (at(mine, f"latency.{name}.p99_ms") for name in ("loaded", "unloaded"))
    text = "1 KiB beside bulk: p99 ms at most 3 times the unloaded"
    lines.append(_target(text, loaded, _times(3, unloaded)))
    return lines


def _best(pick: Callable[[list[float]], float], values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return pick(known) if known else None


def _times(factor: float, value: float | None) -> float | None:
    return None if value is None else factor * value


def _target(text: str, value: float | None, bound: float | None, at_least: bool = False) -> str:
    if value is None or bound is None:
        return f"unknown  {text}"
    met = value >= bound if at_least else value <= bound
    return f"{'met' if met else 'MISSED':8} {text}: {value:.2f}, bound {bound:.2f}"


def machine(cores: Cores) -> dict[str, str]:
    """What the figures depend on, and how the cores were shared out."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "?")
    return {
        "cpu": cpu[1] if cpu else platform.machine(),
        "cores": f"{os.cpu_count()}, relay on {cores.relay}, load on {cores.load}",
        "system": f"{system}, Linux {platform.release()}",
        "load average before": f"{os.getloadavg()[0]:.2f}",
        "commit": commit(),
    }


def commit() -> str:
    """Short, with a + when the checkout differs from it."""
    command = ("git", "describe", "--always", "--dirty=+", "--exclude", "*")
    return subprocess.run(
        command, cwd=HERE, check=True, capture_output=True, text=True
    ).stdout.strip()

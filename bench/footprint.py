"""python -m bench.footprint: what the static binary weighs, beside others of its trade.

Prints tables and writes bench/results/footprint-COMMIT.json: file and gzip size of each binary in
dist/, resident memory of the x86_64 one idle and with 200 reserved peers, processor time from the
start to ready, and where the bytes of the mipsel_24kc file are.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from bench import builds, relays, report
from bench.figures import Bench, Plan
from cross import binary
from cross.targets import TARGETS
from tests.counterparts.go import P2pd

MB = 1_000_000
RESULTS = builds.HERE / "results"
SMALLEST, NATIVE = "mipsel_24kc", "x86_64"
STARTS = 5

Row = dict[str, Any]


def sizes(path: Path) -> Row:
    data = path.read_bytes()
    return {"file": len(data), "gzip": len(gzip.compress(data, 9, mtime=0))}


def start_seconds(program: Path, scratch: Path) -> float:
    """Processor time of `kwaainet run` until its ready line, the median of some starts."""
    found = []
    for _ in range(STARTS):
        relay = relays.ours("kwaainet", [str(program)]).start(scratch, relays.Cores().relay)
        ticks = Path(f"/proc/{relay.pid}/stat").read_text().rpartition(")")[2].split()
        relay.stop()
        found.append((int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK"))
    return statistics.median(found)


def memory(program: Path, scratch: Path) -> Row:
    """Resident bytes, idle and with reserved peers, in the way of `make bench`."""
    load = builds.go_programs() / "load"
    bench = Bench(load, Plan(quick=False), scratch, relays.Cores(), ["memory"])
    figures = bench.measure(relays.ours("kwaainet", [str(program)]))["memory"]
    if "error" in figures:
        raise SystemExit(f"footprint: {figures['error']}")
    return figures


def idle(command: list[str | Path], seconds: float = 3.0) -> int:
    """Resident bytes of another's program that has been up for some seconds."""
    process = subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        time.sleep(seconds)
        text = Path(f"/proc/{process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) * 1024
    finally:
        process.kill()
        process.wait()


def others(scratch: Path) -> dict[str, Row]:
    """Programs that do like things; what this machine lacks is left out and named."""
    rows = {}
    program = P2pd.install()
    listen = f"-listen=/unix{scratch}/p2pd.sock"
    rows["p2pd (go-libp2p 0.32)"] = sizes(program) | {"idle": idle([program, listen])}
    micropython = importlib.util.find_spec("micropython_run")  # in PyPI's package it is a library
    if micropython is not None and micropython.origin is not None:
        rows["MicroPython, interpreter alone, not stripped"] = sizes(Path(micropython.origin))
    relaysrv = shutil.which("syncthing-relaysrv") or shutil.which("strelaysrv")
    if relaysrv:
        keys = scratch / "relaysrv"
        keys.mkdir()
        command = [relaysrv, "-pools=", f"-keys={keys}", "-listen=127.0.0.1:22067", "-status-srv="]
        rows["syncthing-relaysrv"] = sizes(Path(relaysrv)) | {"idle": idle(command)}
    return rows


def by_origin(name: str) -> dict[str, int]:
    """Where the bytes of a binary are: by what was linked in, the greatest first."""
    found: Counter[str] = Counter()
    for line in (binary.MAPS / f"{name}.map").read_text().splitlines():
        fields = line.split(maxsplit=4)
        if len(fields) == 5 and ":(" in fields[4] and ".bss" not in fields[4]:
            found[_origin(fields[4])] += int(fields[2], 16)
    return dict(found.most_common())


def _origin(place: str) -> str:
    file, _, section = place.partition(":(")
    if "image_modules_bin" in section:
        return "image: modules as bytecode, deflated"
    archive = re.search(r"lib([\w.]+)\.a\(", file)
    if archive and archive[1].startswith("python"):
        return "CPython"
    if archive:
        return {"z": "zlib", "c": "musl", "sodium": "libsodium"}.get(archive[1], archive[1])
    if "edge.build" in file:
        stem = Path(file).stem
        return f"Nuitka: {stem.removeprefix('module.')}"
    if re.search(r"edge\.[\w.]+\.o$", file):
        return f"Cython: {Path(file).stem}"
    return Path(file).stem or "other"


def table(rows: dict[str, Row]) -> str:
    lines = ["| | file MB | gzip -9 MB | idle RSS MB |", "|---|---|---|---|"]
    for name, row in rows.items():
        shown = [f"{row[key] / MB:.2f}" if key in row else "-" for key in ("file", "gzip", "idle")]
        lines.append(f"| {name} | {' | '.join(shown)} |")
    return "\n".join(lines)


def bounds(rows: dict[str, Row]) -> list[str]:
    """The issue's figures: what is, what should be, what must be."""
    small, native = rows[f"kwaainet, {SMALLEST}"], rows[f"kwaainet, {NATIVE}"]
    figures = [
        ("file MB, mipsel_24kc", small["file"] / MB, 6.5, 8.0),
        ("gzip -9 MB, mipsel_24kc", small["gzip"] / MB, 2.5, 3.0),
    ]
    if "idle" in native:
        more = (native["with_200"] - native["idle"]) / MB
        figures += [
            ("idle RSS MB, x86_64", native["idle"] / MB, 12.0, 16.0),
            ("+200 reserved peers, MB", more, 6.0, 6.0),
            ("start to ready, CPU seconds", native["start"], 0.3, 0.3),
        ]
    return [
        f"{'met' if is_ <= should else 'must met' if is_ <= must else 'MISSED':<9}"
        f" {name}: {is_:.2f}, should {should}, must {must}"
        for name, is_, should, must in figures
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.footprint", description=__doc__)
    parser.add_argument("--sizes", action="store_true", help="sizes alone; nothing is started")
    only_sizes = parser.parse_args().sizes
    rows: dict[str, Row] = {}
    for name in TARGETS:
        path = binary.DIST / f"kwaainet-{name}"
        if name in (SMALLEST, NATIVE) and not path.exists():
            binary.build(TARGETS[name])
        if path.exists():
            rows[f"kwaainet, {name}"] = sizes(path)
    with tempfile.TemporaryDirectory(prefix="footprint-") as folder:
        scratch = Path(folder)
        if not only_sizes:
            native = rows[f"kwaainet, {NATIVE}"]
            program = binary.DIST / f"kwaainet-{NATIVE}"
            held = memory(program, scratch)
            native["idle"] = held["idle"]["rss"]
            native["with_200"] = held["200"]["rss"]
            native["with_1000"] = held["1000"]["rss"]
            native["start"] = start_seconds(program, scratch)
            rows |= others(scratch)
    origins = by_origin(SMALLEST)
    print(table(rows), end="\n\n")
    print("\n".join(bounds(rows)), end="\n\n")
    print(f"| where the bytes of {SMALLEST} are | KB |\n|---|---|")
    print("\n".join(f"| {name} | {size / 1000:.0f} |" for name, size in list(origins.items())[:40]))
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"footprint-{report.commit()}.json"
    path.write_text(json.dumps({"rows": rows, "origins": origins}, indent=1) + "\n")
    print(f"\nwritten to {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

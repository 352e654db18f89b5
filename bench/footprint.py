"""python -m bench.footprint: what the static binary weighs, beside others of its trade.

Prints tables and writes bench/results/footprint-COMMIT.json: file and gzip size of each binary in
dist/ and of the others (bench.others), resident memory idle and with 200 reserved peers, processor
time from the start to ready, and where the bytes of the mipsel_24kc file are.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import re
import statistics
import sys
import tarfile
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from bench import builds, linkmap, others, relays, report
from bench.figures import Bench, Plan
from cross import binary
from cross.targets import TARGETS
from edge.version import VERSION

MB = 1_000_000
RESULTS = builds.HERE / "results"
SMALLEST, NATIVE = "mipsel_24kc", "x86_64"
STARTS = 5
SETTLE = 1.0  # seconds before memory is read

Row = dict[str, Any]


def sizes(path: Path) -> Row:
    """Bytes of a file, or of all files of a folder, and after gzip -9 (of a folder: in a tar)."""
    if path.is_dir():
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=9) as tar:
            tar.add(path, path.name)
        files = [each for each in path.rglob("*") if each.is_file()]
        return {
            "file": sum(each.stat().st_size for each in files),
            "gzip": len(packed.getvalue()),
        }
    data = path.read_bytes()
    return {"file": len(data), "gzip": len(gzip.compress(data, 9, mtime=0))}


def started(kind: relays.Kind, scratch: Path, times: int = STARTS) -> Row:
    """Of some starts the medians: seconds until ready, of the clock and of processor time, with
    that of its children; resident bytes when it has settled."""
    found: dict[str, list[float]] = {"wall": [], "start": [], "idle": []}
    for _ in range(times):
        began = time.monotonic()
        relay = kind.start(scratch, relays.Cores().relay)
        try:
            found["wall"].append(time.monotonic() - began)
            found["start"].append(relay.cpu_seconds())
            time.sleep(SETTLE)
            found["idle"].append(relay.memory()["rss"])
        finally:
            relay.stop()
    return {name: statistics.median(values) for name, values in found.items()}


def held(kind: relays.Kind, scratch: Path) -> Row:
    """Resident bytes idle and with reserved peers, in the way of `make bench`."""
    load = builds.go_programs() / "load"
    bench = Bench(load, Plan(quick=False), scratch, relays.Cores(), ["memory"])
    figures = bench.measure(kind)["memory"]
    if "error" in figures:
        raise SystemExit(f"footprint: {figures['error']}")
    return {
        "idle": figures["idle"]["rss"],
        "with_200": figures["200"]["rss"],
        "with_1000": figures["1000"]["rss"],
    }


def running(kind: relays.Kind, scratch: Path) -> Row:
    row = started(kind, scratch)
    return row | held(kind, scratch) if kind.libp2p else row


def beside(other: others.Other, scratch: Path | None) -> Row:
    """The figures of another; what it takes to run only with `scratch`."""
    try:
        path = other.get()
        row = sizes(path)
        if scratch and other.start:
            row |= running(others.kind(other, path), scratch)
    except others.MISSING as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return {"missing": lines[-1]}
    return row


def by_origin(name: str, maps: Path = binary.MAPS) -> dict[str, int]:
    """Where the bytes of a binary are: by what was linked in, the greatest first.

    `maps`: the folder with what its linker put where.
    """
    found: Counter[str] = Counter()
    for piece in linkmap.pieces((maps / f"{name}.map").read_text()):
        found[origin(piece)] += piece.size
    return dict(found.most_common())


def origin(piece: linkmap.Piece) -> str:
    if piece.file == "<internal>":
        return "texts that the linker merged, of all"
    if "image_modules_bin" in piece.section:
        return "image: modules as bytecode, packed"
    archive = re.search(r"lib([\w.]+)\.a\(", piece.file)
    if archive and archive[1].startswith("python"):
        return "CPython"
    if archive:
        return {"c": "musl", "sodium": "libsodium"}.get(archive[1], archive[1])
    if "edge.build" in piece.file:
        return f"Nuitka: {piece.stem.removeprefix('module.')}"
    if re.search(r"edge\.[\w.]+\.o$", piece.file):
        return f"Cython: {piece.stem}"
    return piece.stem or "other"


COLUMNS = (
    ("file MB", "file", MB, 2),
    ("gzip -9 MB", "gzip", MB, 2),
    ("idle RSS MB", "idle", MB, 1),
    ("with 200 peers", "with_200", MB, 1),
    ("start CPU-s", "start", 1, 3),
)


def table(rows: dict[str, Row]) -> str:
    lines = ["| | " + " | ".join(title for title, *_ in COLUMNS) + " |"]
    lines.append("|---" * (len(COLUMNS) + 1) + "|")
    for name, row in rows.items():
        cells = [
            f"{row[key] / unit:.{digits}f}" if key in row else "-"
            for _, key, unit, digits in COLUMNS
        ]
        why = f": not had, {row['missing']}" if "missing" in row else ""
        lines.append(f"| {name}{why} | {' | '.join(cells)} |")
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
    parser.add_argument(
        "--release", action="store_true", help="keep the figures under the version, to be committed"
    )
    arguments = parser.parse_args()
    rows: dict[str, Row] = {}
    for name in TARGETS:
        path = binary.DIST / f"kwaainet-{name}"
        rows[f"kwaainet, {name}"] = sizes(path if path.exists() else binary.build(TARGETS[name]))
    with tempfile.TemporaryDirectory(prefix="footprint-") as folder:
        scratch = None if arguments.sizes else Path(folder)
        if scratch:
            node = relays.ours("kwaainet", [str(binary.DIST / f"kwaainet-{NATIVE}")])
            rows[f"kwaainet, {NATIVE}"] |= running(node, scratch)
        for other in others.everyone():
            print(f"weighing {other.name}", file=sys.stderr)
            rows[other.name] = beside(other, scratch)
    origins = by_origin(SMALLEST)
    print(table(rows), end="\n\n")
    print("\n".join(bounds(rows)), end="\n\n")
    print(f"| where the bytes of {SMALLEST} are | KB |\n|---|---|")
    print("\n".join(f"| {name} | {size / 1000:.0f} |" for name, size in list(origins.items())[:40]))
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"footprint-{VERSION if arguments.release else report.commit()}.json"
    found = {"commit": report.commit(), "rows": rows, "origins": origins}
    path.write_text(json.dumps(found, indent=1) + "\n")
    print(f"\nwritten to {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

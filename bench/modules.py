"""python -m bench.modules: what compiling costs and buys, module by module and for whole binaries.

Builds the static binary in several ways (SPLITS) in build/trials. Of mipsel_24kc it tells how many
bytes each module of edge/ takes as bytecode, through Cython and through Nuitka; of x86_64 memory,
start, and the processor time of relaying. Prints tables, writes bench/results/modules-COMMIT.json.
It takes half an hour of two processors, and two minutes that must be undisturbed: --sizes and
--built do the one and the other.
"""

from __future__ import annotations

import argparse
import json
import statistics
import struct
import sys
import tempfile
import zlib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench import builds, footprint, relays, report
from bench.figures import Bench, Plan
from bench.linkmap import Elf, pieces
from cross import binary, contents
from cross.contents import Split
from cross.targets import TARGETS
from edge.version import VERSION

TRIALS = contents.ROOT / "build" / "trials"
RESULTS = builds.HERE / "results"
WEIGHED, RUN = "mipsel_24kc", "x86_64"
ROUNDS = 3
MB, KB = 1e6, 1e3
# Cython 3.3.1: refuses a starred expression in a list that is min()'s argument; takes no end; ends
# with an error of its own.
NOT_FOR_CYTHON = {"edge.machine", "edge.config.toml", "edge.tiers.profile"}

Row = dict[str, Any]


def splits() -> dict[str, Split]:
    """The ways to build it, by name."""
    shipped = contents.shipped()
    hot, entry = shipped.cython, shipped.nuitka
    files = contents.application()
    modules = [name for name in files if name != "edge.__main__"]  # compilers take it for a program
    plain = [name for name in modules if files[name].name != "__init__.py"]
    return {
        "as shipped": shipped,
        "all bytecode": Split((), ()),
        "data path through Cython, no Nuitka": Split((), hot),
        "data path and entry through Cython, no Nuitka": Split((), (*hot, *entry[1:])),
        "data path through Nuitka instead of Cython": Split((*entry, *hot), ()),
        "everything through Cython": Split(
            (), tuple(name for name in plain if name not in NOT_FOR_CYTHON)
        ),
        "everything through Nuitka": Split(tuple(modules), ()),
    }


BYTECODE, CYTHON, NUITKA = "all bytecode", "everything through Cython", "everything through Nuitka"
# Cython takes long, and Nuitka leaves annotations out (cross/hosted/nuitka_c.py), without which the
# application's NamedTuples have no fields: that one does not start. Their sizes say enough.
ONLY_WEIGHED = {CYTHON, NUITKA}


def place(name: str) -> Path:
    return TRIALS / name.replace(",", "").replace(" ", "-")


def build(name: str, split: Split, target: str) -> None:
    folder = place(name)
    binary.build(TARGETS[target], split=split, dist=folder, maps=folder)


# Where the bytes of each module are


def packed(folder: Path) -> dict[str, int]:
    """Bytes in the image of each module that is bytecode there: its share of the group."""
    sizes = json.loads((folder / f"{WEIGHED}.json").read_text())
    return {name: size for name, (_, size) in sizes.items()}


def linked(folder: Path, prefix: str) -> dict[str, Row]:
    """By the module whose object is `prefix` and its name: bytes, and what gzip -9 makes of them.

    gzip sees each module alone: in the whole file it finds more that repeats.
    """
    elf = Elf((folder / f"kwaainet-{WEIGHED}").read_bytes())
    found: defaultdict[str, bytes] = defaultdict(bytes)
    for piece in pieces((folder / f"{WEIGHED}.map").read_text()):
        name = piece.stem.removeprefix(prefix)
        if piece.stem.startswith(prefix) and (name == "edge" or name.startswith("edge.")):
            found[name] += elf.at(piece.address, piece.size)
    return {name: _weight(data) for name, data in found.items()}


def constants(folder: Path) -> dict[str, Row]:
    """Nuitka's constants, which are in one object for all modules, by module."""
    elf = Elf((folder / f"kwaainet-{WEIGHED}").read_bytes())
    [piece] = [
        piece
        for piece in pieces((folder / f"{WEIGHED}.map").read_text())
        if piece.stem == "constants_data" and "constants" in piece.section
    ]
    return {name: _weight(data) for name, data in blobs(elf.at(piece.address, piece.size))}


def run_time(folder: Path) -> int:
    """Bytes of what Nuitka adds once, whatever it compiles."""
    found = sum(
        piece.size
        for piece in pieces((folder / f"{WEIGHED}.map").read_text())
        if "edge.build" in piece.file and not piece.stem.startswith("module.")
    )
    ours = contents.application()
    weights = constants(folder)
    return found - sum(int(weights[name]["file"]) for name in weights.keys() & ours.keys())


def blobs(data: bytes, order: str = "<") -> Iterable[tuple[str, bytes]]:
    """Nuitka's file of constants: of each module its name, a length, and that many bytes."""
    at = 0
    while at < len(data):
        end = data.index(b"\0", at)
        name = data[at:end].decode()
        [size] = struct.unpack_from(order + "I", data, end + 1)
        yield name, data[end + 5 : end + 5 + size]
        at = end + 5 + size


def _weight(data: bytes) -> Row:
    return {"file": len(data), "gzip": len(zlib.compress(data, 9))}


def by_module() -> dict[str, Row]:
    """By module of edge/: bytes as bytecode, through Cython, through Nuitka; the latter two after
    gzip, too. None where it was not compiled so."""
    bytecode = packed(place(BYTECODE))
    cython = linked(place(CYTHON), "")
    nuitka = linked(place(NUITKA), "module.")
    blob = constants(place(NUITKA))
    rows = {}
    for name in contents.application():
        row: Row = {"bytecode": bytecode[name], "cython": cython.get(name), "nuitka": None}
        if name in nuitka:
            row["nuitka"] = {
                key: nuitka[name][key] + blob.get(name, {"file": 0, "gzip": 0})[key]
                for key in ("file", "gzip")
            }
        rows[name] = row
    return rows


# Whole binaries


def measure(names: Iterable[str], scratch: Path) -> dict[str, Row]:
    """Memory, start and relaying of the x86_64 binaries, medians; they take turns."""
    names = list(names)
    load = builds.go_programs() / "load"
    bench = Bench(load, Plan(quick=False), scratch, relays.Cores(), ["bulk_1", "reserve"])
    found: defaultdict[str, defaultdict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for _ in range(ROUNDS):
        for name in names:
            kind = relays.ours("kwaainet", [str(place(name) / f"kwaainet-{RUN}")])
            started = footprint.started(kind, scratch, times=3)
            figures = bench.measure(kind)
            if failed := report.failures({name: figures}):
                raise SystemExit("\n".join(failed))
            for key in ("idle", "start", "wall"):
                found[name][key].append(started[key])
            found[name]["cpu_per_gb"].append(figures["bulk_1"]["cpu_seconds_per_gb"])
            found[name]["reserve"].append(figures["reserve"]["cpu_ms"])
    return {
        name: {key: statistics.median(values) for key, values in row.items()}
        for name, row in found.items()
    }


# Tables


def by_room(rows: dict[str, Row], shipped: Split) -> dict[str, Row]:
    """What ships compiled module by module, the others summed by room."""
    compiled = {*shipped.nuitka, *shipped.cython} - {"edge"}
    rooms: defaultdict[str, dict[str, Row]] = defaultdict(dict)
    for name, row in rows.items():
        room = ".".join(name.split(".")[:2])
        in_room = f"{room}.*" if (contents.ROOT / room.replace(".", "/")).is_dir() else "edge.*"
        rooms[name if name in compiled else in_room][name] = row
    return {name: total(each) for name, each in rooms.items()}


def modules_table(rows: dict[str, Row]) -> str:
    lines = [
        "| module | bytecode KB | Cython KB | gzip KB | Nuitka KB | gzip KB |",
        "|---|---|---|---|---|---|",
    ]
    ordered = sorted(rows.items(), key=lambda item: ("*" in item[0], -item[1]["bytecode"]))
    for name, row in [*ordered, ("all", total(rows))]:
        cells = [f"{row['bytecode'] / KB:.1f}"]
        for how in ("cython", "nuitka"):
            weight = row[how]
            cells += [f"{weight[key] / KB:.1f}" if weight else "-" for key in ("file", "gzip")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def total(rows: dict[str, Row]) -> Row:
    """The sum; of what could not be compiled so, its bytecode."""
    row: Row = {"bytecode": sum(row["bytecode"] for row in rows.values())}
    for how in ("cython", "nuitka"):
        row[how] = {
            key: sum(each[how][key] if each[how] else each["bytecode"] for each in rows.values())
            for key in ("file", "gzip")
        }
    return row


_COLUMNS = (
    ("file MB", "file", MB, 2),
    ("gzip -9 MB", "gzip", MB, 2),
    ("x86_64: file MB", "native_file", MB, 2),
    ("idle RSS MB", "idle", MB, 1),
    ("start CPU-ms", "start", 1e-3, 0),
    ("start ms", "wall", 1e-3, 0),
    ("relaying CPU-s/GB", "cpu_per_gb", 1, 2),
    ("reserve CPU-ms", "reserve", 1, 2),
)


def builds_table(rows: dict[str, Row]) -> str:
    lines = [
        f"| {WEIGHED}, built | {' | '.join(title for title, *_ in _COLUMNS)} |",
        "|---" * (len(_COLUMNS) + 1) + "|",
    ]
    for name, row in rows.items():
        if "missing" in row:
            lines.append(f"| {name}: {row['missing']} |{' - |' * len(_COLUMNS)}")
            continue
        cells = [
            f"{row[key] / unit:.{digits}f}" if key in row else "-"
            for _, key, unit, digits in _COLUMNS
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.modules", description=__doc__)
    parser.add_argument("--sizes", action="store_true", help="sizes alone; nothing is started")
    parser.add_argument("--built", action="store_true", help="take the trials as they are")
    parser.add_argument(
        "--release", action="store_true", help="keep the figures under the version, to be committed"
    )
    arguments = parser.parse_args()
    rows: dict[str, Row] = {}
    for name, split in splits().items():
        targets = (WEIGHED,) if name in ONLY_WEIGHED else (WEIGHED, RUN)
        try:
            for target in () if arguments.built else targets:
                print(f"building: {name}, {target}", file=sys.stderr)
                build(name, split, target)
        except SystemExit as error:  # what the compiler said
            rows[name] = {"missing": " ".join(str(error).split()[-40:])}
            continue
        rows[name] = footprint.sizes(place(name) / f"kwaainet-{WEIGHED}")
        if RUN in targets:
            rows[name]["native_file"] = (place(name) / f"kwaainet-{RUN}").stat().st_size
    if not arguments.sizes:
        with tempfile.TemporaryDirectory(prefix="modules-") as folder:
            built = [name for name, row in rows.items() if "native_file" in row]
            for name, row in measure(built, Path(folder)).items():
                rows[name] |= row
    print(builds_table(rows))
    modules: dict[str, Row] = {}
    if {BYTECODE, CYTHON, NUITKA} <= {name for name, row in rows.items() if "missing" not in row}:
        modules = by_module()
        once = run_time(place(NUITKA)) / KB
        print("\n" + modules_table(by_room(modules, contents.shipped())))
        print("\n" + modules_table(modules))
        print(f"\nNuitka's run time, once for all: {once:.1f} KB")
    found = {"commit": report.commit(), "builds": rows, "modules": modules}
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"modules-{VERSION if arguments.release else report.commit()}.json"
    path.write_text(json.dumps(found, indent=1) + "\n")
    print(f"\nwritten to {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

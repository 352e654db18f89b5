"""python -m bench: measure, print the table, write bench/results/DATE-COMMIT.json."""

from __future__ import annotations

import argparse
import datetime
import json
import shlex
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench import builds, relays, report
from bench.figures import Bench, Figures, Plan, summary
from tests.counterparts.cache import InstallError

COMPILED = builds.HERE.parent / "build" / "compiled"  # tools/compile makes it
BINARY = builds.HERE.parent / "dist" / "kwaainet-x86_64"  # make binary TARGET=x86_64
OURS = {
    # -P: not the package of the working directory.
    "kwaainet": ["env", f"PYTHONPATH={COMPILED}", sys.executable, "-P", "-m", "edge"],
    "kwaainet uncompiled": [sys.executable, "-m", "edge"],
    "kwaainet binary": [str(BINARY)],
}
RESULTS = builds.HERE / "results"
PEERS: dict[str, Callable[[], relays.Kind]] = {
    "go": relays.go,
    "rust": relays.rust,
    "js": relays.js,
    "haproxy": relays.haproxy,
}


def main() -> int:
    arguments = _arguments()
    try:
        load = builds.go_programs() / "load"
        kinds = [relays.ours(*command) for command in arguments.ours]
        kinds += [PEERS[name]() for name in arguments.peers]
    except (builds.MissingTool, InstallError) as error:
        print(f"bench: {error}\nbench: leave a peer out with --peers", file=sys.stderr)
        return 2
    cores = relays.Cores(arguments.share_cores)
    plan = Plan(arguments.quick)
    plan.rounds = arguments.rounds or plan.rounds
    started = time.monotonic()
    machine = report.machine(cores)
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        bench = Bench(load, plan, Path(scratch), cores, arguments.figures)
        rounds = _rounds(bench, plan.rounds, kinds)
    machine["seconds"] = f"{time.monotonic() - started:.0f}"
    medians = {name: summary(figures) for name, figures in rounds.items()}
    print(report.table(medians))
    print(
        f"{report.LIMITED_BY_LOAD} the load was busier than the relay, which could have done more\n"
    )
    print("\n".join(f"{name}: {value}" for name, value in machine.items()), end="\n\n")
    for name, _ in arguments.ours:
        print(name, *report.targets(medians, name), sep="\n", end="\n\n")
    _write({"machine": machine, "medians": medians, "rounds": rounds})
    failures = report.failures(medians)
    print("".join(f"\nfailed: {failure}\n" for failure in failures), end="")
    return 1 if failures else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--share-cores", action="store_true", help="pin neither relay nor load")
    parser.add_argument("--rounds", type=int, help="how often everything is measured")
    parser.add_argument(
        "--peers",
        type=lambda text: [name for name in text.split(",") if name],
        default=list(PEERS),
        help=f"which to measure besides ours, of {','.join(PEERS)}",
    )
    parser.add_argument(
        "--figures",
        type=lambda text: text.split(","),
        help="only these, of bulk_1,bulk_16,latency,memory,reserve,circuits",
    )
    parser.add_argument(
        "--ours",
        type=_named_command,
        action="append",
        metavar="NAME=COMMAND",
        help="a node to measure, may be repeated. Default: this checkout,"
        " compiled, uncompiled, and as the router's static binary",
    )
    arguments = parser.parse_args()
    arguments.ours = arguments.ours or list(OURS.items())
    return arguments


def _named_command(text: str) -> tuple[str, list[str]]:
    name, _, command = text.partition("=")
    if not command:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=COMMAND")
    return name, shlex.split(command)


def _rounds(bench: Bench, count: int, kinds: list[relays.Kind]) -> dict[str, list[Figures]]:
    """Relays take turns, so that a slow minute of the machine hits all of them."""
    rounds: dict[str, list[Figures]] = {kind.name: [] for kind in kinds}
    for number in range(count):
        for kind in kinds:
            print(f"round {number + 1} of {count}: {kind.name}", file=sys.stderr)
            rounds[kind.name].append(bench.measure(kind))
    return rounds


def _write(results: Figures) -> None:
    RESULTS.mkdir(exist_ok=True)
    today = datetime.datetime.now(tz=datetime.UTC).strftime("%Y-%m-%d-%H%M")
    path = RESULTS / f"{today}-{report.commit()}.json"
    path.write_text(json.dumps(results, indent=1) + "\n")
    print(f"\nwritten to {path}")


if __name__ == "__main__":
    sys.exit(main())

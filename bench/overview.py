"""python -m bench.overview: what the polls of LuCI's pages cost a router.

An emulated 24Kc executes all that a poll takes, and a plugin of qemu counts its instructions: the
kernel, the rpcd plugin under busybox ash, `kwaainet ask`, the node that answers. Only uhttpd, rpcd
and ubusd are not in it, which do the same for every page of LuCI. The counts do not depend on this
machine. From them to time is one assumption, RATE.

Prints a table and writes bench/results/overview-COMMIT.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import builds, report
from cross.targets import TARGETS
from edge.version import VERSION
from openwrt.package import ipk, recipe
from qemu_tests.emulated import build
from qemu_tests.malta import Malta, image
from qemu_tests.node import Node
from qemu_tests.test_router import CONFIG

TARGET = "mipsel_24kc"
# Instructions a second of a 24Kc of 580 MHz (mt76x8): one in two cycles. It issues one a cycle
# at most, and waits for memory behind caches of 32 KiB.
RATE = 300e6
RUN_DIR = "/var/run/kwaainet"
PLUGIN = "usr/libexec/rpcd/kwaainet"
ASK = f"kwaainet ask overview --run-dir {RUN_DIR}"
POLL = f"ash /{PLUGIN} call overview"
COMMANDS = {
    "poll: the rpcd plugin, ask, the node": POLL,
    "of it, `kwaainet ask overview` and the node": ASK,
    "of that, starting it: no node runs there": "kwaainet ask overview --run-dir /nowhere",
    "an empty script in the place of the plugin": "ash /nothing",
    "`kwaainet status --json` instead": "kwaainet status --json",
}
FULL = 310.0  # seconds after which the overview's graphs are
BROWSERS, INTERVAL = 10, 10  # who poll, every so many seconds; two share an answer
TIMES = 9
PAUSE = 1.1  # seconds, after which the node makes another answer
MOST_BYTES, MOST_SECONDS, MOST_SHARE = 4096, 0.030, 0.01

Figures = dict[str, float]


class Counter:
    """The instructions that an emulated machine has executed so far."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "executed"
        self._file.write_bytes(bytes(8))
        plugin = folder / "count.so"
        source = builds.HERE / "instructions" / "count.c"
        command = ["cc", "-O2", "-shared", "-fPIC", str(source), "-o", str(plugin)]
        subprocess.run(command, check=True)
        self.words = ("-plugin", f"{plugin},at={self._file}")

    def read(self) -> int:
        return int.from_bytes(self._file.read_bytes(), sys.byteorder)


class Bench:
    """Counts commands of `router`, which takes a while to settle."""

    def __init__(self, router: Malta, counter: Counter) -> None:
        self._router = router
        self._counter = counter

    async def take(self, command: str) -> float:
        """Instructions for `command`, and for the shell that starts it: the median, as the node and
        the kernel have other things to do now and then.
        """
        found = []
        for _ in range(TIMES):
            await asyncio.sleep(PAUSE)
            before = self._counter.read()
            await self._router.run(f"{command} >/dev/null 2>&1 </dev/null; usleep 100000")
            found.append(self._counter.read() - before)
        return statistics.median(found)


async def measured(folder: Path, settle: float) -> tuple[Figures, Figures]:
    """Instructions by what takes them; and other figures."""
    counter = Counter(folder)
    package = ipk.build(recipe.read(build(TARGETS[TARGET])), TARGET)
    plugin = builds.HERE.parent / "openwrt/luci-app-kwaainet/root" / PLUGIN
    files = {PLUGIN: plugin.read_bytes(), "nothing": b""}
    initial = image(package.content, CONFIG, files=files)
    async with Malta(folder, initial, more=counter.words) as router:
        node, bench = Node(router), Bench(router, counter)
        await router.service("start")
        await node.ready()
        await asyncio.sleep(settle)
        before = await node.memory()
        nothing = await bench.take(":")
        counts = {name: await bench.take(command) - nothing for name, command in COMMANDS.items()}
        crowd = await bench.take(f"{POLL} >/dev/null; {POLL}") - nothing
        after = await node.memory()
        figures = {
            "bytes": float((await router.run(f"{ASK} | wc -c")).strip()),
            "share": crowd / 2 * BROWSERS / INTERVAL / RATE,
            "grown": float(after["RssAnon"] - before["RssAnon"]),
        }
    return counts, figures


def table(counts: Figures) -> str:
    lines = [
        f"| | million instructions | ms at {RATE / 1e6:.0f} million a second |",
        "|---|---|---|",
    ]
    lines += [
        f"| {name} | {count / 1e6:.2f} | {count / RATE * 1000:.1f} |"
        for name, count in counts.items()
    ]
    return "\n".join(lines)


def bounds(counts: Figures, figures: Figures) -> list[str]:
    """The issue's figures: what is, what must be."""
    poll = next(iter(counts.values())) / RATE
    rows = [
        ("a poll, bytes", figures["bytes"], MOST_BYTES, "{:.0f}"),
        ("a poll, seconds", poll, MOST_SECONDS, "{:.4f}"),
        (f"{BROWSERS} browsers, share of a core", figures["share"], MOST_SHARE, "{:.4f}"),
    ]
    return [
        f"{'met' if is_ <= most else 'MISSED':<7} {name}: {form.format(is_)}, at most {most}"
        for name, is_, most, form in rows
    ] + [f"the node's own memory grew by {figures['grown']:.0f} bytes meanwhile"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.overview", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="do not wait until graphs are full")
    parser.add_argument("--release", action="store_true", help="keep the figures by the version")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        settle = 15.0 if arguments.quick else FULL
        counts, figures = asyncio.run(measured(Path(folder), settle))
    print(table(counts), end="\n\n")
    print("\n".join(bounds(counts, figures)))
    name = VERSION if arguments.release else report.commit()
    path = builds.HERE / "results" / f"overview-{name}.json"
    found = {"commit": report.commit(), "rate": RATE, "counts": counts, "figures": figures}
    path.write_text(json.dumps(found, indent=1) + "\n")
    print(f"\nwritten to {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

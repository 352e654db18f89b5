"""python -m bench.fragments: a file fetched from a peer piece by piece, beside a relayed stream.

One node gives a file, in a process of its own; this one fetches it into a store, every piece proven
and written. The relay carries one stream of the Go load for comparison, in the same run. Then one
block of SmolLM2 is fetched alone, and what that took is set beside the block's own bytes. Prints a
table and the targets, and writes bench/results/DATE-COMMIT-fragments.json.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import builds, relays, report
from bench.figures import Bench, Plan
from edge.cache import names
from edge.models.manifest import Manifest
from edge.models.read import read_table
from edge.wire.merkle import HASH, pieces
from edge.wire.multiaddr import Multiaddr
from tests.cache.fragments.hosts import Node
from tests.counterparts.cache import InstallError
from tests.counterparts.model_files import smollm2
from tests.relay.hosts import so

FILE, QUICK_FILE = 512 << 20, 64 << 20
ROUNDS = 3
QUOTA = 1 << 30
RESULTS = builds.HERE / "results"
GOAL_SPEED, GOAL_BLOCK = 0.8, 1.15


async def serve(store: Path, data: bytes) -> None:
    """Give the file with `data`, until standard input ends."""
    node = Node()
    await node.store.open(str(store), QUOTA)
    name = await node.add(data)
    print(f"{node.bound}/p2p/{node.id} {names.text(name)}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await node.stop()


class Giver:
    """That process, on `cores`."""

    def __init__(self, scratch: Path, path: Path, cores: relays.Cores) -> None:
        store = Path(tempfile.mkdtemp(dir=scratch))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.fragments", "--serve", store, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            preexec_fn=relays.pinned(cores.relay),
        )
        assert self._process.stdout is not None
        address, name = self._process.stdout.readline().split()
        self.address = Multiaddr.from_string(address)
        self.name = names.from_text(name)

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


async def fetch(
    giver: Giver, scratch: Path, extents: list[tuple[int, int]] | None
) -> tuple[int, float]:
    """Bytes that came of the file, and seconds, into a store that is empty."""
    node = Node()
    store = Path(tempfile.mkdtemp(dir=scratch))
    await node.store.open(str(store), QUOTA)
    peer = giver.address.peer_id()
    assert peer is not None
    connection = await node.host.dialer.connect(peer, [giver.address], trusted=True)
    await so(lambda: connection.info is not None)
    began = time.perf_counter()
    await node.fetcher.fetch(giver.name, extents)
    took = time.perf_counter() - began
    fetched = node.fetcher.fetched
    await node.stop()
    shutil.rmtree(store)
    return fetched, took


def block_of(path: Path) -> list[tuple[int, int]]:
    """The extents of a block in the middle of the model."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        table = read_table(lambda at, length: os.pread(file.fileno(), length, at), size)
    manifest = Manifest.of(table)
    return manifest.extents(manifest.block_count // 2)


def measure(scratch: Path, cores: relays.Cores, quick: bool) -> dict[str, float]:
    """Rates in MB/s, and bytes of a block."""
    load = builds.go_programs() / "load"
    bench = Bench(load, Plan(quick), scratch, cores, ["bulk_1"])
    kind = relays.ours("kwaainet", [sys.executable, "-P", "-m", "edge"])
    path = scratch / "file"
    path.write_bytes(random.Random(1).randbytes(QUICK_FILE if quick else FILE))
    relayed, fetched = [], []
    for _ in range(1 if quick else ROUNDS):
        figures = bench.measure(kind)["bulk_1"]
        if "error" in figures:
            raise relays.RelayError(figures["error"])
        relayed.append(figures["mb_per_second"])
        giver = Giver(scratch, path, cores)
        came, took = asyncio.run(fetch(giver, scratch, None))
        giver.stop()
        fetched.append(came / 1e6 / took)
    model = smollm2()
    extents = block_of(model)
    giver = Giver(scratch, model, cores)
    came, _ = asyncio.run(fetch(giver, scratch, extents))
    giver.stop()
    return {
        "relayed_mb_per_second": statistics.median(relayed),
        "fetched_mb_per_second": statistics.median(fetched),
        "block_bytes": sum(length for _, length in extents),
        # The row of hashes comes with the first piece of a file.
        "block_fetched_bytes": came + pieces(model.stat().st_size) * HASH,
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.fragments", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a file of 64 MB, one round")
    parser.add_argument("--share-cores", action="store_true", help="pin nothing")
    parser.add_argument("--directory", type=Path, help="where files are kept, instead of /tmp")
    parser.add_argument("--serve", nargs=2, type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        store, path = arguments.serve
        asyncio.run(serve(store, path.read_bytes()))
        return 0
    cores = relays.Cores(arguments.share_cores)
    try:
        with tempfile.TemporaryDirectory(dir=arguments.directory) as scratch:
            found = measure(Path(scratch), cores, arguments.quick)
    except (builds.MissingTool, InstallError, relays.RelayError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    speed = found["fetched_mb_per_second"] / found["relayed_mb_per_second"]
    block = found["block_fetched_bytes"] / found["block_bytes"]
    for name, value in found.items():
        print(f"{name:24} {value:14.0f}")
    print(_target("of the relay's single stream", speed, GOAL_SPEED, speed >= GOAL_SPEED))
    print(_target("times the bytes of one block", block, GOAL_BLOCK, block <= GOAL_BLOCK))
    RESULTS.mkdir(exist_ok=True)
    today = datetime.datetime.now(tz=datetime.UTC).strftime("%Y-%m-%d-%H%M")
    path = RESULTS / f"{today}-{report.commit()}-fragments.json"
    facts = {"machine": report.machine(cores), "figures": found}
    path.write_text(json.dumps(facts, indent=1) + "\n")
    print(f"\nwritten to {path}")
    return 0


def _target(text: str, value: float, goal: float, met: bool) -> str:
    return f"{'met' if met else 'MISSED':6} {value:.2f} {text} (goal {goal})"


if __name__ == "__main__":
    sys.exit(main())

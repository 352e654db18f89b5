"""python -m bench.dht_flood: how long a find takes alone, and while 100 peers store junk.

The node holds a record of the one that asks for it, with a pause between, on a stream of its own
each time. The others store as much as the node takes, over a connection each, and each waits for
its answer. Prints the table, writes bench/results/DATE-COMMIT-dht-flood.json.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import relays, report
from bench.__main__ import OURS, RESULTS, _named_command
from bench.figures import Figures
from bench.kad import first, quantiles
from edge.budget import Budget
from edge.dht.unary import Lease, call
from edge.dht.verbs import key_id
from edge.swarm.connection import Connection
from edge.units import MIB
from edge.wire import hivemind
from edge.wire.hivemind import FindRequest, FindResponse
from edge.wire.multiaddr import Multiaddr
from tests.dht.flood import Flood, Junk

JUNK = 100  # peers
GOAL = 2.0  # times as long
OPTIONS = ("--dht-enabled", "yes", "--memory-limit", "64M")
PAUSE = 0.1  # seconds from one find to the next: of the time, it needs less than its part
_SETTLE = 5.0  # seconds until all of them store


async def find(connection: Connection, key: bytes) -> float:
    """Milliseconds until the node has told the record."""
    pool = Budget(64 * MIB, 0).pool("bench", 1.0)
    request = FindRequest(keys=[key]).encode()
    began = time.perf_counter()
    with Lease(pool) as lease:
        data = await call(connection, hivemind.FIND_ID, request, lease)
    took = (time.perf_counter() - began) * 1000
    assert FindResponse.decode(data).results[0].value, "the record is gone"
    return took


async def measure(connection: Connection, key: bytes, count: int) -> dict[str, float]:
    times = []
    with first():
        for _ in range(count):
            times.append(await find(connection, key))
            await asyncio.sleep(PAUSE)
    return quantiles(times)


async def figures(node: relays.Relay, count: int) -> Figures:
    """Alone, and beside the flood."""
    at = node.target[1]
    asker = Junk(os.getpid(), "")
    await asker.connect(Multiaddr.from_string(at))
    key = key_id("a record")
    assert await asker.store([(key, hivemind.PLAIN)])
    await measure(asker.connection, key, count // 4)  # warm
    alone = await measure(asker.connection, key, count)
    async with Flood() as junk:
        await junk.connect(at, JUNK)
        await junk.flood()
        await asyncio.sleep(_SETTLE)
        before, began, cpu = await junk.count(), time.monotonic(), node.cpu_seconds()
        beside: dict[str, Any] = await measure(asker.connection, key, count)
        seconds = time.monotonic() - began
        after = await junk.count()
        beside["node_busy"] = (node.cpu_seconds() - cpu) / seconds
        beside["stores_per_second"] = (after["requests"] - before["requests"]) / seconds
    await asker.swarm.stop()
    return {"alone": alone, "beside": beside}


def table(found: Figures) -> str:
    """As Markdown."""
    alone, beside = found["alone"], found["beside"]
    lines = ["| | p50 ms | p99 ms | most ms |", "|---|---|---|---|"]
    for name, row in found.items():
        lines.append(
            f"| {name} | {row['p50_ms']:.2f} | {row['p99_ms']:.2f} | {row['most_ms']:.1f} |"
        )
    lines += ["", f"{beside['stores_per_second']:.0f} requests/s beside; the node was busy for"]
    lines[-1] += f" {beside['node_busy']:.0%}"
    for name in ("p50_ms", "p99_ms"):
        times = beside[name] / alone[name]
        verdict = "met" if times <= GOAL else "MISSED"
        lines.append(f"{verdict:7} {name}: {times:.1f} times, goal {GOAL:g}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.dht_flood", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="finds of each kind")
    parser.add_argument("--share-cores", action="store_true", help="pin neither node nor load")
    parser.add_argument(
        "--ours",
        type=_named_command,
        metavar="NAME=COMMAND",
        default=("", OURS["kwaainet uncompiled"]),
    )
    arguments = parser.parse_args()
    cores = relays.Cores(arguments.share_cores)
    os.sched_setaffinity(0, cores.load)
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        place = relays.Place(Path(scratch), cores.relay)
        node = relays.start_node(arguments.ours[1], place, *OPTIONS)
        try:
            found = asyncio.run(figures(node, arguments.count))
        finally:
            node.stop()
    print(table(found))
    machine = report.machine(cores)
    today = datetime.datetime.now(tz=datetime.UTC).strftime("%Y-%m-%d-%H%M")
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{today}-{report.commit()}-dht-flood.json"
    path.write_text(json.dumps({"machine": machine, "figures": found}, indent=1) + "\n")
    print(f"\nwritten to {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

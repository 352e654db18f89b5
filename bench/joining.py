"""python -m bench.joining: how long a KwaaiNet-like node takes to be reserved and found by others.

The node is rust-libp2p, behind NAT in a network namespace: it starts, connects to ours, learns by
AutoNAT v1 that nobody reaches it (its first probe is 0.5 s after the start), and then reserves.
Another of its kind, connected to ours beforehand, looks for it by kad under KwaaiNet's name until
it is told the circuit. Seconds from the start of the process. Needs root. Prints the table, writes
bench/results/DATE-COMMIT-joining.json.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import json
import statistics
import sys
import time

from bench import relays, report
from bench.__main__ import RESULTS
from tests.counterparts.base import PeerError, Setup, until
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.netlab import ADDRESSES, DIALER, PEER, RELAY, NetLab
from tests.counterparts.rust_peer import RustPeer

GOAL, MUST = 2.0, 5.0  # seconds until it is found
_AGAIN = 0.02  # seconds from one search to the next

Steps = dict[str, float]


async def join(lab: NetLab, at: str, finder: RustPeer) -> Steps:
    """Seconds until each step of one start is done."""
    circuits = f"{at}/p2p-circuit"
    home = Setup(listen=["/ip4/0.0.0.0/tcp/4001"], within=lab.within(PEER))
    began, steps = time.monotonic(), Steps()

    def done(step: str) -> None:
        steps[step] = time.monotonic() - began

    async with RustPeer(home, ["autonat", "kad"]) as node:
        done("started")
        await node.connect(at)
        done("connected")
        await node.event("reachability", **{"is": "private"})
        done("told that it is private")
        await node.reserve(at)
        await node.event("reserved")
        done("reserved")

        async def found() -> bool:
            with contextlib.suppress(PeerError):
                return any(addr.startswith(circuits) for addr in await finder.find(node.peer_id))
            return False

        await until(found, every=_AGAIN)
        done("found")
    return steps


async def measure(count: int) -> list[Steps]:
    public = f"/ip4/{ADDRESSES[RELAY]}/tcp/4001"
    with NetLab() as lab:
        outside = Setup(listen=(), within=lab.within(DIALER))
        serving = Setup(listen=[public], within=lab.within(RELAY))
        async with EdgeNode(serving) as ours, RustPeer(outside, ["kad"]) as finder:
            at = f"{public}/p2p/{ours.peer_id}"
            await finder.connect(at)
            return [await join(lab, at, finder) for _ in range(count)]


def table(starts: list[Steps]) -> str:
    """As Markdown."""
    lines = ["| until it is | median s | longest s |", "|---|---|---|"]
    for step in starts[0]:
        times = [start[step] for start in starts]
        lines.append(f"| {step} | {statistics.median(times):.2f} | {max(times):.2f} |")
    longest = max(start["found"] for start in starts)
    verdict = "goal met" if longest <= GOAL else "must met" if longest <= MUST else "MISSED"
    lines += ["", f"{verdict}: {len(starts)} starts, goal {GOAL:g} s, must {MUST:g} s"]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.joining", description=__doc__)
    parser.add_argument("--count", type=int, default=10, help="starts")
    arguments = parser.parse_args()
    RustPeer.install()
    starts = asyncio.run(measure(arguments.count))
    print(table(starts))
    machine = report.machine(relays.Cores(shared=True))
    today = datetime.datetime.now(tz=datetime.UTC).strftime("%Y-%m-%d-%H%M")
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{today}-{report.commit()}-joining.json"
    path.write_text(json.dumps({"machine": machine, "starts": starts}, indent=1) + "\n")
    print(f"\nwritten to {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""10,000 hostile connections against a relay at its memory limit, under a good circuit.

    python -m tests.soak.strangers [--connections N] [--at-once N] [--memory-limit 48M] [--kind K]
                                   [--json FILE]

Those that come in a circuit do so through another relay. For each kind of tests.soak.hostile in
turn: the good circuit's throughput alone, then while the
strangers come, both measured by checked transfers between two of our peers. The relay has a
processor of its own; on the other one the peers come before the strangers: what counts is what
these cost the relay. Needs two processors, and root for the priorities.
Prints a table; ends with 1 unless the circuit kept 80 % of its throughput and was never cut, the
relay's memory stayed below its limit, and nothing of the strangers was left behind.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.counterparts.base import Setup, until
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.ours_peer import OurPeer
from tests.soak.hostile import CIRCUIT, HOLD, KINDS

MIB = 1 << 20
KEPT = 0.8  # of its throughput, at least
_TRANSFER = 4 * MIB  # each way
_TURNS = 3  # of the circuit alone and under attack, so that both see the same machine
_ALONE = 3.0  # seconds
_LEAST = 3.0  # seconds that the strangers of one kind keep coming, whatever their number
_LONGEST = 300.0  # seconds for the strangers of one kind
_SETTLE = 20.0  # seconds for the relay to be rid of them
_CHECKOUT = Path(__file__).parents[2]
# The relay has a processor of its own: what counts is what the strangers cost it.
_RELAY = ("nice", "-n", "-15", "taskset", "-c", "0")
_PEERS = ("nice", "-n", "-15", "taskset", "-c", "1")
_STRANGERS = ("taskset", "-c", "1")
_TICKS = os.sysconf("SC_CLK_TCK")
_STANDING = 3  # connections of the relay: the two good peers, and the other relay
# The other relay turns nobody away.
_MANY = "4096"
_OTHER_RELAY = (
    *("--relay-service", "yes", "--relay-client", "no", "--max-connections-per-ip", _MANY),
    *("--relay-max-circuits-per-ip", _MANY, "--relay-max-circuits-per-peer", _MANY),
    *("--max-connections", _MANY, "--max-pending-handshakes", _MANY, "--relay-max-circuits", _MANY),
)


@dataclass
class Round:
    """One kind. Rates in MB/s of the good circuit, `cpu` in seconds of the relay."""

    kind: str
    alone: float
    attacked: float
    seconds: float
    cpu: float
    strangers: dict[str, int]
    rss: int
    refused: dict[str, int] = field(default_factory=dict)
    left: int = 0

    @property
    def kept(self) -> float:
        return self.attacked / self.alone


class Good:
    """The good circuit: transfers over it, without a pause."""

    def __init__(self, relay: str, listener: OurPeer, dialer: OurPeer) -> None:
        self._addr = listener.circuit(relay)
        self._dialer = dialer

    async def rate(self, end: asyncio.Event) -> float:
        """MB/s, both ways together, until `end`."""
        began = time.monotonic()
        moved = 0
        while not end.is_set():
            await self._dialer.transfer(self._addr, _TRANSFER)
            moved += 2 * _TRANSFER
        return moved / (time.monotonic() - began) / 1e6

    async def rate_for(self, seconds: float) -> float:
        end = asyncio.Event()
        asyncio.get_running_loop().call_later(seconds, end.set)
        return await self.rate(end)


async def attack(relay: str, kind: str, count: int, at_once: int) -> dict[str, int]:
    """Let them come; how they ended."""
    words = ("-m", "tests.soak.hostile", relay, kind, str(count), str(at_once), str(_LEAST))
    process = await asyncio.create_subprocess_exec(
        *_STRANGERS, sys.executable, *words, cwd=_CHECKOUT, stdout=asyncio.subprocess.PIPE
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), _LONGEST)
    except TimeoutError:
        process.kill()
        await process.wait()
        return {"unfinished": 1}
    return dict(json.loads(out))


async def one_round(
    node: EdgeNode, at: str, good: Good, kind: str, count: int, at_once: int
) -> Round:
    """Strangers of `kind` come to `at`, where `node` is."""
    before = await node.status()
    ends: Counter[str] = Counter()
    alone: list[float] = []
    attacked: list[float] = []
    seconds = cpu = 0.0
    for _ in range(_TURNS):
        alone.append(await good.rate_for(_ALONE))
        began, used = time.monotonic(), cpu_seconds(node)
        over = asyncio.Event()
        rate = asyncio.create_task(good.rate(over))
        try:
            ends += Counter(await attack(at, kind, count // _TURNS, at_once))
        finally:
            over.set()
        seconds += time.monotonic() - began
        cpu += cpu_seconds(node) - used
        attacked.append(await rate)
        left = await settled(node)
    after = await node.status()
    return Round(
        kind,
        mean(alone),
        mean(attacked),
        seconds,
        cpu,
        dict(ends),
        after["memory"]["rss"],
        grown(reasons(before), reasons(after)),
        left,
    )


def mean(rates: list[float]) -> float:
    return sum(rates) / len(rates)


async def settled(node: EdgeNode) -> int:
    """Connections beyond the standing ones, once there are none or time is up."""
    until = time.monotonic() + _SETTLE
    while True:
        found = (await node.status())["connections"]
        left = int(found["open"]) + int(found["pending"]) - _STANDING
        if left <= 0 or time.monotonic() > until:
            return left
        await asyncio.sleep(0.5)


def reasons(report: dict[str, Any]) -> dict[str, int]:
    found = {"protocol_errors": report["connections"]["protocol_errors"]}
    for room, counts in report["refusals"].items():
        found.update({f"{room}:{reason}": count for reason, count in counts.items()})
    return found


def grown(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    grown = {name: count - before.get(name, 0) for name, count in after.items()}
    return {name: count for name, count in grown.items() if count}


def cpu_seconds(node: EdgeNode) -> float:
    assert node.process is not None
    words = Path(f"/proc/{node.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / _TICKS


def line(one: Round) -> str:
    ends = ", ".join(f"{count} {end}" for end, count in sorted(one.strangers.items()))
    refused = ", ".join(f"{count} {reason}" for reason, count in sorted(one.refused.items()))
    return (
        f"{one.kind:28}{one.alone:8.1f}{one.attacked:9.1f}{one.kept:7.0%}{one.seconds:8.1f}"
        f"{one.cpu:7.1f}{one.rss / MIB:7.1f}{one.left:6}  {ends}; refused: {refused or 'none'}"
    )


async def soak(options: argparse.Namespace) -> int:
    kinds = options.kind or list(KINDS)
    each = options.connections // len(kinds)
    rounds = []
    print(f"{each} strangers of each kind, {options.at_once} at once, {HOLD:g} s each at most")
    print(f"{'kind':28}{'alone':>8}{'attacked':>9}{'kept':>7}{'s':>8}{'cpu-s':>7}{'RSS':>7}  left")
    async with EdgeNode(Setup(within=_PEERS), _OTHER_RELAY) as other:
        through = await other.direct()
        relay_options = ["--memory-limit", options.memory_limit, "--relay-service", "yes"]
        relay_options += ["--relay-client", "yes", "--relay-relays", through]
        async with EdgeNode(Setup(within=_RELAY), relay_options) as node:
            async for one in played(node, node.circuit(through), kinds, each, options.at_once):
                rounds.append(one)
                print(line(one), flush=True)
            report = await node.status()
    return conclude(rounds, report, options.json)


async def played(
    node: EdgeNode, through: str, kinds: Sequence[str], each: int, at_once: int
) -> AsyncIterator[Round]:
    """The round of each of `kinds`. `through`: where another relay leads to `node`."""
    at = await node.direct()
    async with (
        OurPeer(Setup(listen=(), relays=[at], within=_PEERS)) as listener,
        OurPeer(Setup(listen=(), within=_PEERS)) as dialer,
    ):
        good = Good(at, listener, dialer)
        await good.rate_for(1)
        await until(lambda: reserved(node))
        for kind in kinds:
            come_to = through if kind == CIRCUIT else at
            yield await one_round(node, come_to, good, kind, each, at_once)


async def reserved(node: EdgeNode) -> bool:
    """Whether it can be reached through the other relay."""
    return bool((await node.status())["reservations"]["own"])


def conclude(rounds: list[Round], report: dict[str, Any], path: str | None) -> int:
    alone = sum(one.alone * one.seconds for one in rounds)
    kept = sum(one.attacked * one.seconds for one in rounds) / alone
    memory = report["memory"]
    failures = [f"{one.kind}: {one.left} connections left" for one in rounds if one.left]
    if kept < KEPT:
        failures.append(f"the circuit kept {kept:.0%} of its throughput")
    failures += [f"{one.kind}: kept {one.kept:.0%}" for one in rounds if one.kept < KEPT]
    if memory["peak"] > memory["limit"]:
        failures.append(f"RSS peak {memory['peak']} above the limit {memory['limit']}")
    if report["circuits"]["total"] != 1:
        failures.append(f"the circuit was cut: {report['circuits']}")
    rooms = {name: room["refused"] for name, room in memory["rooms"].items() if room["refused"]}
    print(
        f"kept {kept:.0%}; RSS peak {memory['peak'] / MIB:.1f} of {memory['limit'] / MIB:.0f} MiB;"
        f" {sum(sum(one.strangers.values()) for one in rounds)} strangers in"
        f" {sum(one.seconds for one in rounds):.0f} s; circuits {report['circuits']['total']};"
        f" leases refused {rooms or 'none'}"
    )
    for failure in failures:
        print(f"FAILED {failure}")
    if path:
        result = {"rounds": [asdict(one) for one in rounds], "kept": kept, "status": report}
        Path(path).write_text(json.dumps(result, indent=1) + "\n")
    return 1 if failures else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--memory-limit", default="64M")
    parser.add_argument("--kind", action="append", choices=sorted(KINDS))
    parser.add_argument("--json")
    return asyncio.run(soak(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())

"""python -m bench.kad: how long FIND_NODE of a reserved peer takes, alone and beside a circuit that
carries what it can. Prints the table, writes bench/results/DATE-COMMIT-kad.json.

The relay holds a reservation of the peer that is sought, and K peers of the DHT beside it, so that
the answers are whole ones. Who asks does so on a stream of its own each time, as rust- and
js-libp2p do, with a pause between: it is one of many that look for a peer, and no flood.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from bench import builds, relays, report
from bench.__main__ import OURS, RESULTS, _named_command
from bench.figures import Figures, may_run_realtime
from edge import crypto
from edge.relay.client import RelayClient
from edge.swarm import ping
from edge.swarm.addresses import OwnAddresses
from edge.swarm.connection import Connection
from edge.swarm.dialer import Dialer
from edge.swarm.identify import IdentifyService
from edge.swarm.stream import Stream
from edge.swarm.swarm import Swarm
from edge.wire import kad
from edge.wire.kad import K, KadMessage, read_peers
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import PeerId
from edge.wire.protobuf import delimited
from tests.counterparts.cache import InstallError

GOAL_MS, MUST_MS = 5.0, 15.0  # p99 beside the circuit
PAUSE = 0.01  # seconds from one request to the next
_SETTLE = 1.0  # seconds until the circuit carries what it can


class Peer:
    """A peer of the DHT, which says so, and where it is, and answers nobody."""

    def __init__(self, number: int) -> None:
        there = [Multiaddr.from_ip(bytes((5, 1, number, host)), 4001) for host in (1, 2)]
        self.swarm = Swarm(crypto.Ed25519Key.generate())
        self.dialer = Dialer(self.swarm)
        self.client = RelayClient(self.swarm, self.dialer)
        IdentifyService(self.swarm, OwnAddresses(there, list, list))
        self.swarm.handle(ping.PROTOCOL_ID, ping.serve)
        self.swarm.handle(kad.PROTOCOL_ID, self._refuse)

    async def _refuse(self, stream: Stream) -> None:
        stream.reset()

    async def dial(self, at: Multiaddr) -> Connection:
        """A connection to the relay at `at`, once it has said who it is."""
        relay = at.peer_id()
        assert relay is not None
        connection = await self.dialer.connect(relay, [at], trusted=True)
        while connection.info is None:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.01)
        return connection


@asynccontextmanager
async def peers(at: Multiaddr) -> AsyncIterator[tuple[Connection, PeerId]]:
    """The connection of who asks the relay at `at`, and the peer that is sought."""
    asker, sought, *others = made = [Peer(number) for number in range(K + 2)]
    relay = at.peer_id()
    assert relay is not None
    for other in others:
        await other.dial(at)
    await sought.client.reserve(relay, [at], trusted=True)
    yield await asker.dial(at), sought.swarm.peer_id
    await asyncio.gather(*[peer.swarm.stop() for peer in made])


async def find_node(connection: Connection, sought: PeerId) -> float:
    """Milliseconds until the peer on `connection` has said where `sought` is."""
    request = delimited(KadMessage(type=kad.FIND_NODE, key=sought.bytes).encode())
    began = time.perf_counter()
    stream = connection.open_stream([kad.PROTOCOL_ID])
    await stream.write(request)
    data = await stream.read_message(kad.MAX_ANSWER)
    took = (time.perf_counter() - began) * 1000
    stream.dismiss()
    found = read_peers(KadMessage.decode(data).closer)
    assert found[0][0] == sought and len(found) == K + 1, f"{len(found)} peers"
    return took


async def measure(connection: Connection, sought: PeerId, count: int) -> dict[str, float]:
    """The quantiles of `count` requests, in milliseconds."""
    times = []
    with first():
        for _ in range(count):
            times.append(await find_node(connection, sought))
            await asyncio.sleep(PAUSE)
    return quantiles(times)


def quantiles(times: list[float]) -> dict[str, float]:
    """Of `times`, in milliseconds."""
    times, count = sorted(times), len(times)
    return {"p50_ms": times[count // 2], "p99_ms": times[count * 99 // 100], "most_ms": times[-1]}


@contextlib.contextmanager
def first() -> Iterator[None]:
    """Before the load, where this process may: only the relay is to delay the answers."""
    if not may_run_realtime():
        yield
        return
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


async def figures(relay: relays.Relay, load: Path, cores: relays.Cores, count: int) -> Figures:
    """Without and with the circuit of other peers beside it."""
    async with peers(Multiaddr.from_string(relay.target[1])) as (connection, sought):
        await measure(connection, sought, count // 4)  # warm
        alone = await measure(connection, sought, count)
        command = [load, "bulk", *relay.target, "-pid", str(relay.pid), "-streams", "1"]
        bulk = await asyncio.create_subprocess_exec(
            *[*map(str, command), "-warmup", "500ms", "-window", "1h"],
            preexec_fn=relays.pinned(cores.load),
        )
        try:
            await asyncio.sleep(_SETTLE)
            before, began = relay.cpu_seconds(), time.monotonic()
            beside = await measure(connection, sought, count)
            busy = (relay.cpu_seconds() - before) / (time.monotonic() - began)
            if bulk.returncode is not None:
                raise relays.RelayError("the circuit ended while it was measured")
        finally:
            with contextlib.suppress(ProcessLookupError):
                bulk.kill()
            await bulk.wait()
    return {"alone": alone, "beside": {**beside, "relay_busy": busy}}


def table(results: dict[str, Figures]) -> str:
    """As Markdown."""
    lines = ["| relay | alone p50 / p99 ms | beside a circuit | relay's CPU |", "|---|---|---|---|"]
    for name, found in results.items():
        alone, beside = (f"{each['p50_ms']:.2f} / {each['p99_ms']:.2f}" for each in found.values())
        lines.append(f"| {name} | {alone} | {beside} | {found['beside']['relay_busy']:.0%} |")
    return "\n".join(lines)


def targets(results: dict[str, Figures]) -> list[str]:
    """A line for each relay."""
    lines = []
    for name, found in results.items():
        p99 = found["beside"]["p99_ms"]
        verdict = "goal met" if p99 <= GOAL_MS else "must met" if p99 <= MUST_MS else "MISSED"
        lines.append(f"{verdict:8} {name}: p99 {p99:.2f} ms, goal {GOAL_MS:g}, must {MUST_MS:g}")
    return lines


def _arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.kad", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="requests of each kind")
    parser.add_argument("--share-cores", action="store_true", help="pin neither relay nor load")
    parser.add_argument("--load", type=Path, help="the program of the load peers, if it is built")
    parser.add_argument("--ours", type=_named_command, action="append", metavar="NAME=COMMAND")
    return parser.parse_args(given)


def main() -> int:
    arguments = _arguments()
    ours = arguments.ours or [("kwaainet uncompiled", OURS["kwaainet uncompiled"])]
    try:
        load = arguments.load or builds.go_programs() / "load"
    except (builds.MissingTool, InstallError) as error:
        print(f"bench.kad: {error}", file=sys.stderr)
        return 2
    cores = relays.Cores(arguments.share_cores)
    os.sched_setaffinity(0, cores.load)
    results: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        for name, command in ours:
            relay = relays.ours(name, command).start(Path(scratch), cores.relay)
            try:
                results[name] = asyncio.run(figures(relay, load, cores, arguments.count))
            finally:
                relay.stop()
    machine = report.machine(cores)
    print(table(results), "", *targets(results), "", sep="\n")
    print("\n".join(f"{name}: {value}" for name, value in machine.items()))
    RESULTS.mkdir(exist_ok=True)
    today = datetime.datetime.now(tz=datetime.UTC).strftime("%Y-%m-%d-%H%M")
    path = RESULTS / f"{today}-{report.commit()}-kad.json"
    path.write_text(json.dumps({"machine": machine, "figures": results}, indent=1) + "\n")
    print(f"\nwritten to {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""python -m bench.dht_calls: keys a second that a node of the DHT stores and finds for a client.

Ours and hivemind's own (PyPI, with its p2pd), one after the other in the same run. A second is one
of processor time, of all the node's processes, so what else the machine does counts for neither.
The client is ours and has a few requests of BATCH keys under way: plain values, and blocks as
KwaaiNet's nodes announce them, one value under each key with the peer id as subkey. Both nodes have
the same peers in their routing tables, so that every result names 20. Prints a table, and writes
bench/results/dht-calls-VERSION.json.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop

from bench import builds
from edge.config.load import load
from edge.dht.service import DhtService
from edge.dht.unary import Lease, call
from edge.host import Host
from edge.node import Node
from edge.swarm.connection import Connection
from edge.version import VERSION
from edge.wire import hivemind, packed
from edge.wire.hivemind import FindRequest, FindResponse, StoreRequest, StoreResponse
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import ED25519, PeerId, PublicKey
from tests.counterparts.hivemind_peers import HivemindPeers

BATCH = 32
AT_ONCE = 4
NEIGHBOURS = 200
VALUE = b"x" * 256
KEYS = 960  # of each shape, stored and found in turn: within what one writer may hold
CALLS = 1200
ROUNDS = 3
GOAL, MUST = 5, 2  # times as many as hivemind
RESULTS = builds.HERE / "results"

Rates = dict[str, float]


def neighbours() -> list[PeerId]:
    keys = [hashlib.sha256(b"%d" % number).digest() for number in range(NEIGHBOURS)]
    return [PublicKey(type=ED25519, data=key).peer_id() for key in keys]


async def serve(directory: str) -> None:
    """Our node, until standard input ends; prints where it is."""
    options = {"data-dir": [directory], "listen": ["/ip4/127.0.0.1/tcp/0"], "log-level": ["error"]}
    config = load("/dev/null", {}, {**options, "dht-enabled": ["yes"], "adapt-enabled": ["no"]})
    async with Node(config) as node:
        (dht,) = [each for each in node.services if isinstance(each, DhtService)]
        now = node.host.swarm.loop.time()
        for peer in neighbours():
            number = int.from_bytes(os.urandom(hivemind.ID_SIZE), "big")
            dht.table.answered(number, peer, b"", now)
        at = node.host.swarm.listening[0].with_peer(node.host.swarm.peer_id)
        print(at, flush=True)
        await asyncio.to_thread(sys.stdin.read)


def processor_time(pid: int) -> float:
    """Seconds that the process and its children have worked."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    own = sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
    return own + sum([processor_time(int(child)) for child in children])


async def measure_ours() -> Rates:
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.dht_calls", "--serve", directory),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None and process.stdin is not None
        at = (await process.stdout.readline()).decode().strip()
        rates = await measured(at, process.pid)
        process.stdin.close()
        await process.wait()
        return rates


async def measure_hivemind() -> Rates:
    async with HivemindPeers() as process:
        assert process.process is not None
        node = await process.node()
        await node.ask("crowd", peers=[str(peer) for peer in neighbours()])
        return await measured(node.addrs[0], process.process.pid)


async def measured(at: str, pid: int) -> Rates:
    """The rates of the node at `at`, whose process is `pid`, asked by a host in this one."""
    address = Multiaddr.from_string(at)
    peer = address.peer_id()
    assert peer is not None
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        host = Host(load("/dev/null", {}, {"data-dir": [directory], "log-level": ["error"]}))
        try:
            connection = await host.dialer.connect(peer, [address], trusted=True)
            client = Client(host, connection)
            rates = {}
            for shape, subkey in (("plain", hivemind.PLAIN), ("blocks", client.own)):
                client.begin(shape, subkey)
                rates[f"store {shape}"] = await rate(client.store, pid)
                rates[f"find {shape}"] = await rate(client.find, pid)
            return rates
        finally:
            await host.stop()


class Client:
    """Asks on one connection; the keys are other ones each time, in turn."""

    def __init__(self, host: Host, connection: Connection) -> None:
        self._pool = host.budget.pool("bench", 1.0)
        self._connection = connection
        self.own = packed.dumps(str(host.swarm.peer_id))
        self._until = time.time() + 300

    def begin(self, shape: str, subkey: bytes) -> None:
        """Other keys; records have `subkey`."""
        names = [f"{shape}.{number}".encode() for number in range(KEYS)]
        self._keys = [hashlib.sha1(name).digest() for name in names]
        self._subkey = subkey
        self._next = 0

    def _batch(self) -> list[bytes]:
        first = self._next
        self._next = (first + BATCH) % KEYS
        return self._keys[first : first + BATCH]

    async def store(self) -> None:
        self._until += 0.01  # later than what there is
        request = StoreRequest(
            keys=self._batch(),
            subkeys=[self._subkey] * BATCH,
            values=[VALUE] * BATCH,
            expirations=[self._until] * BATCH,
            in_cache=[0] * BATCH,
        )
        answer = StoreResponse.decode(await self._call(hivemind.STORE_ID, request.encode()))
        if answer.store_ok != [1] * BATCH:
            raise SystemExit("not everything was stored")

    async def find(self) -> None:
        # The answer is not taken apart: the client is to be faster than the node.
        answer = await self._call(hivemind.FIND_ID, FindRequest(keys=self._batch()).encode())
        if len(answer) < BATCH * (len(VALUE) + 20 * hivemind.ID_SIZE):
            found = FindResponse.decode(answer).results
            raise SystemExit(f"not everything was found: {found[0]}")

    async def _call(self, protocol: str, request: bytes) -> bytes:
        with Lease(self._pool) as lease:
            return await call(self._connection, protocol, request, lease)


async def rate(ask: Callable[[], Awaitable[None]], pid: int) -> float:
    """Keys in a second of the processor time of `pid`."""

    async def run() -> None:
        for _ in range(CALLS // AT_ONCE):
            await ask()

    await ask()
    began = processor_time(pid)
    await asyncio.gather(*[run() for _ in range(AT_ONCE)])
    return CALLS * BATCH / (processor_time(pid) - began)


async def compare() -> dict[str, Any]:
    rounds = [(await measure_ours(), await measure_hivemind()) for _ in range(ROUNDS)]
    rows: dict[str, Any] = {}
    for what in rounds[0][0]:
        ours = statistics.median([mine[what] for mine, _ in rounds])
        theirs = statistics.median([other[what] for _, other in rounds])
        rows[what] = {
            "ours": round(ours),
            "hivemind": round(theirs),
            "times": round(ours / theirs, 2),
        }
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.dht_calls", description=__doc__)
    parser.add_argument("--serve", metavar="DIR", help="be our node")
    directory = parser.parse_args().serve
    if directory is not None:
        uvloop.run(serve(directory))  # as `kwaainet run` does where it is installed; hivemind too
        return
    HivemindPeers.install()
    rows = asyncio.run(compare())
    print(f"{'keys/cpu-s':<14} {'ours':>8} {'hivemind':>9} {'times':>6}")
    for what, row in rows.items():
        print(f"{what:<14} {row['ours']:>8} {row['hivemind']:>9} {row['times']:>6.1f}")
    print(f"\nbatches of {BATCH}; goal {GOAL} times, must {MUST}")
    path: Path = RESULTS / f"dht-calls-{VERSION}.json"
    path.write_text(json.dumps(rows, indent=1) + "\n")
    print(f"written to {path}")


if __name__ == "__main__":
    main()

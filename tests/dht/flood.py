"""Peers that store junk at a node of the DHT, each over a connection of its own: a process.

It is driven by JSON lines (tests/counterparts/lines.py). They say that they are nodes, with ids
around a key if they are told one, and answer pings to that effect. Run as
`python -m tests.dht.flood SETUP`, a setup that is not used. It ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge import crypto
from edge.budget import Budget
from edge.dht.unary import Lease, call
from edge.swarm.connection import Connection
from edge.swarm.dialer import Dialer
from edge.swarm.swarm import Swarm
from edge.units import MIB
from edge.wire import hivemind
from edge.wire.hivemind import (
    ID_SIZE,
    FindRequest,
    FindResponse,
    NodeInfo,
    PingResponse,
    StoreRequest,
    StoreResponse,
)
from edge.wire.multiaddr import Multiaddr
from tests.counterparts.lines import LinesProcess
from tests.dht.nodes import answering

BATCH = 32  # records of a request
SIZE = 512  # bytes of a value
LIFE = 3600.0  # seconds: longer than what they try to replace
_CHECKOUT = Path(__file__).parents[2]


class From(Swarm):
    """It dials from the address `source`, where that is not empty."""

    def __init__(self, source: str) -> None:
        super().__init__(crypto.Ed25519Key.generate())
        self.source = source

    def prepare(self, sock: socket.socket) -> None:
        super().prepare(sock)
        if self.source:
            sock.bind((self.source, 0))


class Junk:
    """One of them, the node `number`."""

    def __init__(self, number: int, source: str) -> None:
        self.swarm = From(source)
        self.info = NodeInfo(node_id=number.to_bytes(ID_SIZE, "big"))
        self._pool = Budget(64 * MIB, 0).pool("junk", 1.0)
        pong = PingResponse(peer=self.info).encode()
        self.swarm.handle(hivemind.PING_ID, answering(lambda _: pong))

    async def connect(self, at: Multiaddr) -> None:
        peer = at.peer_id()
        assert peer is not None
        self.connection: Connection = await Dialer(self.swarm).connect(peer, [at], trusted=True)

    async def store(self, targets: Sequence[tuple[bytes, bytes]]) -> int:
        """`targets`, keys and subkeys of others, and new ones; how many are stored."""
        records = [*targets]
        while len(records) < BATCH:
            subkey = hivemind.PLAIN if len(records) % 2 else b"\xc4\x08" + os.urandom(8)
            records.append((os.urandom(ID_SIZE), subkey))
        request = StoreRequest(
            keys=[key for key, _ in records],
            subkeys=[subkey for _, subkey in records],
            values=[os.urandom(SIZE) for _ in records],
            expirations=[time.time() + LIFE] * BATCH,
            in_cache=[number % 2 for number in range(BATCH)],
            peer=self.info,
        )
        answer = await self._call(hivemind.STORE_ID, request.encode())
        return sum(StoreResponse.decode(answer).store_ok)

    async def find(self, key: bytes) -> hivemind.FindResult:
        request = FindRequest(keys=[key], peer=self.info)
        answer = await self._call(hivemind.FIND_ID, request.encode())
        return FindResponse.decode(answer).results[0]

    async def _call(self, protocol: str, request: bytes) -> bytes:
        with Lease(self._pool) as lease:
            return await call(self.connection, protocol, request, lease)


class Program:
    """What it is asked to do, by name."""

    def __init__(self) -> None:
        self._all: list[Junk] = []
        self._floods: list[asyncio.Task[None]] = []
        self._requests = self._stored = 0

    async def connect(self, at: str, count: int, around: str, sources: list[str]) -> None:
        """`count` of them to the node `at`, in turn from `sources`, with ids around a key."""
        key = int(around, 16) if around else 0
        for number in range(1, count + 1):
            near = key ^ number if around else int.from_bytes(os.urandom(ID_SIZE), "big")
            junk = Junk(near, sources[number % len(sources)] if sources else "")
            await junk.connect(Multiaddr.from_string(at))
            self._all.append(junk)

    async def flood(self, targets: list[list[str]]) -> None:
        """From now on all store what they can; `targets`: keys and subkeys, in hexadecimal."""
        pairs = [(bytes.fromhex(key), bytes.fromhex(subkey)) for key, subkey in targets]
        self._floods = [asyncio.create_task(self._flood(junk, pairs)) for junk in self._all]

    async def _flood(self, junk: Junk, targets: Sequence[tuple[bytes, bytes]]) -> None:
        while True:
            self._stored += await junk.store(targets)
            self._requests += 1

    async def count(self) -> dict[str, int]:
        """Requests that were answered, and records that are stored."""
        for flood in self._floods:
            if flood.done():
                flood.result()
        return {"requests": self._requests, "stored": self._stored}

    async def find(self, key: str) -> dict[str, Any]:
        """What one of them is told: the value, and who of the nearest is one of them."""
        result = await self._all[0].find(bytes.fromhex(key))
        own = {junk.swarm.peer_id.bytes for junk in self._all}
        near = result.nearest_peer_ids
        junk = sum([peer in own for peer in near])
        return {"value": (result.value or b"").hex(), "nearest": len(near), "junk": junk}


class Flood(LinesProcess):
    """The process; its methods are `Program`'s."""

    kind = "junk"

    @staticmethod
    def install() -> Path:
        return _CHECKOUT

    def command(self) -> Sequence[str | Path]:
        return ("env", f"PYTHONPATH={_CHECKOUT}", sys.executable, "-u", "-m", "tests.dht.flood")

    async def addrs(self) -> list[str]:
        return []

    async def connect(
        self, at: str, count: int, around: bytes = b"", sources: Sequence[str] = ()
    ) -> None:
        given = {"around": around.hex(), "sources": list(sources)}
        await self.ask("connect", at=at, count=count, **given)

    async def flood(self, *targets: tuple[bytes, bytes]) -> None:
        await self.ask("flood", targets=[[key.hex(), subkey.hex()] for key, subkey in targets])

    async def count(self) -> dict[str, int]:
        return dict(await self.ask("count"))

    async def find(self, key: bytes) -> dict[str, Any]:
        return dict(await self.ask("find", key=key.hex()))


async def main() -> None:
    program = Program()
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    print(json.dumps({"id": 0, "ok": {"peer_id": ""}}), flush=True)
    while line := await reader.readline():
        request = json.loads(line)
        number, what = request.pop("id"), request.pop("do")
        answer = await getattr(program, what)(**request)
        print(json.dumps({"id": number, "ok": answer}), flush=True)


if __name__ == "__main__":
    asyncio.run(main())

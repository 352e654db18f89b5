"""Hosts with stores that share pieces, in this process, over the loopback: real swarms."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from edge import crypto
from edge.budget import Budget
from edge.cache import names
from edge.cache.fragments.errors import FragmentError
from edge.cache.fragments.fetcher import Fetcher
from edge.cache.fragments.server import Server
from edge.cache.store.file import File
from edge.cache.store.store import Store
from edge.config.load import load
from edge.host import Host
from edge.relay.client import RelayClient
from edge.relay.service import RelayService
from edge.swarm.connection import Connection
from edge.swarm.swarm import Swarm
from edge.units import MIB
from edge.wire import circuit, fragment, merkle
from edge.wire.fragment import Request, decode_answer
from edge.wire.merkle import HASH, PIECE
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import PeerId
from tests.cache.store.stores import sha256, write
from tests.hosts import host_around
from tests.kad.hosts import Node as KadNode
from tests.relay.hosts import LOOPBACK, so

if TYPE_CHECKING:
    from edge.wire.fragment import Answer


class Library:
    """Knows what a test puts into it."""

    def __init__(self) -> None:
        self.manifests: dict[bytes, tuple[bytes, bytes]] = {}
        self.vouched: dict[bytes, list[bytes]] = {}

    async def manifest(self, name: bytes) -> tuple[bytes, bytes] | None:
        return self.manifests.get(name)

    async def attestations(self, name: bytes) -> list[bytes]:
        return self.vouched.get(name, [])


class Roots:
    """Believes a test."""

    def __init__(self) -> None:
        self.known: dict[bytes, tuple[bytes, int]] = {}

    async def root_of(self, digest: bytes) -> tuple[bytes, int]:
        if digest not in self.known:
            raise FragmentError("nobody vouches for this file")
        return self.known[digest]


class Node:
    """A host with a store; it shares what is in there, and fetches."""

    def __init__(self, memory: int = 64 * MIB, shares: bool = True) -> None:
        swarm = Swarm(crypto.Ed25519Key.generate(), None, Budget(memory, 0))
        self._begin(host_around(swarm))
        self.relay = RelayService(self.host)
        self.relay.configure(load("/dev/null", {}, {"relay-service": ["yes"]}))
        self.client = RelayClient(self.swarm, self.host.dialer)
        self.bound = self.swarm.listen(LOOPBACK)
        self.host.addresses.refresh()
        if shares:
            self.server = Server(self.host, self.store, self.library, self.pool)
            self.server.shares = True

    def _begin(self, host: Host) -> None:
        self.host, self.swarm = host, host.swarm
        host.reach = self._reach  # type: ignore[method-assign]
        self.pool = host.budget.pool("cache", 0.5)
        self.store = Store(self.pool, self.swarm.loop)
        self.library, self.roots = Library(), Roots()
        self.fetcher = Fetcher(host, self.store, self.roots, self.pool)

    @classmethod
    def around(cls, other: KadNode) -> Node:
        """The cache of a node that is there already."""
        node = cls.__new__(cls)
        node._begin(other.host)
        return node

    async def _reach(self, peer: PeerId) -> Connection:
        return await self.host.dialer.connect(peer, [])

    @property
    def id(self) -> PeerId:
        return self.swarm.peer_id

    async def connect(self, other: Node) -> Connection:
        """A connection to `other`, once both know what the other speaks."""
        connection = await self.host.dialer.connect(other.id, [other.bound], trusted=True)
        await so(lambda: connection.info is not None)
        return connection

    async def connect_through(self, relay: Node, other: Node) -> Connection:
        """A circuit to `other` through `relay`, on which it has reserved."""
        await other.reserve(relay)
        where = f"{relay.bound}/p2p/{relay.id}/p2p-circuit/p2p/{other.id}"
        connection = await self.host.dialer.connect(
            other.id, [Multiaddr.from_string(where)], trusted=True
        )
        assert not connection.direct
        await so(lambda: connection.info is not None)
        return connection

    async def reserve(self, relay: Node) -> None:
        self.client.relays = {relay.id}
        _, answer = await self.client.reserve(relay.id, [relay.bound], trusted=True)
        assert answer.status == circuit.OK

    async def add(self, data: bytes, private: bool = False) -> bytes:
        """Keep a whole file, as one that was pulled; returns its name by root."""
        file = self.store.file(sha256(data), len(data))
        assert await write(file, data)
        assert await file.settle()
        file.private = private
        assert file.root is not None
        return names.name(names.ROOT, file.root)

    async def ask(self, other: Node, request: Request) -> tuple[Answer | fragment.Refusal, bytes]:
        """What `other` answers, with the body."""
        stream = (await self.connect(other)).open_stream([fragment.PROTOCOL_ID])
        await stream.write(request.encode())
        answer = decode_answer(await stream.read_message(fragment.MAX_ANSWER), request)
        body = bytearray()
        while data := await stream.read(1 << 16):
            body += data
        stream.dismiss()
        return answer, bytes(body)

    async def stop(self) -> None:
        await self.relay.stop()
        await self.swarm.stop()
        if hasattr(self, "server"):
            self.server.stop()
        await self.store.close()
        assert self.fetcher.pool.used == self.store.pool.used


@asynccontextmanager
async def nodes(
    directory: Path, count: int, memory: int = 64 * MIB, size: int = 64 * MIB
) -> AsyncIterator[list[Node]]:
    """So many nodes, whose stores are in `directory`; after the test nothing is leased."""
    async with AsyncExitStack() as stack:
        made = [Node(memory) for _ in range(count)]
        for number, node in enumerate(made):
            where = directory / str(number)
            where.mkdir()
            await node.store.open(str(where), size)
            stack.push_async_callback(node.stop)
        yield made


async def kept(file: File) -> bytes:
    """All that is kept of a file, in order."""
    data = bytearray()
    for at in range(0, file.size, PIECE):
        data += await piece(file, at // PIECE)
    return bytes(data)


async def piece(file: File, index: int) -> bytes:
    """One piece; empty: it is not kept."""
    at = index * PIECE
    if file.extent(at) is None and not await file.verified(at):
        return b""
    extent = file.extent(at)
    assert extent is not None
    return os.pread(extent.fd, merkle.piece_length(file.size, index), extent.position)


def row(data: bytes) -> bytes:
    """The hashes of the pieces of `data`."""
    alone = len(data) <= PIECE
    parts = [data[at : at + PIECE] for at in range(0, len(data), PIECE)]
    return b"".join([merkle.piece_hash(part, alone) for part in parts])


def prover(data: bytes) -> merkle.Tree:
    """Its proofs."""
    hashes = row(data)
    made = merkle.Tree(len(hashes) // HASH)
    for at in range(0, made.count, made.step):
        made.add(hashes[at * HASH : (at + made.step) * HASH])
    return made

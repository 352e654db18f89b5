"""Nodes of the DHT and peers that ask them, in this process, over the loopback: real swarms."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import cast

from edge import crypto
from edge.budget import Budget
from edge.config.load import load
from edge.kad.service import KadService
from edge.relay.client import RelayClient
from edge.relay.service import RelayService
from edge.swarm.connection import Connection
from edge.swarm.stream import Stream
from edge.swarm.swarm import Swarm
from edge.units import MIB
from edge.wire import circuit, kad
from edge.wire.kad import KadMessage, read_peers
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import PeerId
from edge.wire.protobuf import delimited
from tests.hosts import host_around
from tests.relay.hosts import LOOPBACK, peer_id, so

PUBLIC = Multiaddr.from_string("/ip4/5.1.1.10/tcp/4001")


def asker(at: str, direct: bool = True) -> Connection:
    """A connection to somebody at the address `at`, as far as answers depend on it."""
    remote = Multiaddr.from_string(at)
    return cast(
        "Connection",
        SimpleNamespace(
            remote=remote, direct=direct, local=None, peer=peer_id(3), closed=None, group=b"g"
        ),
    )


class Node:
    """A node that serves the DHT and relays; `external`: its public addresses."""

    def __init__(self, external: Iterable[Multiaddr] = (), memory: int = 64 * MIB) -> None:
        self.swarm = Swarm(crypto.Ed25519Key.generate(), None, Budget(memory, 0))
        self.host = host_around(self.swarm, list(external))
        self.relay = RelayService(self.host)
        self.client = RelayClient(self.swarm, self.host.dialer)
        self.kad = KadService(self.host)
        self.bound = self.swarm.listen(LOOPBACK)
        self.host.addresses.refresh()
        self.configure()

    def configure(self, **flags: str) -> None:
        """As a reload does; options that are not named take their defaults."""
        given = {name.replace("_", "-"): [value] for name, value in flags.items()}
        config = load("/dev/null", {}, {"relay-service": ["yes"], **given})
        self.relay.configure(config)
        self.kad.configure(config)

    @property
    def id(self) -> PeerId:
        return self.swarm.peer_id

    @property
    def at(self) -> Multiaddr:
        return self.bound.with_peer(self.id)

    async def connect(self, other: Node) -> Connection:
        """A connection to `other`, once both know what the other speaks."""
        connection = await self.host.dialer.connect(other.id, [other.bound], trusted=True)
        await so(lambda: connection.info is not None)
        await so(lambda: all(link.info for link in other.swarm.connections.get(self.id, ())))
        return connection

    async def reserve(self, relay: Node) -> None:
        """A reservation on `relay`, whose circuits are accepted."""
        self.client.relays = {*self.client.relays, relay.id}  # type: ignore[misc]
        _, answer = await self.client.reserve(relay.id, [relay.bound], trusted=True)
        assert answer.status == circuit.OK

    async def stream(self, other: Node, name: str = kad.PROTOCOL_ID) -> Stream:
        return (await self.connect(other)).open_stream([name])

    async def ask(self, other: Node, kind: int, key: bytes | None = None) -> KadMessage:
        """The answer of `other` to a request."""
        return await say(await self.stream(other), KadMessage(type=kind, key=key))

    async def found(self, other: Node, key: bytes) -> dict[PeerId, list[str]]:
        """The peers that `other` names for `key`, with their addresses."""
        answer = await self.ask(other, kad.FIND_NODE, key)
        return {peer: [str(a) for a in where] for peer, where in read_peers(answer.closer)}

    async def stop(self) -> None:
        await self.relay.stop()
        await self.swarm.stop()


async def say(stream: Stream, request: KadMessage) -> KadMessage:
    """The answer to `request` on `stream`."""
    await stream.write(delimited(request.encode()))
    return KadMessage.decode(await stream.read_message(kad.MAX_REQUEST))


@asynccontextmanager
async def nodes(count: int, external: Iterable[Multiaddr] = ()) -> AsyncIterator[list[Node]]:
    """So many nodes; the first one has these `external` addresses."""
    made = [Node(external if not number else ()) for number in range(count)]
    yield made
    await asyncio.gather(*[node.stop() for node in made])

"""Hosts with a DHT, in this process, that are connected over the loopback."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from edge.dht.service import DhtService
from edge.host import Host
from edge.swarm.connection import Connection
from edge.swarm.stream import Stream
from edge.wire import hivemind
from edge.wire.hivemind import ID_SIZE, Frame
from edge.wire.multiaddr import Multiaddr
from edge.wire.protobuf import delimited
from tests.counterparts.base import until
from tests.hosts import configured, host

KEY = b"k" * ID_SIZE


class Node:
    """A host that listens, with a DHT that serves unless it is told otherwise."""

    def __init__(self, made: Host) -> None:
        self.host = made
        self.dht = DhtService(made)
        self.dht.configure(made.config)
        self.at = made.swarm.listen(Multiaddr.from_string("/ip4/127.0.0.1/tcp/0"))
        made.addresses.refresh()

    async def connect(self, other: Node) -> Connection:
        """A connection to `other`, when both have identified each other."""
        peer = other.host.swarm.peer_id
        connection = await self.host.dialer.connect(peer, [other.at], trusted=True)
        for one, whom in ((self, other), (other, self)):
            await until(lambda one=one, whom=whom: one._knows(whom))  # type: ignore[misc]
        return connection

    async def meet(self, other: Node) -> Connection:
        """The same, and both have the other in their tables, if it serves."""
        connection = await self.connect(other)
        for one, whom in ((self, other), (other, self)):
            if whom.dht._serving:
                await until(lambda one=one, whom=whom: one._has(whom))  # type: ignore[misc]
        return connection

    async def _knows(self, other: Node) -> bool:
        connection = self.host.swarm.connection_to(other.host.swarm.peer_id)
        return connection is not None and connection.info is not None

    async def _has(self, other: Node) -> bool:
        return other.host.swarm.peer_id in self.dht.table


@contextlib.asynccontextmanager
async def nodes(
    directory: Path, count: int, toml: str = "", enabled: str = "yes"
) -> AsyncIterator[list[Node]]:
    """`count` of them, each with a directory of its own."""
    async with contextlib.AsyncExitStack() as stack:
        made = []
        for number in range(count):
            own = directory / str(number)
            own.mkdir(mode=0o700)
            config = configured(own, toml, dht_enabled=enabled)
            made.append(Node(await stack.enter_async_context(host(config))))
        yield made


async def called(connection: Connection, protocol: str, data: bytes) -> Frame:
    """The frame that answers a call, whatever is in it."""
    stream = connection.open_stream([protocol])
    await stream.write(delimited(hivemind.call(bytes(16), protocol, data)))
    answer = Frame.decode(await stream.read_message(hivemind.MAX_FRAME))
    stream.dismiss()
    return answer


def answering(answer: Callable[[bytes], bytes]) -> Callable[[Stream], Awaitable[None]]:
    """A handler of a call that answers what `answer` makes of the request."""

    async def handle(stream: Stream) -> None:
        frame = Frame.decode(await stream.read_message(hivemind.MAX_FRAME))
        assert frame.call_unary is not None and frame.call_id is not None
        said = answer(frame.call_unary.data or b"")
        await stream.write(delimited(hivemind.answer(frame.call_id, said)))
        stream.dismiss()

    return handle


def soon() -> float:
    """An expiration."""
    return time.time() + 300

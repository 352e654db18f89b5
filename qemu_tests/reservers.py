"""Many peers of ours, in one process, that only do one thing: swarms without a node."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

from edge import log
from edge.budget import Budget
from edge.crypto import Ed25519Key
from edge.swarm.connection import Connection
from edge.swarm.dialer import Dialer
from edge.swarm.errors import DialError
from edge.swarm.limits import Limits
from edge.swarm.swarm import Swarm
from edge.units import GIB, KIB
from edge.wire import hivemind, packed
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import PeerId
from tests.dht.nodes import called
from tests.relay.hosts import Reserver

MOST_DIALS = 4


class Reservers:
    """`async with Reservers(64, relay) as peers`: entered when all hold one."""

    def __init__(self, count: int, relay: str) -> None:
        self._count = count
        self._relay = Multiaddr.from_string(relay)
        self._reservers: list[Reserver] = []

    async def __aenter__(self) -> Self:
        log.set_level("error")
        for _ in range(self._count):
            self._add()
        while not all(each.autorelay.reservations for each in self._reservers):  # noqa: ASYNC110
            await asyncio.sleep(0.1)  # it has no event
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.gather(*[each.swarm.stop() for each in self._reservers])

    def _add(self) -> None:
        self._reservers.append(Reserver(_swarm(), [self._relay]))


def _swarm() -> Swarm:
    limits = Limits()
    limits.buffer_size = 128 * KIB
    # The process as a whole counts against the budget, with all that pytest has.
    return Swarm(Ed25519Key.generate(), limits, Budget(GIB, 0))


@contextlib.asynccontextmanager
async def connected(count: int, to: str) -> AsyncIterator[list[Connection]]:
    """A connection to a node from each of `count` peers."""
    address = Multiaddr.from_string(to)
    node = address.peer_id()
    assert node is not None
    swarms = [_swarm() for _ in range(count)]
    try:
        yield [await _dialled(swarm, node, address) for swarm in swarms]
    finally:
        await asyncio.gather(*[swarm.stop() for swarm in swarms])


async def _dialled(swarm: Swarm, node: PeerId, address: Multiaddr) -> Connection:
    """A connection to an emulated node, which may be slower than a dial is patient."""
    for _ in range(MOST_DIALS - 1):
        with contextlib.suppress(DialError):
            return await Dialer(swarm).connect(node, [address], trusted=True)
    return await Dialer(swarm).connect(node, [address], trusted=True)


async def store_records(connection: Connection, count: int, size: int, expiration: float) -> int:
    """Store records of `size` bytes in a node's DHT, all of them other ones; how many it took."""
    peer = str(connection.shared.identity.peer_id)
    names = [f"{peer}.{number}" for number in range(count)]
    request = hivemind.StoreRequest(
        keys=[hashlib.sha1(packed.dumps(name)).digest() for name in names],
        subkeys=[packed.dumps(peer)] * count,
        values=[packed.dumps(name.encode().ljust(size)) for name in names],
        expirations=[expiration] * count,
        in_cache=[0] * count,
    )
    frame = await called(connection, hivemind.STORE_ID, request.encode())
    assert frame.unary_response is not None
    response = hivemind.StoreResponse.decode(frame.unary_response.response or b"")
    return sum(response.store_ok)

"""Two streams that a swarm in this process can splice: real connections over the loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from edge import crypto
from edge.budget import Budget
from edge.relay.accounting import Usage
from edge.swarm.dialer import Dialer
from edge.swarm.stream import Stream
from edge.swarm.swarm import Swarm
from edge.units import MIB
from tests.counterparts.base import until
from tests.relay.hosts import LOOPBACK

_PROTOCOL = "/splice/1"


class Ends:
    """A relay between a dialer and a listener; `pair` gives streams to both."""

    def __init__(self, memory: int) -> None:
        self.relay = Swarm(crypto.Ed25519Key.generate(), None, Budget(memory, 0))
        self.dialer = Swarm(crypto.Ed25519Key.generate())
        self.listener = Swarm(crypto.Ed25519Key.generate())
        self.usages = Usage(), Usage()
        self._at_relay: asyncio.Queue[Stream] = asyncio.Queue()
        self._at_listener: asyncio.Queue[Stream] = asyncio.Queue()
        self.relay.handle(_PROTOCOL, self._at_relay.put)
        self.listener.handle(_PROTOCOL, self._at_listener.put)

    async def pair(self, early: bytes = b"x", finish: bool = False) -> Pair:
        """Streams from the dialer to the relay and from there to the listener.

        `early`: what the dialer has said before; `finish`: and that was all.
        """
        near = await _open(self.dialer, self.relay)
        await near.write(early)
        if finish:
            near.finish()
        source = await self._at_relay.get()

        async def arrived() -> bool:
            return source.held == len(early) and source.yamux.remote_closed == finish

        await until(arrived)
        destination = await _open(self.relay, self.listener)
        await destination.write(b"y")  # carries the proposal
        far = await self._at_listener.get()
        assert await far.read(1) == b"y"
        await destination.negotiated()
        return Pair(near, source, destination, far)


class Pair:
    """`near` is the dialer's end, `far` the listener's; the relay has the two between."""

    def __init__(self, near: Stream, source: Stream, destination: Stream, far: Stream) -> None:
        self.near = near
        self.source = source
        self.destination = destination
        self.far = far


async def _open(from_: Swarm, to: Swarm) -> Stream:
    if not to.listening:
        to.listen(LOOPBACK)
    connection = from_.connection_to(to.peer_id)
    if connection is None:
        connection = await Dialer(from_).dial(to.listening[0], to.peer_id)
    return connection.open_stream([_PROTOCOL])


@asynccontextmanager
async def ends(memory: int = 64 * MIB) -> AsyncIterator[Ends]:
    """All that the relay leased has come back when it is over."""
    made = Ends(memory)
    yield made
    await asyncio.gather(made.dialer.stop(), made.listener.stop())
    await made.relay.stop()
    assert made.relay.budget.used == 0

"""A swarm in this process that can be told how its time passes, and strangers to it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator

from edge import crypto
from edge.budget import Budget
from edge.swarm.connection import Connection
from edge.swarm.swarm import Swarm
from edge.swarm.work import INTERACTIVE
from edge.units import MIB
from edge.wire import yamux
from edge.wire.multiaddr import Multiaddr
from tests.counterparts.base import until
from tests.soak.hostile import Stranger, frame

PING = frame(yamux.PING, yamux.SYN, 0, 7)


class Clock:
    """A clock that moves by `step` each time it is asked, and when it is moved."""

    def __init__(self, step: float = 0.0) -> None:
        self.now = time.monotonic()  # as the one that it takes the place of
        self._step = step

    def __call__(self) -> float:
        self.now += self._step
        return self.now


class Served:
    """A swarm that listens, and that can be told that something passes.

    From `press` on whatever a stranger causes takes 30 ms of the processor, more than may be taken
    at once, and no time by the clock.
    """

    def __init__(self) -> None:
        self.swarm = Swarm(crypto.Ed25519Key.generate(), budget=Budget(64 * MIB, 0))
        self.clock = Clock()
        bound = self.swarm.listen(Multiaddr.from_string("/ip4/127.0.0.1/tcp/0")).host_port()
        assert bound is not None
        self.at = bound[:2]

    async def connected(self) -> tuple[Stranger, Connection]:
        known = set(self.swarm.all_connections())
        stranger = Stranger(self.at)
        await stranger.connect()
        await stranger.handshake()

        async def there() -> bool:
            return len(self.swarm.all_connections()) > len(known)

        await until(there)
        (connection,) = set(self.swarm.all_connections()) - known
        return stranger, connection

    def press(self) -> None:
        """Something passes, and takes all of the time that there is by `clock`."""
        self.passes()
        for work in self.swarm.work:
            work.share.clock, work.share.worked = self.clock, Clock(0.03)

    def passes(self) -> None:
        """A byte of interactive work."""
        self.swarm.work[INTERACTIVE].moved += 1

    async def reads(self, connection: Connection, stranger: Stranger) -> None:
        """Wait until a ping of `stranger` has been read."""
        connection.heard = False
        await stranger.say(stranger.sealed(PING))
        await until_heard(connection)


async def until_heard(connection: Connection) -> None:
    async def heard() -> bool:
        return connection.heard

    await until(heard)


@contextlib.asynccontextmanager
async def served() -> AsyncIterator[Served]:
    made = Served()
    yield made
    await made.swarm.stop()
    assert made.swarm.budget.used == 0, "all leases have come back"

"""Many peers of ours, in one process, that only hold a reservation: swarms without a node."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from edge import log
from edge.budget import Budget
from edge.crypto import Ed25519Key
from edge.swarm.limits import Limits
from edge.swarm.swarm import Swarm
from edge.units import KIB, MIB
from edge.wire.multiaddr import Multiaddr
from tests.relay.hosts import Reserver


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
        limits = Limits()
        limits.buffer_size = 128 * KIB
        swarm = Swarm(Ed25519Key.generate(), limits, Budget(64 * MIB, 0))
        self._reservers.append(Reserver(swarm, [self._relay]))

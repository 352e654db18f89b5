"""Many peers of ours that only hold a slot, in one process: swarms without a node around them."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from edge import log
from edge.budget import Budget
from edge.crypto import Ed25519Key
from edge.relay.client import RelayClient
from edge.swarm.addresses import OwnAddresses
from edge.swarm.dialer import Dialer
from edge.swarm.identify import IdentifyService
from edge.swarm.limits import Limits
from edge.swarm.swarm import Swarm
from edge.units import KIB, MIB
from edge.wire.multiaddr import Multiaddr


class Reservers:
    """`async with Reservers(64, relay) as peers`: entered when all hold their slot."""

    def __init__(self, count: int, relay: str) -> None:
        self._count = count
        self._relay = Multiaddr.from_string(relay)
        self._swarms: list[Swarm] = []
        self._clients: list[RelayClient] = []

    async def __aenter__(self) -> Self:
        log.set_level("error")
        for _ in range(self._count):
            self._add()
        while not all(client.reservations for client in self._clients):  # noqa: ASYNC110
            await asyncio.sleep(0.1)  # it has no event
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.gather(*[swarm.stop() for swarm in self._swarms])

    def _add(self) -> None:
        limits = Limits()
        limits.buffer_size = 128 * KIB
        swarm = Swarm(Ed25519Key.generate(), limits, Budget(64 * MIB, 0))
        addresses = OwnAddresses([], lambda: [], lambda: [])
        IdentifyService(swarm, addresses)
        client = RelayClient(swarm, Dialer(swarm), addresses)
        client.wanted = 1
        client.configure([self._relay])
        swarm.spawn(client.run())
        self._swarms.append(swarm)
        self._clients.append(client)

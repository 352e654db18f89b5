"""Tells the network that there is something to find here: a relay, a bootstrap, a cache.

One record under this node's peer id, every five minutes, and at once when its addresses or roles
are others. Nothing is told by a node that nobody can reach or that does nothing for others; one
that stops, or has nothing to offer any more, says that it has left.
"""

from __future__ import annotations

import asyncio
import os

from edge import log
from edge.dht.errors import DhtError
from edge.dht.verbs import key_id
from edge.swarm.errors import SwarmError
from edge.version import AGENT
from edge.wire import node_records, packed
from edge.wire.errors import WireError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from edge.host import Host
    from edge.wire.multiaddr import Multiaddr

    # Stores (key, subkey, packed value) for so many seconds; at how many nodes it is then.
    Put = Callable[[bytes, bytes, bytes, float], Awaitable[int]]
    Offer = tuple[tuple[str, ...], tuple[Multiaddr, ...]]  # roles and addresses

_AGAIN = 10.0  # seconds after an announcement that nobody has stored, doubling
_SETTLE = 1.0  # seconds: changes come in groups
_GOODBYE = 1.5  # seconds to say that this node leaves


class Announcer:
    """For one host. `stored`: at how many nodes its record was, the last time."""

    def __init__(self, host: Host, put: Put) -> None:
        self.stored = 0
        self._host = host
        self._put = put
        self._told: Offer | None = None  # None: nobody has a record of this node
        self._again = _AGAIN
        self._changed = asyncio.Event()
        host.addresses.changed.append(self._changed.set)

    @property
    def roles(self) -> tuple[str, ...]:
        """What this node does for others now."""
        return tuple(sorted([role for role, offered in self._host.roles.items() if offered()]))

    def look(self) -> None:
        """The roles may be others than before."""
        self._changed.set()

    async def run(self) -> None:
        """Keep the record true, for ever."""
        while True:
            self._changed.clear()
            pause = await self._announce()
            try:
                async with asyncio.timeout(pause):
                    await self._changed.wait()
                    await self._another_offer()
            except TimeoutError:
                continue

    async def leave(self) -> None:
        """Say that this node has left, to whom it was announced."""
        if self._told is not None:
            self._told = None
            try:
                async with asyncio.timeout(_GOODBYE):
                    await self._tell(())
            except TimeoutError:
                log.debug("announce-failed", error="no time to say goodbye")

    def _offer(self) -> Offer | None:
        roles, addresses = self.roles, node_records.told(self._host.addresses.advertised)
        return (roles, tuple(addresses)) if roles and addresses else None

    async def _another_offer(self) -> None:
        """Wait until there is something else to tell than what others have stored."""
        while self.stored and self._offer() == self._told:
            self._changed.clear()
            await self._changed.wait()
        await asyncio.sleep(_SETTLE)

    async def _announce(self) -> float:
        """Tell what there is to tell; seconds until it is to be told again."""
        offer = self._offer()
        if offer is None:
            await self.leave()
            self.stored = 0
            return node_records.INTERVAL
        self.stored = await self._tell(*offer)
        if not self.stored:
            again, self._again = self._again, min(self._again * 2, node_records.INTERVAL)
            return again
        self._again = _AGAIN
        if self._told != offer:
            log.info("announced", roles=offer[0], nodes=self.stored)
        self._told = offer
        return node_records.INTERVAL + node_records.JITTER * (os.urandom(1)[0] / 127.5 - 1)

    async def _tell(self, roles: tuple[str, ...], addresses: tuple[Multiaddr, ...] = ()) -> int:
        peer = self._host.swarm.peer_id
        signed = self._host.identify.sealed(addresses) if addresses else b""
        value = node_records.edge_node(peer, AGENT, roles, signed)
        key, subkey = key_id(node_records.EDGE_NODES), packed.dumps(str(peer))
        try:
            return await self._put(key, subkey, value, node_records.TTL)
        except (DhtError, SwarmError, WireError) as error:
            log.debug("announce-failed", error=error)
            return 0

"""Dials callers back, for a ping that asks to validate: can they be reached from here?

A caller is dialled at the addresses of its identify that have the IP it calls from, and nowhere
else: nobody can have this node dial a third party. It leaves from a new port, for which a NAT that
the caller is behind has no hole. The new connection is closed before the answer
leaves, so that the caller begins nothing on it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from edge.swarm.errors import SwarmError
from edge.wire.errors import WireError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.dht.client import Client
    from edge.host import Host
    from edge.swarm.connection import Connection
    from edge.wire.multiaddr import Multiaddr
    from edge.wire.peerid import PeerId

WAIT = 2.5  # seconds in all; hivemind waits 3 for its answer
MAX_AT_ONCE = 4
MAX_ADDRESSES = 3
REMEMBERED = 60.0  # seconds for which who was reached is not dialled again,
NOT_REACHED = 10.0  # and who was not
MAX_REMEMBERED = 64


class DialBack:
    """Dials for one host; `client` asks who is there. `dials`: how many so far."""

    def __init__(self, host: Host, client: Client) -> None:
        self.dials = 0
        self._dialer = host.dialer
        self._loop = host.swarm.loop
        self._client = client
        self._places = asyncio.Semaphore(MAX_AT_ONCE)
        self._known: OrderedDict[PeerId, tuple[float, bool]] = OrderedDict()
        self._identified = asyncio.Event()
        host.identify.identified.append(lambda _: self._identified.set())

    async def reaches(self, connection: Connection, number: int) -> bool:
        """Whether the peer there, the node `number`, can be dialled."""
        if connection.initiator and connection.direct:
            return True
        peer = connection.peer
        assert peer is not None
        until, result = self._known.get(peer, (0.0, False))
        if until > self._loop.time():
            return result
        try:
            async with asyncio.timeout(WAIT), self._places:
                result = await self._dial(connection, peer, number)
        except TimeoutError:
            result = False
        self._remember(peer, result)
        return result

    async def _dial(self, connection: Connection, peer: PeerId, number: int) -> bool:
        while connection.info is None:  # it has only just come
            self._identified.clear()
            await self._identified.wait()
        for address in _own(connection):
            self.dials += 1
            try:
                dialled = await self._dialer.dial(address, peer, new_port=True)
            except (SwarmError, WireError, OSError):
                continue
            try:
                return await self._client.ping(dialled) == number
            except (SwarmError, WireError):
                continue
            finally:
                dialled.close("dialled back")
        return False

    def _remember(self, peer: PeerId, result: bool) -> None:
        wait = REMEMBERED if result else NOT_REACHED
        self._known[peer] = self._loop.time() + wait, result
        self._known.move_to_end(peer)
        while len(self._known) > MAX_REMEMBERED:
            self._known.popitem(last=False)


def _own(connection: Connection) -> list[Multiaddr]:
    """Where the peer there says it listens, of the IP that it calls from."""
    info, ip = connection.info, connection.remote.ip()
    if info is None or not connection.direct or ip is None:
        return []
    found = [
        address.without_peer()
        for address in info.addresses
        if address.ip() == ip and not address.is_circuit and address.host_port() is not None
    ]
    return found[:MAX_ADDRESSES]

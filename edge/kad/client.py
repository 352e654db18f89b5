"""The client side of the DHT: searches for peers and providers, and tells what this node provides.

A search begins at the peers in the routing table, and ends whatever those who are asked answer
(edge.kad.walk). Its memory is leased, so that there are only so many at a time.

Source: libp2p/specs kad-dht
"""

from __future__ import annotations

import asyncio

from edge import log
from edge.kad.table import kad_id
from edge.kad.walk import MEMORY, Walk
from edge.swarm.errors import SwarmError
from edge.wire import kad
from edge.wire.errors import WireError
from edge.wire.kad import K, KadMessage, read_peers
from edge.wire.protobuf import delimited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge.budget import Pool
    from edge.host import Host
    from edge.kad.table import RoutingTable
    from edge.kad.walk import Answered
    from edge.swarm.connection import Connection
    from edge.swarm.stream import Stream
    from edge.wire.multiaddr import Multiaddr
    from edge.wire.peerid import PeerId

_MAX_FOUND = 16  # addresses of a peer, or providers of a key
_PATIENCE = 10.0  # seconds for a peer to take what it is told


class KadClient:
    """Searches for `host`, from the peers in `table`. `pool`: leases the memory of searches.

    `names`: of the protocol, the preferred one first. `searches`: made so far.
    """

    def __init__(self, host: Host, table: RoutingTable, pool: Pool) -> None:
        self.names = [kad.PROTOCOL_ID]
        self.searches = 0
        self._host = host
        self._own = host.swarm.peer_id
        self._table = table
        self._pool = pool

    async def find(self, peer: PeerId) -> list[Multiaddr]:
        """Where others say that `peer` is; the search ends once it is connected to there.

        That is the test of what they say: one who lies does not end the search.
        """
        found: dict[Multiaddr, None] = {}
        dialling = asyncio.Lock()  # a second dial would share the first one, and its addresses

        async def told(answer: KadMessage) -> bool:
            named = [a for who, where in read_peers(answer.closer) if who == peer for a in where]
            new = [address for address in named if address not in found]
            found.update(dict.fromkeys(new[: _MAX_FOUND - len(found)]))
            async with dialling:
                return bool(new) and await self._reaches(peer, new)

        await self._search(KadMessage(type=kad.FIND_NODE, key=peer.bytes), told, peer)
        return list(found)

    async def providers(self, key: bytes) -> dict[PeerId, list[Multiaddr]]:
        """Some peers that provide `key`, as others say, and where they may be dialled."""
        found: dict[PeerId, list[Multiaddr]] = {}

        async def told(answer: KadMessage) -> bool:
            for peer, where in read_peers(answer.providers):
                if len(found) < _MAX_FOUND and peer != self._own:
                    found.setdefault(peer, where)
            return len(found) >= _MAX_FOUND

        await self._search(KadMessage(type=kad.GET_PROVIDERS, key=key), told)
        return found

    async def provide(self, key: bytes) -> int:
        """Tell the peers nearest to `key` that this node provides it; how many were told."""

        async def told(_: KadMessage) -> bool:
            return False

        nearest = await self._search(KadMessage(type=kad.FIND_NODE, key=key), told)
        told_of = [a.bytes for a in self._host.addresses.advertised[: kad.MAX_ADDRESSES]]
        us = kad.Peer(id=self._own.bytes, addrs=told_of)
        message = KadMessage(type=kad.ADD_PROVIDER, key=key, providers=[us])
        return sum(await asyncio.gather(*[self._tell(peer, message) for peer in nearest]))

    # --- inside ---

    async def _search(
        self, request: KadMessage, told: Answered, target: PeerId | None = None
    ) -> list[PeerId]:
        """Send `request` to ever nearer peers but the `target`; the nearest that answered."""
        key = request.key or b""
        if not self._pool.take(MEMORY):
            log.debug("search-refused", reason="no memory")
            return []
        self.searches += 1
        known = self._table.nearest(kad_id(key), K)
        without = [peer for peer in (self._own, target) if peer is not None]
        body = delimited(request.encode())

        async def ask(peer: PeerId, addresses: list[Multiaddr]) -> KadMessage:
            return await self._ask(peer, addresses, body)

        walk = Walk(key, known, ask, told, without)
        try:
            await walk.run()
        finally:
            self._pool.give(MEMORY)
        return walk.nearest(K)

    async def _ask(self, peer: PeerId, addresses: list[Multiaddr], body: bytes) -> KadMessage:
        """The answer of `peer`. Raises SwarmError, WireError."""
        stream = await self._open(await self._host.dialer.connect(peer, addresses))
        try:
            await stream.write(body)
            answer = KadMessage.decode(await stream.read_message(kad.MAX_ANSWER))
            stream.dismiss()
        except BaseException:
            stream.reset()
            raise
        return answer

    async def _tell(self, peer: PeerId, message: KadMessage) -> bool:
        """Send `message`, which has no answer, over the connection there is to `peer`."""
        connection = self._host.swarm.connection_to(peer)
        if connection is None:
            return False
        try:
            async with asyncio.timeout(_PATIENCE):
                stream = await self._open(connection)
                await stream.write(delimited(message.encode()))
                stream.dismiss()
        except (WireError, SwarmError, TimeoutError):
            return False
        return True

    async def _open(self, connection: Connection) -> Stream:
        """A stream of the protocol, under the name by which the peer has it."""
        spoken: Iterable[str] = connection.info.protocols if connection.info is not None else ()
        names = [name for name in self.names if name in spoken] or self.names
        stream = connection.open_stream(names)
        if len(names) > 1:  # what is written before it is agreed on is for the first
            await stream.negotiated()
        return stream

    async def _reaches(self, peer: PeerId, addresses: list[Multiaddr]) -> bool:
        try:
            await self._host.dialer.connect(peer, addresses)
        except SwarmError:
            return False
        return True

"""Peer routing: answers whoever looks for a peer, and looks for peers itself.

The protocol is libp2p's kad-dht under KwaaiNet's name. It serves to find peers and providers.
Values are not kept: PUT_VALUE is refused, GET_VALUE answers with nearer peers, as one does who has
no value. A peer has a place in the routing table while it is connected directly and its identify
lists the protocol: a negotiation that succeeds proves nothing, and peers of other DHTs get none.

Sources: libp2p/specs kad-dht; that a stream is reset where a request is refused is the same in
go-libp2p-kad-dht, rust-libp2p and js-libp2p
"""

from __future__ import annotations

import asyncio

from edge.config.schema import Kad
from edge.kad.client import KadClient
from edge.kad.contacts import Contacts
from edge.kad.providers import Providers
from edge.kad.table import RoutingTable, kad_id
from edge.swarm.errors import StreamEnded
from edge.wire import kad
from edge.wire.errors import AddressError, RemoteProtocolError
from edge.wire.kad import K, KadMessage
from edge.wire.peerid import PeerId
from edge.wire.protobuf import delimited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.config.load import Config
    from edge.host import Host, Status
    from edge.swarm.connection import Connection
    from edge.swarm.stream import Stream
    from edge.wire.multiaddr import Multiaddr

    Answerer = Callable[[KadMessage, Connection], KadMessage | None]

_SHARE = 0.1  # of the memory
_IDLE_TIME = 30.0  # seconds that a stream may wait for its next request; go-libp2p opens another
_PATIENCE = 10.0  # seconds for a peer to read its answer
_SWEEP = 300.0  # seconds, times the slowdown


class KadService:
    """Serves the protocol to peers that can reach this node, and searches for the host.

    `requests`: how many were answered, by the name of their type; `refused` were not.
    """

    def __init__(self, host: Host) -> None:
        swarm = host.swarm
        pool = host.budget.pool("kad", _SHARE)
        self.table = RoutingTable(swarm.peer_id, pool)
        self.records = Providers(pool, swarm.loop.time)
        self.contacts = Contacts(host, self.table)
        self.client = KadClient(host, self.table, pool)
        self.refused = 0
        self._host = host
        self._swarm = swarm
        self._service = "no"
        self._answerers: dict[int, Answerer] = {
            kad.GET_VALUE: self._get_value,
            kad.ADD_PROVIDER: self._add_provider,
            kad.GET_PROVIDERS: self._get_providers,
            kad.FIND_NODE: self._find_node,
            kad.PING: lambda request, _: KadMessage(type=request.type),
        }
        self.requests = dict.fromkeys([kad.TYPE_NAMES[each] for each in self._answerers], 0)
        swarm.handle(kad.PROTOCOL_ID, self._serve, self._offered)
        swarm.handle(kad.IPFS_ID, self._serve, self._offered_as_ipfs)
        swarm.closed.append(self._on_close)
        host.identify.identified.append(self._on_identified)
        host.finders.append(self.find)
        host.content_routing = self
        host.answers["dht-find"] = self._answer_find

    # --- Service ---

    def configure(self, config: Config) -> None:
        """Follow [kad]: who is served, and under which names the protocol goes."""
        section = config[Kad]
        names = [kad.PROTOCOL_ID, kad.IPFS_ID] if section.ipfs else [kad.PROTOCOL_ID]
        if (section.service, names) == (self._service, self.client.names):
            return
        self._service, self.client.names = section.service, names
        self._host.identify.push_soon()
        for connection in self._swarm.all_connections():
            self._on_identified(connection)

    async def run(self) -> None:
        """Forget old provider records, for ever."""
        while True:
            await asyncio.sleep(_SWEEP * self._swarm.slowdown)
            self.records.expire()

    async def stop(self) -> None:
        """Nothing outlives the node."""

    def report(self) -> Status:
        """Peers in the table, records, searches, and requests by type."""
        return {
            "kad": {
                "peers": len(self.table),
                "providers": len(self.records),
                "searches": self.client.searches,
                "requests": dict(self.requests),
                "refused": self.refused,
            }
        }

    # --- for other services ---

    async def find(self, peer: PeerId) -> list[Multiaddr]:
        """Where `peer` may be dialled: as it says itself if it is connected, else as others say."""
        if peer == self._swarm.peer_id or peer in self._swarm.connections:
            return self.contacts.addresses(peer)
        return await self.client.find(peer)

    async def providers(self, key: bytes) -> dict[PeerId, list[Multiaddr]]:
        """Some peers that provide `key`, a multihash, and where they may be dialled."""
        known = {peer: self.contacts.addresses(peer) for peer in self.records.of(key)}
        known.pop(self._swarm.peer_id, None)
        return known if len(known) >= K else {**await self.client.providers(key), **known}

    async def provide(self, key: bytes) -> int:
        """Tell the peers nearest to `key`, a multihash, that this node provides it; how many.

        They forget it after a day or two: say it again before.
        """
        own = self._swarm.peer_id
        self.records.add(key, own, own.bytes)
        return await self.client.provide(key)

    def withdraw(self, key: bytes) -> None:
        """Say no more that this node provides `key`."""
        self.records.remove(key, self._swarm.peer_id)

    async def _answer_find(self, request: Status) -> Status:
        """At the status socket. Raises AddressError if "peer" is no peer id."""
        text = request.get("peer")
        if not isinstance(text, str) or not text.isascii():
            raise AddressError('"peer" is not a peer id')
        peer = PeerId.from_string(text)
        found = await self.find(peer)
        return {
            "peer": str(peer),
            "addresses": [str(address) for address in found],
            "connected": peer in self._swarm.connections,
        }

    # --- who is in the table ---

    def _offered(self, connection: Connection) -> bool:
        """Whether the peer on `connection` is served: where it, or everybody, can reach us."""
        if self._service != "auto":
            return self._service == "yes"
        return bool(self._host.addresses.usable_by(connection))

    def _offered_as_ipfs(self, connection: Connection) -> bool:
        return kad.IPFS_ID in self.client.names and self._offered(connection)

    def _on_identified(self, connection: Connection) -> None:
        info, peer, ip = connection.info, connection.peer, connection.remote.ip()
        if info is None or peer is None or ip is None or not connection.direct:
            return
        if any(name in info.protocols for name in self.client.names):
            self.table.add(peer, ip)
        else:
            self.table.remove(peer)

    def _on_close(self, connection: Connection) -> None:
        peer = connection.peer
        assert peer is not None
        if not any(link.direct for link in self._swarm.connections.get(peer, ())):
            self.table.remove(peer)

    # --- the protocol ---

    async def _serve(self, stream: Stream) -> None:
        """Any number of requests, one after the other; what is refused costs the stream."""
        while True:
            try:
                async with asyncio.timeout(_IDLE_TIME):
                    data = await stream.read_message(kad.MAX_REQUEST)
            except StreamEnded:
                stream.dismiss()
                return
            answer = self._answer(data, stream.connection)
            if answer is not None:
                async with asyncio.timeout(_PATIENCE):
                    await stream.write(delimited(answer.encode()))

    def _answer(self, data: bytes, asker: Connection) -> KadMessage | None:
        """Raises RemoteProtocolError if the request is none, or is refused."""
        try:
            request = KadMessage.decode(data)
            answerer = self._answerers.get(request.type)
            if answerer is None:
                raise RemoteProtocolError(f"kad requests of type {request.type} are not served")
            answer = answerer(request, asker)
        except RemoteProtocolError:
            self.refused += 1
            raise
        self.requests[kad.TYPE_NAMES[request.type]] += 1
        return answer

    def _find_node(self, request: KadMessage, asker: Connection) -> KadMessage:
        """The peer that is sought first, whoever it is, if it is known; then those near to it."""
        key = _key_of(request, kad.MAX_KEY)
        sought = PeerId(key)
        first = [sought] if sought != asker.peer else []
        without = {asker.peer, sought}
        near = self.table.nearest(kad_id(key), K, without)
        return KadMessage(type=kad.FIND_NODE, closer=self.contacts.of([*first, *near], asker))

    def _get_value(self, request: KadMessage, asker: Connection) -> KadMessage:
        """No value is kept: there are only nearer peers to ask."""
        return self._nearer(request, _key_of(request, kad.MAX_KEY), asker)

    def _get_providers(self, request: KadMessage, asker: Connection) -> KadMessage:
        key = _key_of(request, kad.MAX_PROVIDER_KEY)
        answer = self._nearer(request, key, asker)
        answer.providers = self.contacts.of(self.records.of(key), asker)
        return answer

    def _nearer(self, request: KadMessage, key: bytes, asker: Connection) -> KadMessage:
        near = self.table.nearest(kad_id(key), K, {asker.peer})
        return KadMessage(type=request.type, key=key, closer=self.contacts.of(near, asker))

    def _add_provider(self, request: KadMessage, asker: Connection) -> None:
        """Whoever speaks for another peer is not heard; nothing is answered in any case."""
        key = _key_of(request, kad.MAX_PROVIDER_KEY)
        peer = asker.peer
        assert peer is not None
        if asker.closed is None and any(said.id == peer.bytes for said in request.providers):
            self.records.add(key, peer, asker.group)


def _key_of(request: KadMessage, most: int) -> bytes:
    """The key of `request`. Raises RemoteProtocolError if it has none, or one that is too long."""
    key = request.key
    if not key or len(key) > most:
        raise RemoteProtocolError(f"kad request without a key of at most {most} bytes")
    return key

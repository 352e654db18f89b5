"""The DHT of this node: it joins, stores and finds for others where it can be reached, and asks.

Bootstraps are the configured peers ([[peer]]) that speak the protocol; whoever else is connected
and speaks it gets a place in the routing table, so a node whose bootstraps are all down joins again
through the peers it has saved. A node that does not serve presents itself without an id, as
hivemind's clients do, and gets a place nowhere.

By default records go to the bootstraps and are looked for there, as KwaaiNet's nodes do; with
`decentralized` they go to the nearest nodes.
"""

from __future__ import annotations

import asyncio
import os

from edge import log
from edge.config.schema import Dht
from edge.dht.announce import Announcer
from edge.dht.client import Client
from edge.dht.dialback import DialBack
from edge.dht.errors import DhtError
from edge.dht.routing import RoutingTable
from edge.dht.server import Server
from edge.dht.storage import Storage
from edge.dht.verbs import verbs
from edge.swarm.addresses import PUBLIC
from edge.swarm.errors import SwarmError
from edge.wire import hivemind
from edge.wire.errors import WireError
from edge.wire.hivemind import ID_SIZE, FindResult, NodeInfo
from edge.wire.multiaddr import by_peer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.config.load import Config
    from edge.host import Host, Status
    from edge.swarm.connection import Connection
    from edge.wire.peerid import PeerId

REPLICAS = 5  # nodes that a record is stored at: hivemind's num_replicas
_TICK = 10.0  # seconds, times the slowdown
_REFRESH = 300.0  # seconds between two searches that fill the table
_JOIN_AGAIN = 30.0  # the same, while the table is empty
_STALE = 600.0  # seconds after which a node is asked whether it is still there
_VERIFIED_A_TICK = 4


class DhtService:
    """The DHT for one host."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._swarm = host.swarm
        self._settings = host.config[Dht]
        self._bootstraps: list[PeerId] = []
        self._serving = False
        calls = host.budget.pool("dht-calls", 0.25)
        self.table = RoutingTable(
            host.swarm.peer_id, host.budget.pool("dht-nodes", 0.1, growth=True)
        )
        self.storage = Storage(
            host.budget.pool("dht-records", 0.5, growth=True), host.utc, self._settings.permissive
        )
        self.client = Client(host, self.table, calls, self._introduce)
        self._dial_back = DialBack(host, self.client)
        self.server = Server(
            self.table, self.storage, self.client, self._dial_back, self._introduce, host.utc
        )
        self.server.register(host.swarm, calls, lambda _: self._serving)
        self.announcer = Announcer(host, self.put)
        self._refresh_at = 0.0
        self._wake = asyncio.Event()
        host.roles["bootstrap"] = lambda: self._serving
        host.identify.identified.append(self._on_identified)
        host.addresses.changed.append(self._decide)
        host.network_changed.append(self._start_afresh)
        host.answers.update(verbs(self))

    # --- Service ---

    def configure(self, config: Config) -> None:
        """Follow [dht] and [[peer]]."""
        self._settings = config[Dht]
        peers = by_peer(self._host.bootstraps)
        self._bootstraps = [peer for peer in peers if peer != self._swarm.peer_id]
        self._decide()
        if self._settings.enabled == "no":
            self.table.clear()
        for connection in self._swarm.all_connections():
            self._on_identified(connection)
        self.announcer.look()

    async def run(self) -> None:
        """Fill the table and keep it true, let expired records go, and announce, for ever."""
        await asyncio.gather(self._maintain(), self.announcer.run())

    async def _maintain(self) -> None:
        while True:
            self._wake.clear()
            if self._settings.enabled != "no":
                self._expire()
                await self._verify_stale()
                await self._refresh()
            try:
                async with asyncio.timeout(_TICK * self._swarm.slowdown):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _expire(self) -> None:
        now = self._host.utc()
        if now is not None:
            self.storage.expire(now)

    async def stop(self) -> None:
        """Tell others that this node leaves."""
        await self.announcer.leave()

    def report(self) -> Status:
        """Nodes known, calls served and made, records held."""
        if self._settings.enabled == "no":
            return {}
        return {
            "dht": {
                "serving": self._serving,
                "node_id": f"{self.table.own:040x}",
                "nodes": len(self.table),
                "bootstraps": sum([peer in self.table for peer in self._bootstraps]),
                "served": dict(self.server.served),
                "keys": dict(self.server.keys),
                "calls": self.client.calls,
                "failures": self.client.failures,
                "dial_backs": self._dial_back.dials,
                "records": self.storage.report(),
                "announced": {"roles": self.announcer.roles, "nodes": self.announcer.stored},
            }
        }

    # --- what the node does in the DHT ---

    async def get(self, key: bytes) -> FindResult | None:
        """What is stored under `key` (20 bytes), here or elsewhere. Raises DhtError."""
        self._refuse_if_off()
        own = self.storage.find(key)
        if own is not None:
            return FindResult(type=own.kind, value=own.value, expiration=own.expiration)
        return await self.client.find(key, self._bootstraps)

    async def put(self, key: bytes, subkey: bytes, value: bytes, ttl: float) -> int:
        """Store a record for `ttl` seconds; returns at how many nodes it is now.

        Raises DhtError.
        """
        self._refuse_if_off()
        now = self._host.utc()
        if now is None:
            raise DhtError("the clock is wrong, and records expire at a time of day")
        expiration = now + ttl
        record = (key, subkey, value, expiration)
        stored = 0
        if self._serving:
            own = self._swarm.peer_id
            stored += self.storage.store(key, subkey, value, expiration, False, own)
        targets = await self._placement(key)
        results = await asyncio.gather(
            *[self.client.store_at(peer, [record]) for peer in targets], return_exceptions=True
        )
        for result in results:
            if isinstance(result, list):
                stored += result[0]
            elif not isinstance(result, SwarmError | WireError | TimeoutError):
                raise result
        return stored

    async def _placement(self, key: bytes) -> list[PeerId]:
        if self._bootstraps and not self._settings.decentralized:
            return self._bootstraps
        return (await self.client.nearest(int.from_bytes(key, "big")))[:REPLICAS]

    def _refuse_if_off(self) -> None:
        if self._settings.enabled == "no":
            raise DhtError("the DHT is off: [dht] enabled is no")

    # --- who it is, and who else ---

    def _introduce(self) -> NodeInfo:
        number = self.table.own
        return NodeInfo(node_id=number.to_bytes(ID_SIZE, "big") if self._serving else b"")

    def _decide(self) -> None:
        """Serve where this node can be reached; what is offered is told to peers."""
        enabled = self._settings.enabled
        reachable = self._host.addresses.nat == PUBLIC
        serving = enabled == "yes" or (enabled == "auto" and reachable)
        if serving != self._serving:
            self._serving = serving
            self._refresh_at = 0.0  # others are to learn of it
            self._wake.set()
            for tell in self._swarm.protocols_changed:
                tell()

    def _on_identified(self, connection: Connection) -> None:
        info, peer = connection.info, connection.peer
        if info is None or peer is None or self._settings.enabled == "no":
            return
        if hivemind.PING_ID in info.protocols:
            self.client.check(connection)
        else:
            self.table.remove(peer)

    def _start_afresh(self) -> None:
        self.client.forget_failures()
        self._refresh_at = 0.0
        self._wake.set()

    async def _refresh(self) -> None:
        """Search for this node's own id, and for one somewhere else: who answers gets a place."""
        now = self._swarm.loop.time()
        if now < self._refresh_at:
            return
        before = len(self.table)
        away = [peer for peer in self._bootstraps if peer not in self.table]
        await self.client.nearest(self.table.own, away)
        await self.client.nearest(int.from_bytes(os.urandom(ID_SIZE), "big"))
        if len(self.table) != before:
            log.info("dht", nodes=len(self.table), serving=self._serving)
            self.announcer.look()
        pause = _REFRESH if len(self.table) else _JOIN_AGAIN
        self._refresh_at = self._swarm.loop.time() + pause * self._swarm.slowdown

    async def _verify_stale(self) -> None:
        """Ask those of which nothing was heard for long whether they are still there."""
        before = self._swarm.loop.time() - _STALE * self._swarm.slowdown
        for _ in range(_VERIFIED_A_TICK):
            oldest = self.table.oldest()
            if oldest is None or oldest.seen > before:
                return
            await self.client.verify(oldest.peer)

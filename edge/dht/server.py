"""The DHT's server: what ping, store and find of other nodes are answered.

Anybody may call. Who writes is the peer of the connection, whatever the request says; a request of
many keys is worked on in slices, between which others have their turn (`edge/dht/turns.py`).

Source: learning-at-home/hivemind dht/protocol.py
"""

from __future__ import annotations

import asyncio
from functools import partial

from edge.dht.routing import K, RoutingTable, node_id_of
from edge.dht.turns import Charge, Turns
from edge.dht.unary import COPIES, Lease, serve
from edge.swarm.errors import LimitReached
from edge.wire import hivemind
from edge.wire.hivemind import MAX_PAYLOAD, NodeInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.budget import Pool
    from edge.dht.client import Client
    from edge.dht.dialback import DialBack
    from edge.dht.storage import Storage
    from edge.swarm.connection import Connection
    from edge.swarm.swarm import Swarm
    from edge.wire.peerid import PeerId


SLICE = 8  # keys that are worked on before others that wait have their turn
LONG = 32  # the same where nobody waits
_RESULT = 64  # bytes of a result beyond its value and its nodes


class Server:
    """Answers for one node. `served`: calls so far, by name; `keys`: how many they were about."""

    def __init__(
        self,
        table: RoutingTable,
        records: Storage,
        client: Client,
        dial_back: DialBack,
        introduce: Callable[[], NodeInfo],
        utc: Callable[[], float | None],
    ) -> None:
        self.served = {"ping": 0, "store": 0, "find": 0}
        self.keys = {"store": 0, "find": 0}
        self._table = table
        self._records = records
        self._client = client
        self._dial_back = dial_back
        self._introduce = introduce
        self._utc = utc
        self._turns = Turns(asyncio.get_running_loop())

    def register(self, swarm: Swarm, pool: Pool, offered: Callable[[Connection], bool]) -> None:
        """Serve the protocols; `offered`: to whom."""
        for protocol, answer in (
            (hivemind.PING_ID, self.ping),
            (hivemind.STORE_ID, self.store),
            (hivemind.FIND_ID, self.find),
        ):
            swarm.handle(protocol, partial(serve, pool=pool, answer=answer), offered)

    async def ping(self, data: bytes, connection: Connection, _: Lease) -> bytes:
        """Tell who this is and what time it is; dial the caller back if it wants that."""
        self.served["ping"] += 1
        request = hivemind.PingRequest.decode(data)
        peer = connection.peer
        assert peer is not None
        number = node_id_of(request.node_id, peer)
        available = False
        if request.validate and number is not None:
            available = await self._dial_back.reaches(connection, number)
        self._client.heard(connection, request.node_id)
        return hivemind.PingResponse(
            peer=self._introduce(), dht_time=self._utc(), available=available or None
        ).encode()

    async def store(self, data: bytes, connection: Connection, _: Lease) -> bytes:
        """Store what the caller has sent; for each record, whether that was done."""
        self.served["store"] += 1
        await self._turns.take(connection)
        with Charge(connection):
            request = hivemind.StoreRequest.decode(data)
            records, peer = request.records(), connection.peer
            assert peer is not None
            self._client.heard(connection, request.node_id)
        self.keys["store"] += len(records)
        done: list[bool] = []
        while len(done) < len(records):
            if done:
                await self._turns.take(connection)
            with Charge(connection):
                part = records[len(done) : len(done) + self._slice]
                done += [self._records.store(*record, peer) for record in part]
        return hivemind.StoreResponse(store_ok=done, peer=self._introduce()).encode()

    async def find(self, data: bytes, connection: Connection, lease: Lease) -> bytes:
        """What is stored under each key, and the nodes nearest to it but for the caller."""
        self.served["find"] += 1
        await self._turns.take(connection)
        with Charge(connection):
            request = hivemind.FindRequest.decode(data)
            self._client.heard(connection, request.node_id)
        self.keys["find"] += len(request.keys)
        results: list[bytes] = []
        size = 0
        while len(results) < len(request.keys):
            if results:
                await self._turns.take(connection)
            with Charge(connection):
                part = request.keys[len(results) : len(results) + self._slice]
                found = [self._result(key, connection.peer) for key in part]
            size += sum(map(len, found))
            if size > MAX_PAYLOAD - _RESULT:
                raise LimitReached("the answer is longer than 4 MiB; ask for fewer keys")
            lease.take(COPIES * sum(map(len, found)))
            results += found
        return b"".join(results) + hivemind.FindResponse(peer=self._introduce()).encode()

    @property
    def _slice(self) -> int:
        """How many keys are worked on now."""
        return SLICE if self._turns.waiting else LONG

    def _result(self, key: bytes, asker: PeerId | None) -> bytes:
        nearest = self._table.nearest(int.from_bytes(key, "big"), K, but=asker)
        stored, found = self._records.find(key), b""
        if stored is not None:
            found = hivemind.found_piece(stored.kind, stored.value, stored.expiration)
        return hivemind.find_result(found, [node.piece for node in nearest])

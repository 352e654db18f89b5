"""The DHT's client: what this node asks others, and what it learns of them by their answers.

A peer is in the routing table because it has answered here. A caller that says it is a node, and
one whose identify lists the protocol, are asked first; so are few at a time, and not again soon
after they have failed.
"""

from __future__ import annotations

import asyncio

from edge.dht.errors import DhtError
from edge.dht.routing import K, RoutingTable, node_id_of
from edge.dht.unary import Lease, call
from edge.dht.walk import Walk
from edge.swarm.backoff import Backoff
from edge.swarm.errors import LimitReached, SwarmError
from edge.wire import hivemind, ip
from edge.wire.errors import RemoteProtocolError, WireError
from edge.wire.hivemind import MAX_FRAME, FindResult, NodeInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from edge.budget import Pool
    from edge.host import Host
    from edge.swarm.connection import Connection
    from edge.wire.peerid import PeerId

    # Key, subkey, value, expiration.
    Record = tuple[bytes, bytes, bytes, float]

CALL_TIME = 5.0  # seconds for an answer; hivemind waits for 3
REACH_TIME = 10.0  # seconds for a connection
MAX_CHECKS = 8  # callers that are asked whether they are nodes, at a time,
MAX_CHECKS_PER_GROUP = 2  # and of one public IP address
_CHECK_AGAIN = 30.0  # seconds after a check failed
_LONGEST_REST = 1800.0
_ALIVE = 60.0  # seconds after an answer, in which a node need not prove anew that it is there


class Client:
    """Asks for one host. `introduce()`: the node as it presents itself.

    `calls`, `failures`: calls made so far, and those of them without an answer.
    """

    def __init__(
        self, host: Host, table: RoutingTable, pool: Pool, introduce: Callable[[], NodeInfo]
    ) -> None:
        self.calls = 0
        self.failures = 0
        self._host = host
        self._swarm = host.swarm
        self._table = table
        self._pool = pool
        self._introduce = introduce
        self._rests = Backoff(host.swarm.loop.time, _LONGEST_REST)
        self._checks: dict[PeerId, bytes] = {}  # under way, and the IP group of each

    # --- calls ---

    async def ping(self, connection: Connection) -> int | None:
        """The node id of the peer there; None if it serves nobody. Raises as `_call`."""
        request = hivemind.PingRequest(peer=self._introduce()).encode()
        with Lease(self._pool) as lease:
            data = await self._call(connection, hivemind.PING_ID, request, lease)
            response = hivemind.PingResponse.decode(data)
        return self._met(connection, response.node_id)

    async def find_at(
        self, peer: PeerId, keys: Sequence[bytes], limit: int = MAX_FRAME
    ) -> tuple[int, list[FindResult]]:
        """What `peer` answers for each of `keys`, and the bytes that this took.

        Raises SwarmError, WireError, TimeoutError.
        """
        connection = await self._reach(peer)
        request = hivemind.FindRequest(keys=list(keys), peer=self._introduce()).encode()
        with Lease(self._pool) as lease:
            limit = min(limit, MAX_FRAME)
            data = await self._call(connection, hivemind.FIND_ID, request, lease, limit)
            response = hivemind.FindResponse.decode(data)
        self._met(connection, response.node_id)
        if len(response.results) != len(keys):
            raise RemoteProtocolError("not one result for each key")
        return len(data), response.results

    async def store_at(self, peer: PeerId, records: Sequence[Record]) -> list[bool]:
        """Whether `peer` has stored each of `records`. Raises as `find_at`."""
        connection = await self._reach(peer)
        request = hivemind.StoreRequest(
            keys=[record[0] for record in records],
            subkeys=[record[1] for record in records],
            values=[record[2] for record in records],
            expirations=[record[3] for record in records],
            in_cache=[0] * len(records),
            peer=self._introduce(),
        ).encode()
        with Lease(self._pool) as lease:
            data = await self._call(connection, hivemind.STORE_ID, request, lease)
            response = hivemind.StoreResponse.decode(data)
        self._met(connection, response.node_id)
        if len(response.store_ok) != len(records):
            raise RemoteProtocolError("not one answer for each record")
        return [bool(ok) for ok in response.store_ok]

    # --- searches ---

    async def nearest(self, target: int, also: Iterable[PeerId] = ()) -> list[PeerId]:
        """The peers nearest to `target` that answer, nearest first; `also` are asked as well."""
        return await self._walk(target, also, for_value=False).run(self._start(target, also))

    async def find(self, key: bytes, also: Iterable[PeerId] = ()) -> FindResult | None:
        """What others have stored under `key`: of several values the one that lasts longest."""
        target = int.from_bytes(key, "big")
        walk = self._walk(target, also, for_value=True)
        await walk.run(self._start(target, also))
        return walk.found

    def _walk(self, target: int, also: Iterable[PeerId], for_value: bool) -> Walk:
        key = target.to_bytes(hivemind.ID_SIZE, "big")

        async def ask(peer: PeerId, limit: int) -> tuple[int, FindResult]:
            size, results = await self.find_at(peer, [key], limit)
            return size, results[0]

        return Walk(target, ask, self._swarm.peer_id, for_value)

    def _start(self, target: int, also: Iterable[PeerId]) -> list[tuple[int, PeerId]]:
        known = {node.peer: node.id for node in self._table.nearest(target, K)}
        for peer in also:
            node = self._table.node_of(peer)
            known.setdefault(peer, node.id if node is not None else target)
        return [(number, peer) for peer, number in known.items()]

    # --- who is a node ---

    def check(self, connection: Connection) -> None:
        """Find out whether the peer there is a node, unless that is known or was in vain."""
        peer = connection.peer
        if peer is None or self._rests.rests(peer) or self._table.node_of(peer) is not None:
            return
        group = _group(connection)
        if group and list(self._checks.values()).count(group) >= MAX_CHECKS_PER_GROUP:
            return
        if self._begin_check(peer, group):
            self._swarm.spawn(self._check(peer, connection))

    def heard(self, connection: Connection, said: bytes) -> None:
        """The peer there has called and `said` that it is a node of that id, or nothing."""
        peer = connection.peer
        assert peer is not None
        number, node = node_id_of(said, peer), self._table.node_of(peer)
        if number is None:
            return
        if node is not None and node.id == number:
            self._keep(number, peer, connection)
        else:
            if node is not None:
                self._table.remove(peer)  # it has another id than before
            self.check(connection)

    async def _check(self, peer: PeerId, connection: Connection | None = None) -> None:
        try:
            number = await self.ping(connection or await self._reach(peer))
        except LimitReached:
            return  # of ours
        except (SwarmError, WireError, TimeoutError):
            number = None
        finally:
            del self._checks[peer]
        if number is None:
            self._table.failed(peer)
            self._rests.failed(peer, _CHECK_AGAIN)

    async def verify(self, peer: PeerId) -> None:
        """Ask a node of the table whether it is still there; it loses its place if it is not."""
        if self._begin_check(peer, b""):
            await self._check(peer)

    def _begin_check(self, peer: PeerId, group: bytes) -> bool:
        if peer in self._checks or len(self._checks) >= MAX_CHECKS:
            return False
        self._checks[peer] = group
        return True

    def forget_failures(self) -> None:
        """Ask everyone anew: the network may be another one."""
        self._rests.clear()

    def _met(self, connection: Connection, said: bytes) -> int | None:
        """The peer there has answered, and `said` that it is the node of that id."""
        peer = connection.peer
        assert peer is not None
        number = node_id_of(said, peer)
        if number is None:
            self._table.remove(peer)
        else:
            self._rests.forget(peer)
            self._keep(number, peer, connection)
        return number

    def _keep(self, number: int, peer: PeerId, connection: Connection) -> None:
        now = self._swarm.loop.time()
        rival = self._table.answered(number, peer, _group(connection), now)
        if rival is None or now - rival.seen < _ALIVE:
            return
        if self._begin_check(rival.peer, b""):
            self._swarm.spawn(self._check(rival.peer))

    async def _reach(self, peer: PeerId) -> Connection:
        try:
            async with asyncio.timeout(REACH_TIME):
                return await self._host.reach(peer)
        except (SwarmError, TimeoutError):
            self.failures += 1
            self._table.failed(peer)
            raise

    async def _call(
        self,
        connection: Connection,
        protocol: str,
        request: bytes,
        lease: Lease,
        limit: int = MAX_FRAME,
    ) -> bytes:
        """Raises SwarmError, WireError, TimeoutError.

        Then the peer has lost its place, unless it has answered or the fault is here.
        """
        self.calls += 1
        peer = connection.peer
        try:
            async with asyncio.timeout(CALL_TIME):
                return await call(connection, protocol, request, lease, limit)
        except (DhtError, LimitReached):
            raise
        except (SwarmError, WireError, TimeoutError):
            self.failures += 1
            if peer is not None:
                self._table.failed(peer)
            raise


def _group(connection: Connection) -> bytes:
    """What limits of the routing table count the peer there under; private networks have none."""
    address = connection.remote.ip()
    if address is None or ip.scope(address) != ip.PUBLIC:
        return b""
    return ip.ip_group(address)

"""The client of AutoNAT: asks peers to dial this node back, and enters what came of it.

Peers in different networks are asked, each about the IP at which it sees this node and the ports
that are this node's own. That it was reached is believed only if the dial-back has arrived: in
version 2 it brings the nonce of the request, in version 1 a connection comes from the IP that was
asked. What a peer says of failures cannot be proved; `OwnAddresses` says what follows from either.

Sources: libp2p/specs autonat/autonat-v1.md and autonat-v2.md
"""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager, contextmanager

from edge import log
from edge.swarm.backoff import Backoff
from edge.swarm.errors import SwarmError
from edge.swarm.rate import Rate
from edge.wire import autonat as messages
from edge.wire import ip as ips
from edge.wire.errors import RemoteProtocolError, WireError
from edge.wire.multiaddr import Multiaddr
from edge.wire.protobuf import delimited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from edge.host import Host
    from edge.swarm.connection import Connection
    from edge.swarm.stream import Stream

    # What a peer has found: the address that it dialled, and whether that is proved to be reached.
    Verdict = tuple[Multiaddr, bool]

ENOUGH = 4  # networks whose peers are asked
FRESH = 900.0  # seconds, after which one in the same network is asked again
_KEPT = 3600.0  # seconds that a verdict counts
_TICK = 10.0  # seconds, times the slowdown
_EXCHANGE_TIME = 20.0  # seconds for a request and its answer; go-libp2p takes 15 to fail
_ARRIVAL_TIME = 5.0  # for a dial-back of which the answer tells
_FIRST_REST, _LONGEST_REST = 60.0, 900.0  # seconds, of a peer that gave no verdict
_MAX_RESTS = 32  # such peers; those that are forgotten are asked again, no faster than
_PER_MINUTE = 20


class Client:
    """Asks where `enabled`."""

    def __init__(self, host: Host) -> None:
        self.enabled = True
        self._host = host
        self._swarm = host.swarm
        self._rests = Backoff(host.swarm.loop.time, _LONGEST_REST, _MAX_RESTS)
        self._rate = Rate(host.swarm.loop.time, _PER_MINUTE, 60.0, most=1)
        self._busy: set[bytes] = set()  # networks in which a peer is being asked
        # Dial-backs that may come: by nonce, or by the group of the IP that they come from.
        self._expected: dict[int | bytes, asyncio.Future[Connection]] = {}
        self._since = host.swarm.loop.time()  # what is older than this is to be asked anew
        self._known = self._told
        self._wake = asyncio.Event()
        host.swarm.handle(messages.DIAL_BACK_ID, self._serve_dial_back, self._offered)
        host.swarm.opened.append(self._on_open)
        host.identify.identified.append(self._consider)
        host.network_changed.append(self._start_afresh)
        host.addresses.changed.append(self._on_addresses)

    async def run(self) -> None:
        """Keep verdicts from `ENOUGH` networks that are fresh, for ever."""
        while True:
            self._wake.clear()
            self._host.addresses.forget_dial_backs(self._swarm.loop.time() - _KEPT)
            for connection in self._swarm.all_connections():
                if not self._wanting:
                    break
                self._consider(connection)
            try:
                async with asyncio.timeout(_TICK * self._swarm.slowdown):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _start_afresh(self) -> None:
        """The network may be another one."""
        self._since = self._swarm.loop.time()
        self._rests.clear()
        self._wake.set()

    @property
    def _told(self) -> list[Multiaddr]:
        """Addresses that are not found out by peers."""
        return self._host.addresses.external + self._host.addresses.mapped

    def _on_addresses(self) -> None:
        """Where it could not be dialled before, the gateway may lead to it now."""
        if self._told != self._known:
            self._known = self._told
            self._start_afresh()

    # --- whom to ask ---

    @property
    def _fresh(self) -> set[bytes]:
        """The networks that need not be asked."""
        oldest = max(self._swarm.loop.time() - FRESH, self._since)
        return self._host.addresses.dialled_back_since(oldest)

    @property
    def _wanting(self) -> bool:
        return self.enabled and len(self._fresh) + len(self._busy) < ENOUGH

    def _consider(self, connection: Connection) -> None:
        """Ask the peer on `connection`, if it can tell something that is wanted."""
        network = ips.ip_network(connection.remote.ip() or b"")
        if not self._wanting or network in self._busy or network in self._fresh:
            return
        if self._can_ask(connection) and self._rate.take(None):
            self._busy.add(network)
            self._swarm.spawn(self._ask(connection, network))

    def _can_ask(self, connection: Connection) -> bool:
        ip, info = connection.remote.ip(), connection.info
        if not connection.direct or connection.leaving or ip is None or info is None:
            return False
        if ips.scope(ip) != ips.PUBLIC or self._rests.rests(connection.peer):
            return False
        return _speaks(connection) is not None and bool(self._candidates(connection))

    def _candidates(self, connection: Connection) -> list[Multiaddr]:
        """Where the peer on `connection` may find this node."""
        observed = connection.info and connection.info.observed
        ip = observed.ip() if observed else None
        if ip is None or ips.scope(ip) != ips.PUBLIC:
            return []
        return self._host.addresses.candidates(ip)

    async def _ask(self, connection: Connection, network: bytes) -> None:
        since, candidates, peer = self._since, self._candidates(connection), connection.peer
        ask = self._ask2 if _speaks(connection) == messages.DIAL_REQUEST_ID else self._ask1
        verdict = None
        try:
            verdict = await ask(connection, candidates)
        except (WireError, SwarmError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            log.debug("autonat-failed", peer=peer, error=reason)
        finally:
            self._busy.discard(network)
            self._wake.set()
        if since != self._since:
            return  # what was found out may be of another network
        if verdict is None:
            self._rests.failed(peer, _FIRST_REST)
            return
        self._rests.forget(peer)
        address, reached = verdict
        log.debug("autonat", peer=peer, address=address, reached=reached)
        now = self._swarm.loop.time()
        self._host.addresses.dialled_back(network, address, reached, now)

    @contextmanager
    def _expecting(self, key: int | bytes) -> Iterator[asyncio.Future[Connection]]:
        """The future of the dial-back that `key` tells."""
        future = self._expected[key] = self._swarm.loop.create_future()
        try:
            yield future
        finally:
            del self._expected[key]

    def _arrived(self, key: int | bytes, connection: Connection) -> bool:
        """A dial-back has come; returns whether it was expected, and the first."""
        future = self._expected.get(key)
        if future is None or future.done():
            return False
        future.set_result(connection)
        return True

    # --- version 1 ---

    async def _ask1(self, connection: Connection, candidates: list[Multiaddr]) -> Verdict | None:
        info = messages.PeerInfo(
            id=self._swarm.peer_id.bytes, addrs=[address.bytes for address in candidates]
        )
        request = messages.Message1(type=messages.Message1.DIAL, dial=messages.Dial(peer=info))
        with self._expecting(connection.group) as arrival:
            answer = await _exchange1(connection, request)
            if answer.status == messages.E_DIAL_ERROR:
                return candidates[0], False
            if answer.status not in (None, messages.OK):
                return None
            address = Multiaddr.from_bytes(answer.addr or b"").without_peer()
            if address not in candidates:
                raise RemoteProtocolError("it has dialled what was not asked for")
            await _arrival(arrival, connection)
            return address, True

    def _on_open(self, connection: Connection) -> None:
        """A dial-back of version 1 may come under another peer id than that of who was asked."""
        if connection.direct and not connection.initiator:
            self._arrived(connection.group, connection)

    # --- version 2 ---

    async def _ask2(self, connection: Connection, candidates: list[Multiaddr]) -> Verdict | None:
        nonce = int.from_bytes(os.urandom(8), "big")
        request = messages.DialRequest(addrs=[address.bytes for address in candidates], nonce=nonce)
        with self._expecting(nonce) as arrival:
            response = await _exchange2(connection, request)
            index = response.index or 0
            if response.status != messages.OK2:
                return None
            if index >= len(candidates):
                raise RemoteProtocolError("it has dialled what was not asked for")
            if response.dial_status == messages.DIAL_FAILED:
                return candidates[index], False
            await _arrival(arrival, connection)
            return candidates[index], True

    def _offered(self, connection: Connection) -> bool:
        return self.enabled and connection.direct

    async def _serve_dial_back(self, stream: Stream) -> None:
        async with asyncio.timeout(_ARRIVAL_TIME):
            data = await stream.read_message(messages.MAX_DIAL_BACK)
        nonce = messages.DialBack.decode(data).nonce or 0
        # On a connection that this node has made it would show nothing.
        if stream.connection.initiator or not self._arrived(nonce, stream.connection):
            raise RemoteProtocolError("a dial-back that nobody waits for")
        await stream.write(delimited(messages.DialBackResponse(status=messages.OK).encode()))
        stream.dismiss()


def _speaks(connection: Connection) -> str | None:
    """The version to ask in: the protocol of its requests."""
    info = connection.info
    for protocol in (messages.DIAL_REQUEST_ID, messages.V1_ID):
        if info is not None and protocol in info.protocols:
            return protocol
    return None


@asynccontextmanager
async def _asking(connection: Connection, protocol: str) -> AsyncIterator[Stream]:
    """A stream for one exchange, which ends in time. Raises TimeoutError."""
    stream = connection.open_stream([protocol])
    try:
        async with asyncio.timeout(_EXCHANGE_TIME):
            yield stream
    except BaseException:
        stream.reset()
        raise
    stream.dismiss()


async def _exchange1(connection: Connection, request: messages.Message1) -> messages.DialAnswer:
    async with _asking(connection, messages.V1_ID) as stream:
        await stream.negotiated()
        await stream.write(delimited(request.encode()))
        stream.finish()  # as in the server: not before it is agreed, and not after the answer
        data = await stream.read_message(messages.MAX_MESSAGE)
    return messages.Message1.decode(data).answer or messages.DialAnswer()


async def _exchange2(
    connection: Connection, request: messages.DialRequest
) -> messages.DialResponse:
    """The answer to `request`, paid for in data if the server wants that."""
    async with _asking(connection, messages.DIAL_REQUEST_ID) as stream:
        await stream.write(delimited(messages.Message2(request=request).encode()))
        said = messages.Message2.decode(await stream.read_message(messages.MAX_MESSAGE))
        if said.data_request is not None:
            await _pay(stream, said.data_request.length or 0)
            stream.finish()
            said = messages.Message2.decode(await stream.read_message(messages.MAX_MESSAGE))
    if said.response is None:
        raise RemoteProtocolError("neither an answer nor a first request for data")
    return said.response


async def _pay(stream: Stream, length: int) -> None:
    if length > messages.MAX_DATA:
        raise RemoteProtocolError(f"it wants {length} bytes of data")
    while length > 0:
        part = messages.DataResponse(data=bytes(min(length, messages.MAX_DATA_MESSAGE)))
        await stream.write(delimited(messages.Message2(data=part).encode()))
        length -= messages.MAX_DATA_MESSAGE


async def _arrival(expected: asyncio.Future[Connection], asked: Connection) -> None:
    """Wait for the dial-back of which the peer that was `asked` has told. Raises TimeoutError.

    It has done its work. rust-libp2p's server leaves it open, so that they pile up.
    """
    async with asyncio.timeout(_ARRIVAL_TIME):
        dial_back = await expected
    if dial_back.peer == asked.peer and asked.closed is None:
        dial_back.close("dialled back")

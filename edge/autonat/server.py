"""The server of AutoNAT: dials whoever asks back, and says whether that worked.

It is a way to make this node dial, so it dials very little: only the public IP that the request
comes from, whatever addresses are given, and neither this machine nor its network; a few at a time
and a minute, in all and for each source. So it is of no use to scan or to flood others, and the
data that version 2 asks for against amplification is never needed. Each dial is a connection of its
own from a new port (edge.swarm.apart), which shows nothing but that it can be made and is closed at
once.

Sources: libp2p/specs autonat/autonat-v1.md and autonat-v2.md; limits near those of go-libp2p
"""

from __future__ import annotations

import asyncio

from edge.swarm.addresses import PUBLIC
from edge.swarm.errors import SwarmError
from edge.swarm.rate import Rate
from edge.wire import autonat as messages
from edge.wire import ip as ips
from edge.wire.errors import RemoteProtocolError, WireError
from edge.wire.multiaddr import Multiaddr, parse_many
from edge.wire.protobuf import delimited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.host import Host
    from edge.swarm.connection import Connection
    from edge.swarm.stream import Stream

_REQUEST_TIME = 10.0  # seconds for a request to come
# Seconds for a dial, over which a client behind NAT waits before it asks for a reservation: a lost
# SYN is sent again after one, and the handshake takes four round trips, of a length that is known.
_DIAL_TIME = 1.3
_ROUND_TRIPS = 6
_USUAL_ROUND_TRIP = 0.2  # seconds, where it is not known
_LONGEST_DIAL = 5.0
_TELL_TIME = 5.0  # for the nonce to be taken
_MAX_PORTS = 3  # of the client's IP, in version 1
_MAX_AT_ONCE = 8  # requests that are served, one for each source
_PER_MINUTE = 60  # in all
_PER_SOURCE = 12  # a minute, from an IPv4 address or an IPv6 /64
_FAILED = (SwarmError, WireError, OSError, TimeoutError)

REACHED, UNREACHED, REFUSED, LIMITED = "reached", "unreached", "refused", "limited"


class Server:
    """Serves both versions where `service` is yes, or auto and this node is reachable itself.

    `answered`: requests since the start, by what came of them.
    """

    def __init__(self, host: Host) -> None:
        self.service = "auto"
        self.answered = dict.fromkeys((REACHED, UNREACHED, REFUSED, LIMITED), 0)
        self._host = host
        clock = host.swarm.loop.time
        self._all = Rate(clock, _PER_MINUTE, 60.0, most=1)
        self._by_source = Rate(clock, _PER_SOURCE, 60.0)
        self._serving: set[bytes] = set()  # sources
        host.swarm.handle(messages.V1_ID, self._serve1, self._offered)
        host.swarm.handle(messages.DIAL_REQUEST_ID, self._serve2, self._offered)

    def _offered(self, connection: Connection) -> bool:
        if self.service == "auto":
            return connection.direct and self._host.addresses.nat == PUBLIC
        return connection.direct and self.service == "yes"

    # --- version 1 ---

    async def _serve1(self, stream: Stream) -> None:
        answer = await self._answer1(stream)
        message = messages.Message1(type=messages.Message1.ANSWER, answer=answer)
        await stream.write(delimited(message.encode()))
        stream.dismiss()

    async def _answer1(self, stream: Stream) -> messages.DialAnswer:
        connection = stream.connection
        try:
            async with asyncio.timeout(_REQUEST_TIME):
                data = await stream.read_message(messages.MAX_MESSAGE)
            ports = _ports(messages.Message1.decode(data), connection)
        except RemoteProtocolError as error:
            return self._refuse(REFUSED, messages.E_BAD_REQUEST, str(error))
        source = _source(connection)
        if source is None or not ports:
            why = "only TCP ports of the public IP that asks are dialled"
            return self._refuse(REFUSED, messages.E_DIAL_REFUSED, why)
        if not self._begin(source):
            return self._refuse(LIMITED, messages.E_DIAL_REFUSED, "too many dials")
        try:
            addresses = [Multiaddr.from_ip(source, port) for port in ports]
            found = await self._reach(connection, addresses)
        finally:
            self._end(source)
        if found is None:
            return self._refuse(UNREACHED, messages.E_DIAL_ERROR, "no dial succeeded")
        self.answered[REACHED] += 1
        return messages.DialAnswer(status=messages.OK, addr=found.bytes)

    def _refuse(self, outcome: str, status: int, why: str) -> messages.DialAnswer:
        self.answered[outcome] += 1
        return messages.DialAnswer(status=status, text=why)

    async def _reach(self, connection: Connection, addresses: list[Multiaddr]) -> Multiaddr | None:
        """The first of `addresses` at which the peer on `connection` was reached; all are tried."""
        tasks = [asyncio.ensure_future(self._knock(address, connection)) for address in addresses]
        try:
            for done in asyncio.as_completed(tasks):
                found = await done
                if found is not None:
                    return found
            return None
        finally:
            for task in tasks:
                task.cancel()

    async def _knock(self, address: Multiaddr, client: Connection) -> Multiaddr | None:
        """`address`, if the peer of `client` answers there."""
        try:
            connection = await self._dial(address, client)
        except _FAILED:
            return None
        connection.close("dialled back")
        return address

    async def _dial(self, address: Multiaddr, client: Connection) -> Connection:
        assert client.peer is not None
        round_trip = client.session.rtt / 1e6 or _USUAL_ROUND_TRIP
        wait = min(_DIAL_TIME + _ROUND_TRIPS * round_trip, _LONGEST_DIAL)
        async with asyncio.timeout(wait):
            return await self._host.dialer.dial_apart(address, client.peer)

    # --- version 2 ---

    async def _serve2(self, stream: Stream) -> None:
        async with asyncio.timeout(_REQUEST_TIME):
            data = await stream.read_message(messages.MAX_MESSAGE)
        request = messages.Message2.decode(data).request
        if request is None:
            raise RemoteProtocolError("not a dial request")
        message = messages.Message2(response=await self._answer2(stream.connection, request))
        await stream.write(delimited(message.encode()))
        stream.dismiss()

    async def _answer2(
        self, connection: Connection, request: messages.DialRequest
    ) -> messages.DialResponse:
        source = _source(connection)
        chosen = None if source is None else _chosen(request, source)
        if source is None or chosen is None:
            self.answered[REFUSED] += 1
            return messages.DialResponse(status=messages.E_REFUSED2)
        if not self._begin(source):
            self.answered[LIMITED] += 1
            return messages.DialResponse(status=messages.E_REQUEST_REJECTED)
        index, address = chosen
        try:
            status = await self._dial_back(connection, address, request.nonce or 0)
        finally:
            self._end(source)
        self.answered[REACHED if status == messages.DIAL_OK else UNREACHED] += 1
        return messages.DialResponse(status=messages.OK2, index=index, dial_status=status)

    async def _dial_back(self, connection: Connection, address: Multiaddr, nonce: int) -> int:
        """Tell the peer on `connection` its `nonce` at `address`; returns the status of that."""
        try:
            made = await self._dial(address, connection)
        except _FAILED:
            return messages.DIAL_FAILED
        try:
            async with asyncio.timeout(_TELL_TIME):
                stream = made.open_stream([messages.DIAL_BACK_ID])
                # js-libp2p loses what is finished while it negotiates; rust-libp2p resets, with
                # its answer, what is not finished by then.
                await stream.negotiated()
                await stream.write(delimited(messages.DialBack(nonce=nonce).encode()))
                stream.finish()
                await stream.read_message(messages.MAX_DIAL_BACK)
        except _FAILED:
            return messages.DIAL_BACK_FAILED
        finally:
            made.close("dialled back")
        return messages.DIAL_OK

    # --- limits ---

    def _begin(self, source: bytes) -> bool:
        """Whether one more dial to `source` is made now; `_end` follows."""
        group = ips.ip_group(source)
        if not self._host.allowance.admits or group in self._serving:
            return False
        if len(self._serving) >= _MAX_AT_ONCE or not self._by_source.take(group):
            return False
        if not self._all.take(None):
            return False
        self._serving.add(group)
        return True

    def _end(self, source: bytes) -> None:
        self._serving.discard(ips.ip_group(source))


def _source(connection: Connection) -> bytes | None:
    """The IP that a request on `connection` comes from, if it may be dialled."""
    ip = connection.remote.ip() if connection.direct else None
    return ip if ip is not None and ips.scope(ip) == ips.PUBLIC else None


def _ports(message: messages.Message1, connection: Connection) -> list[int]:
    """The TCP ports that the peer on `connection` asks to be dialled at, of any IP of its own.

    It need not know under which IP it is seen, nor name a port that it dials from, as go-libp2p
    does not behind NAT. Raises RemoteProtocolError.
    """
    info = message.dial.peer if message.dial is not None else None
    if message.type not in (None, messages.Message1.DIAL) or info is None:
        raise RemoteProtocolError("not a dial request")
    if info.id is not None and (connection.peer is None or info.id != connection.peer.bytes):
        raise RemoteProtocolError("the request is for another peer")
    found: dict[int, None] = {}
    for address in parse_many(info.addrs, messages.MAX_ADDRESSES) or [connection.remote]:
        target = address.host_port()
        if target is not None and target[1] and address.ip() is not None:
            found[target[1]] = None
    return list(found)[:_MAX_PORTS]


def _chosen(request: messages.DialRequest, source: bytes) -> tuple[int, Multiaddr] | None:
    """The first address of `request` that is a TCP port of `source`, and its index."""
    for index, item in enumerate(request.addrs):
        try:
            address = Multiaddr.from_bytes(item).without_peer()
        except WireError:
            continue
        target = address.host_port()
        if target is not None and target[1] and address.ip() == source:
            return index, address
    return None

"""The client side of circuit relay v2: accepts circuits, dials through relays, asks to reserve.

Source: libp2p/specs relay/circuit-v2.md; apart from the keeping of reservations as in go-libp2p's
circuitv2/client
"""

from __future__ import annotations

import asyncio

from edge.relay.circuit_transport import CircuitTransport
from edge.swarm.errors import DialError
from edge.wire import circuit as messages
from edge.wire.errors import RemoteProtocolError
from edge.wire.protobuf import delimited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from edge.swarm.connection import Connection
    from edge.swarm.dialer import Dialer
    from edge.swarm.stream import Stream
    from edge.swarm.swarm import Swarm
    from edge.wire.multiaddr import Multiaddr
    from edge.wire.peerid import PeerId

_EXCHANGE_TIME = 30.0  # seconds for a request and its answer


class RelayRefused(DialError):
    """The relay answered with a status other than OK."""

    def __init__(self, status: int | None) -> None:
        name = messages.STATUS_NAMES.get(status or 0, str(status))
        super().__init__(f"the relay answers {name}")
        self.status = status


class RelayClient:
    """Serves stop and dials circuits on `swarm`. `relays`: those whose circuits are accepted."""

    def __init__(self, swarm: Swarm, dialer: Dialer) -> None:
        self.relays: Container[PeerId] = frozenset()
        self._swarm = swarm
        self._dialer = dialer
        swarm.handle(messages.STOP_ID, self._serve_stop)
        dialer.dial_circuit = self.dial_circuit

    # --- circuits to us ---

    async def _serve_stop(self, stream: Stream) -> None:
        relay = stream.connection
        try:
            async with asyncio.timeout(_EXCHANGE_TIME):
                data = await stream.read_message(messages.MAX_MESSAGE)
            message = messages.StopMessage.decode(data)
            source = (message.peer or messages.Peer()).peer_id()
        except RemoteProtocolError:
            await self._refuse(stream, messages.MALFORMED_MESSAGE)
            return
        if message.type != messages.StopMessage.CONNECT:
            await self._refuse(stream, messages.UNEXPECTED_MESSAGE)
            return
        if relay.peer is None or relay.peer not in self.relays:
            await self._refuse(stream, messages.PERMISSION_DENIED)
            return
        group = relay.peer.bytes
        refusal = self._swarm.refusal_of_source(relay.remote.ip() or b"", group)
        if refusal is not None:
            self._swarm.count_refusal(refusal)
            await self._refuse(stream, messages.RESOURCE_LIMIT_EXCEEDED)
            return
        accepted = messages.StopMessage(type=messages.StopMessage.STATUS, status=messages.OK)
        await stream.write(delimited(accepted.encode()))
        refusal = self._swarm.refusal_for(group)
        if refusal is not None:  # others have come while that was written
            self._swarm.count_refusal(refusal)
            stream.reset()
            return
        address = relay.remote.with_peer(relay.peer).via_circuit(source)
        connection = self._swarm.upgrade(CircuitTransport(stream), False, address, expected=source)
        connection.limited = message.limit is not None

    async def _refuse(self, stream: Stream, status: int) -> None:
        answer = messages.StopMessage(type=messages.StopMessage.STATUS, status=status)
        await stream.write(delimited(answer.encode()))
        stream.dismiss()

    # --- requests to relays ---

    async def dial_circuit(
        self, relay: Connection, target: PeerId
    ) -> tuple[CircuitTransport, bool]:
        """A circuit to `target` over the connection to `relay`, and whether it is limited.

        Raises DialError.
        """
        peer = messages.Peer(id=target.bytes, addrs=[])
        request = messages.HopMessage(type=messages.HopMessage.CONNECT, peer=peer)
        stream, answer = await _ask(relay, request)
        return CircuitTransport(stream), answer.limit is not None

    async def reserve(
        self, relay: PeerId, addresses: Sequence[Multiaddr], trusted: bool = False
    ) -> tuple[Connection, messages.HopMessage]:
        """Reserve on `relay`, or renew; returns the connection used, and the answer.

        `trusted`: the owner has named `addresses`. Raises DialError, another SwarmError, WireError
        or TimeoutError.
        """
        connection = await self._dialer.connect(relay, addresses, again=True, trusted=trusted)
        request = messages.HopMessage(type=messages.HopMessage.RESERVE)
        stream, answer = await _ask(connection, request)
        stream.dismiss()
        return connection, answer


async def _ask(
    connection: Connection, request: messages.HopMessage
) -> tuple[Stream, messages.HopMessage]:
    """The stream of `request`, and the relay's consent. Raises RelayRefused."""
    stream = connection.open_stream([messages.HOP_ID])
    try:
        async with asyncio.timeout(_EXCHANGE_TIME):
            await stream.write(delimited(request.encode()))
            answer = messages.HopMessage.decode(await stream.read_message(messages.MAX_MESSAGE))
        if answer.type != messages.HopMessage.STATUS:
            raise RemoteProtocolError("the relay answers with something else than a status")
        if answer.status != messages.OK:
            raise RelayRefused(answer.status)
    except BaseException:
        stream.reset()
        raise
    return stream, answer

"""The answers of the status socket that involve a peer: ping and connect."""

from __future__ import annotations

import asyncio

from edge.status.errors import StatusError
from edge.swarm.errors import DialError, SwarmError
from edge.wire.errors import WireError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.status.server import Answer, Answerer, Request
    from edge.swarm.connection import Connection
    from edge.swarm.dialer import Dialer
    from edge.swarm.swarm import Swarm
    from edge.wire.multiaddr import Multiaddr
    from edge.wire.peerid import PeerId

MAX_PINGS = 5  # of one request, whose answer comes when all are done
PING_TIMEOUT = 5.0  # seconds; all of a request fit into the server's time-out
_IDENTIFY_WAIT = 5.0  # seconds that a new peer may take to say who it is
_IDENTIFY_POLL = 0.05


def verbs(swarm: Swarm, dialer: Dialer) -> dict[str, Answerer]:
    """By the verb that a request names."""

    async def ping(request: Request) -> Answer:
        return await _ping(request, swarm, dialer)

    async def connect(request: Request) -> Answer:
        return await _connect(request, swarm, dialer)

    return {"ping": ping, "connect": connect}


async def _ping(request: Request, swarm: Swarm, dialer: Dialer) -> Answer:
    from edge.swarm.ping import ping

    target = _target(request)
    results: list[Answer] = []
    for _ in range(_count(request)):
        try:
            connection = await _connection(swarm, dialer, *target)
            taken = await ping(connection, PING_TIMEOUT)
        except TimeoutError:
            results.append({"error": f"no answer within {PING_TIMEOUT:g} s"})
        except (SwarmError, WireError) as error:
            results.append({"error": str(error)})
        else:
            results.append({**_link(connection), "rtt": round(taken * 1000, 3)})
    return {"results": results}


async def _connect(request: Request, swarm: Swarm, dialer: Dialer) -> Answer:
    connection = await _connection(swarm, dialer, *_target(request))
    deadline = connection.loop.time() + _IDENTIFY_WAIT
    while connection.info is None and connection.closed is None:
        if connection.loop.time() > deadline:
            break
        await asyncio.sleep(_IDENTIFY_POLL)
    if connection.closed is not None:
        raise StatusError(f"connected to {connection.peer}, then closed: {connection.closed}")
    answer = _link(connection)
    if connection.info is not None:
        answer["agent"] = connection.info.agent
        answer["protocols"] = sorted(connection.info.protocols)
    return answer


def _link(connection: Connection) -> dict[str, object]:
    return {
        "peer_id": str(connection.peer),
        "remote": str(connection.remote),
        "direct": connection.direct,
        "limited": connection.limited,
    }


def _target(request: Request) -> tuple[PeerId | None, list[Multiaddr]]:
    """The peer that the request names: by an address, or by the bare id of a connected peer."""
    from edge.wire.multiaddr import Multiaddr
    from edge.wire.peerid import PeerId

    text = request.get("address")
    if not isinstance(text, str) or not text.isascii():
        raise StatusError('"address" is not a multiaddr or a peer id')
    if text.startswith("/"):
        address = Multiaddr.from_string(text)
        return address.peer_id(), [address]
    return PeerId.from_string(text), []


def _count(request: Request) -> int:
    count = request.get("count", 1)
    if type(count) is not int or not 1 <= count <= MAX_PINGS:
        raise StatusError(f'"count" is not a whole number from 1 to {MAX_PINGS}')
    return count


async def _connection(
    swarm: Swarm, dialer: Dialer, peer: PeerId | None, addresses: list[Multiaddr]
) -> Connection:
    """The connection there is, else a new one. Raises DialError."""
    if peer is not None:
        return await dialer.connect(peer, addresses, again=True, trusted=True)
    address = addresses[0]
    for connection in swarm.all_connections():
        if connection.remote == address:
            return connection
    try:
        return await dialer.dial(address, None)
    except OSError as error:
        raise DialError(f"{address}: {error.strerror}") from None

"""libp2p ping: 32 bytes, echoed; a stream carries as many as its dialer likes.

Source: libp2p/specs ping/ping.md
"""

from __future__ import annotations

import asyncio
import os

from edge.wire.errors import RemoteProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.swarm.connection import Connection
    from edge.swarm.stream import Stream

PROTOCOL_ID = "/ipfs/ping/1.0.0"
_LENGTH = 32
_AT_ONCE = 512 * _LENGTH  # bytes echoed in one turn of the loop
_MAX_STREAMS = 4  # of a connection; the specification has two
_IDLE = 60.0  # seconds after which a dialer that pings no more loses its stream


async def serve(stream: Stream) -> None:
    """Echo until the peer finishes, once a turn of the loop; a few streams of a connection.

    All pings that have come are echoed together: answered one by one, a flood of them would cost
    far more than reading it, which is what its sender is held to (edge.swarm.cpu_share).
    """
    streams = stream.connection.session.streams.values()
    if sum([getattr(one.owner, "protocol", "") == PROTOCOL_ID for one in streams]) > _MAX_STREAMS:
        stream.reset()
        return
    data = b""
    while True:
        async with asyncio.timeout(_IDLE):
            more = await stream.read(_AT_ONCE)
        if not more:
            stream.dismiss()
            return
        data += more
        whole = len(data) - len(data) % _LENGTH
        await stream.write(data[:whole])
        data = data[whole:]
        await asyncio.sleep(0)


async def ping(connection: Connection, wait: float = 10.0) -> float:
    """Seconds of one round trip, the stream's negotiation included.

    Raises TimeoutError, SwarmError, or RemoteProtocolError if something else comes back.
    """
    loop = connection.loop
    started = loop.time()
    stream = connection.open_stream([PROTOCOL_ID])
    try:
        async with asyncio.timeout(wait):
            sent = os.urandom(_LENGTH)
            await stream.write(sent)
            if await stream.read_exactly(_LENGTH) != sent:
                raise RemoteProtocolError("ping answered with other bytes")
        stream.dismiss()
    except BaseException:
        stream.reset()
        raise
    return loop.time() - started

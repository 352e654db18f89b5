"""libp2p ping: 32 bytes, echoed; a stream carries as many as its dialer likes.

Source: libp2p/specs ping/ping.md
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from edge.swarm.errors import StreamEnded
from edge.wire.errors import RemoteProtocolError

if TYPE_CHECKING:
    from edge.swarm.connection import Connection
    from edge.swarm.stream import Stream

PROTOCOL_ID = "/ipfs/ping/1.0.0"
_LENGTH = 32
_MAX_STREAMS = 4  # of a connection; the specification has two
_IDLE = 60.0  # seconds after which a dialer that pings no more loses its stream


async def serve(stream: Stream) -> None:
    """Echo until the peer finishes, once a turn of the loop; a few streams of a connection."""
    streams = stream.connection.session.streams.values()
    if sum([getattr(one.owner, "protocol", "") == PROTOCOL_ID for one in streams]) > _MAX_STREAMS:
        stream.reset()
        return
    while True:
        try:
            async with asyncio.timeout(_IDLE):
                data = await stream.read_exactly(_LENGTH)
        except StreamEnded:
            stream.dismiss()
            return
        await stream.write(data)
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

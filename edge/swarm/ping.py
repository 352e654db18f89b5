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
_IDLE = 60.0  # seconds after which a dialer that pings no more loses its stream


async def serve(stream: Stream) -> None:
    """Echo until the peer finishes."""
    while True:
        try:
            async with asyncio.timeout(_IDLE):
                data = await stream.read_exactly(_LENGTH)
        except StreamEnded:
            stream.finish()
            return
        await stream.write(data)


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
        stream.finish()
    except BaseException:
        stream.reset()
        raise
    return loop.time() - started

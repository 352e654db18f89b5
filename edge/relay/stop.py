"""The relay's side of the stop protocol: offers a circuit to its target.

Source: libp2p/specs relay/circuit-v2.md
"""

from __future__ import annotations

import asyncio

from edge import log
from edge.swarm.errors import SwarmError
from edge.wire import circuit as messages
from edge.wire.errors import WireError
from edge.wire.protobuf import delimited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge.swarm.connection import Connection
    from edge.swarm.stream import Stream

_TIME = 8.0  # seconds for one of the target's connections to answer


async def open_stop(
    connections: Iterable[Connection], request: messages.StopMessage, sleeps: bool
) -> Stream | None:
    """A stream on which the target accepts `request`; None if it refuses, or does not answer.

    `connections`: all of the target's; the newest is asked first. `sleeps`: the target may have
    fallen asleep without a word, so that a connection on which it does not answer is closed.
    """
    for connection in sorted(connections, key=lambda link: link.opened_at, reverse=True):
        try:
            stream = connection.open_stream([messages.STOP_ID])
            answer = await _ask(stream, request)
        except (WireError, SwarmError, TimeoutError) as error:
            log.debug("relay-stop-failed", peer=connection.peer, error=error)
            if sleeps:
                connection.close("does not answer", say=False)
            continue
        if answer.type == messages.StopMessage.STATUS and answer.status == messages.OK:
            return stream
        stream.reset()
        return None
    return None


async def _ask(stream: Stream, request: messages.StopMessage) -> messages.StopMessage:
    """The answer; without one the stream is reset."""
    try:
        async with asyncio.timeout(_TIME):
            await stream.write(delimited(request.encode()))
            return messages.StopMessage.decode(await stream.read_message(messages.MAX_MESSAGE))
    except BaseException:
        stream.reset()
        raise

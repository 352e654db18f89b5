"""Unary calls on streams: one frame asks, one answers (edge.wire.hivemind).

The memory of a call is leased as its bytes come, so that a frame of 4 MiB costs what it is, and one
that is only announced costs nothing.
"""

from __future__ import annotations

import asyncio
import os

from edge.dht.errors import CallRefused, DhtError
from edge.swarm.errors import LimitReached, StreamEnded, SwarmError
from edge.wire import hivemind
from edge.wire.delimited import DelimitedReader
from edge.wire.errors import RemoteProtocolError, WireError
from edge.wire.hivemind import MAX_FRAME, MAX_PAYLOAD, Frame
from edge.wire.protobuf import delimited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Self

    from edge.budget import Pool
    from edge.swarm.connection import Connection
    from edge.swarm.stream import Stream

    Answer = Callable[[bytes, Connection, "Lease"], Awaitable[bytes]]

CALL_TIME = 30.0  # seconds for a request to come whole, and for its answer to leave
CALL = 4 << 10  # bytes that the shortest call takes
COPIES = 3  # of a frame's bytes at a time: as received, as taken apart, as fields
_CHUNK = 64 << 10


class Lease:
    """What one call has of `pool`; given back at the end of the `with` block."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._size = 0

    def take(self, size: int) -> None:
        """Raises LimitReached if there is no memory for that."""
        if not self._pool.take(size):
            raise LimitReached("no memory for a call of this length")
        self._size += size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.give(self._size)
        self._size = 0


async def call(
    connection: Connection, protocol: str, request: bytes, lease: Lease, limit: int = MAX_FRAME
) -> bytes:
    """The answer of `connection`'s peer, of at most `limit` bytes.

    Raises CallRefused with the peer's own words, DhtError, SwarmError or WireError. The caller
    limits the time.
    """
    if len(request) > MAX_PAYLOAD:
        raise DhtError(f"a request of {len(request)} bytes; at most {MAX_PAYLOAD} can be sent")
    lease.take(CALL + COPIES * len(request))
    call_id = os.urandom(hivemind.CALL_ID_SIZE)
    stream = connection.open_stream([protocol])
    try:
        await stream.write(delimited(hivemind.call(call_id, protocol, request)))
        frame = await _read_frame(stream, lease, limit)
        stream.dismiss()
    except BaseException:
        stream.reset()
        raise
    return _answer_in(frame, call_id)


def _answer_in(frame: Frame, call_id: bytes) -> bytes:
    answer = frame.unary_response
    if frame.call_id != call_id or answer is None:
        raise RemoteProtocolError("not the answer to the call")
    if answer.response is None:
        raise CallRefused(str(answer.error or b"no reason", "utf-8", "replace"))
    return answer.response


async def serve(stream: Stream, pool: Pool, answer: Answer) -> None:
    """Read one request from `stream` and write what `answer(request, connection, lease)` returns.

    What it raises is the protocol's error for the peer.
    """
    with Lease(pool) as lease:
        lease.take(CALL)
        async with asyncio.timeout(CALL_TIME):
            frame = await _read_frame(stream, lease, MAX_FRAME)
            request, call_id = frame.call_unary, frame.call_id
            if request is None or call_id is None:
                raise RemoteProtocolError("not a unary call")
            try:
                response = await answer(request.data or b"", stream.connection, lease)
                said = hivemind.answer(call_id, response)
            except (SwarmError, WireError) as error:
                said = hivemind.refusal(call_id, str(error))
            await stream.write(delimited(said))
        stream.dismiss()


async def _read_frame(stream: Stream, lease: Lease, limit: int) -> Frame:
    reader = DelimitedReader(limit)
    while data := await stream.read(_CHUNK):
        lease.take(COPIES * len(data))
        body, _ = reader.feed(data)
        if body is not None:
            return Frame.decode(body)
    raise StreamEnded("the peer finished the stream early")

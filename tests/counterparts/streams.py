"""Both ends of the transfer in payload.py over asyncio's reader and writer."""

from __future__ import annotations

import asyncio

from tests.counterparts import payload
from tests.counterparts.base import PeerError, TransferCut


async def dial_side(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, size: int) -> None:
    """Send and receive `size` bytes. Raises TransferCut, PeerError on a wrong checksum."""
    source, sink = payload.Source(size), payload.Sink(size)
    try:
        writer.write(payload.header(size))
        await _send(writer, source)
        claimed = await reader.readexactly(payload.DIGEST)
        await _receive(reader, sink)
        trailer = await reader.readexactly(payload.DIGEST)
    except (OSError, asyncio.IncompleteReadError) as error:
        raise TransferCut(size - source.left, size - sink.left, repr(error)) from error
    if claimed != source.digest():
        raise PeerError("the listener received other bytes than were sent")
    if trailer != sink.digest():
        raise PeerError("other bytes were received than the listener sent")


async def listen_side(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, served: list[int]
) -> None:
    """Serve one transfer, counting the bytes that arrive in a new last item of `served`."""
    index = len(served)
    served.append(0)
    sink = payload.Sink(payload.parse_header(await reader.readexactly(payload.HEADER)))
    size = sink.left
    try:
        await _receive(reader, sink)
    finally:
        served[index] = size - sink.left
    writer.write(sink.digest())
    source = payload.Source(size)
    await _send(writer, source)
    writer.write(source.digest())
    await writer.drain()
    # The dialer ends first: p2pd resets a stream whose handler has gone, and the dialer may not
    # have read it all.
    await reader.read(1)


async def _send(writer: asyncio.StreamWriter, source: payload.Source) -> None:
    while chunk := source.next():
        writer.write(chunk)
        await writer.drain()


async def _receive(reader: asyncio.StreamReader, sink: payload.Sink) -> None:
    while sink.left:
        chunk = await reader.read(min(payload.BLOCK, sink.left))
        if not chunk:
            raise asyncio.IncompleteReadError(b"", sink.left)
        sink.add(chunk)

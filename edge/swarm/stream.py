"""A stream as asyncio code uses it: read, write, finish, reset.

Outgoing streams are negotiated optimistically: the proposal leaves with the first bytes written,
and the first read waits for the peer's agreement. What has arrived and was not read is held here,
never more than the stream's receive window; credit goes back to the peer only as bytes are read.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from edge.swarm.errors import LimitReached, StreamEnded, StreamReset
from edge.swarm.work import CONTROL
from edge.wire import multistream, varint
from edge.wire.errors import RemoteProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.swarm.connection import Connection
    from edge.swarm.work import Work
    from edge.wire import yamux

_POUR = 64 * 1024  # bytes held that a sink is given at once


class StreamOwner(Protocol):
    """The owner of a yamux stream, told of its events; payloads are read before calls return."""

    @property
    def target(self) -> Connection | None:
        """The one connection to which everything that arrives here is passed on, if that is so."""

    @property
    def held(self) -> int:
        """Bytes that have arrived here and wait."""

    @property
    def engaged(self) -> bool:
        """Whether it is for something, so that its connection does not idle."""

    def data_received(self, start: int, end: int) -> None:
        """A payload is at [start:end] of the connection's plaintext buffer."""

    def finished(self) -> None:
        """The peer sends no more."""

    def was_reset(self, reason: str) -> None:
        """The stream is gone."""

    def writable(self) -> None:
        """The window has grown, or the connection's backlog has drained."""


class Sink(Protocol):
    """A taker of a stream's bytes as they arrive, in place of a reader."""

    def sink_data(self, data: memoryview) -> int:
        """Bytes, to be used before this returns; how many of them were, one at least."""

    def sink_ended(self, reason: str) -> None:
        """No more will come."""

    def sink_writable(self) -> None:
        """`write_some` takes bytes again."""


class Stream:
    """One stream of `connection`; made by `Connection.open_stream` or given to a handler.

    `work`: the class of work that its bytes are counted as.
    """

    __slots__ = (
        "__weakref__",
        "_buffer",
        "_dialer",
        "_dismissed",
        "_ended",
        "_failure",
        "_listener",
        "_paused",
        "_sink",
        "_waiter",
        "_write_waiter",
        "connection",
        "protocol",
        "work",
        "yamux",
    )

    def __init__(self, connection: Connection, stream: yamux.Stream) -> None:
        self.connection = connection
        self.yamux = stream
        self.protocol: str | None = None
        self.work: Work = connection.shared.work[CONTROL]
        self._buffer = bytearray()
        self._ended = False
        self._dismissed = False
        self._failure: Exception | None = None
        self._dialer: multistream.Dialer | None = None
        self._listener: multistream.Listener | None = None
        self._sink: Sink | None = None
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._write_waiter: asyncio.Future[None] | None = None

    # --- negotiation ---

    def propose(self, dialer: multistream.Dialer) -> None:
        """Be the side that asks: the proposal is queued, the agreement read with the first data."""
        self._dialer = dialer
        self._say(dialer.hello)

    def listen(self, listener: multistream.Listener) -> None:
        """Be the side that is asked; the connection hands the agreed stream to its handler.

        A peer that does not come to a protocol loses the stream (`Limits.negotiation_timeout`).
        """
        self._listener = listener
        self.connection.shared.negotiating[self] = self.connection.loop.time()

    async def negotiated(self) -> str:
        """Wait for the peer's agreement to what was proposed; return the protocol agreed on."""
        while self._dialer is not None:
            self._check_alive()
            await self._wait()
        self._check_reset()
        assert self.protocol is not None
        return self.protocol

    # --- reading ---

    async def read(self, limit: int) -> bytes:
        """Between 1 and `limit` bytes, or b"" once the peer has finished.

        Raises StreamReset, and RemoteProtocolError if the peer refused the protocol.
        """
        while self._dialer is not None or not self._buffer:
            self._check_reset()
            if self._ended:
                return b""
            await self._wait()
        return self._take(min(limit, len(self._buffer)))

    async def read_exactly(self, length: int) -> bytes:
        """`length` bytes (at most a receive window). Raises StreamEnded if they will not come."""
        if length > self.yamux.window:
            raise LimitReached(f"cannot read {length} bytes at once")
        while self._dialer is not None or len(self._buffer) < length:
            self._check_alive()
            await self._wait()
        return self._take(length)

    async def read_message(self, limit: int) -> bytes:
        """One varint-delimited message of at most `limit` bytes; held here until it is whole.

        Raises RemoteProtocolError if it is longer, StreamEnded if it does not come whole.
        """
        while True:
            head = varint.decode(self._buffer) if self._dialer is None else None
            if head is not None:
                length, start = head
                if length > limit:
                    raise RemoteProtocolError(f"message of {length} bytes, at most {limit} allowed")
                if len(self._buffer) >= start + length:
                    return self._take(start + length)[start:]
            self._check_alive()
            await self._wait()

    async def read_to_end(self, limit: int) -> bytes:
        """All that comes until the peer finishes; at most `limit` bytes, a receive window or less.

        Raises RemoteProtocolError if it is more.
        """
        while self._dialer is not None or not self._ended:
            self._check_reset()
            if len(self._buffer) > limit:
                break
            await self._wait()
        if len(self._buffer) > limit:
            raise RemoteProtocolError(f"more than {limit} bytes")
        return self._take(len(self._buffer))

    def take_early(self) -> bytearray:
        """All that has arrived and was not read; whoever takes it credits the peer for it."""
        early, self._buffer = self._buffer, bytearray()
        self.connection.shared.pools.buffers.give(len(early))
        return early

    # --- writing ---

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send `data`, waiting while the peer's window or the connection is full."""
        view = memoryview(data)
        while True:
            view = view[self.write_some(view) :]
            if not view:
                return
            self._write_waiter = self.connection.loop.create_future()
            try:
                await self._write_waiter
            finally:
                self._write_waiter = None

    def write_some(self, data: memoryview) -> int:
        """Queue what can be sent now of `data`; return how many bytes. Raises StreamReset."""
        self._check_reset()
        if self.connection.congested:
            return 0
        sent = self.connection.send(self.yamux, data)
        self.work.moved += sent
        return sent

    def finish(self) -> None:
        """Send no more; reading goes on."""
        if self._failure is None:
            self.connection.finish(self.yamux)

    def dismiss(self) -> None:
        """Finish, and let go of what was not read and of what still comes."""
        self.finish()
        self._dismissed = True
        self._let_go()

    def reset(self) -> None:
        """Give the stream up in both directions. Harmless on a stream that is gone."""
        if self._failure is None:
            self.connection.reset(self.yamux)
            self.was_reset("reset by us")

    async def close(self) -> None:
        """Finish, and wait for the peer to do so too; what it still sends is dropped."""
        self.finish()
        while await self.read(65536):
            continue

    @property
    def is_open(self) -> bool:
        return self._failure is None

    def set_sink(self, sink: Sink) -> None:
        """Hand all that arrives to `sink`, at once."""
        self._sink = sink
        self._pour()
        if self._failure is not None:
            sink.sink_ended(str(self._failure))

    def pause(self) -> None:
        """Hold what arrives, and give no credit for it: the sink has had enough for now."""
        self._paused = True

    def resume(self) -> None:
        """Go on, with what was held first; the sink may pause again meanwhile."""
        self._paused = False
        self._pour()

    @property
    def waiting(self) -> int:
        """Bytes that are held because the sink has had enough."""
        return len(self._buffer)

    # --- StreamOwner ---

    @property
    def target(self) -> None:
        return None

    @property
    def held(self) -> int:
        """What waits for a sink is the sink's."""
        return len(self._buffer) if self._sink is None else 0

    @property
    def engaged(self) -> bool:
        return self.protocol is not None and not self._dismissed

    def data_received(self, start: int, end: int) -> None:
        data = self.connection.plain[start:end]
        if self._listener is not None:
            self._answer(data)
            return
        if self._dialer is not None:
            data = self._agree(data)
        if self._sink is not None:
            data = self._feed(self._sink, data)
        if len(data):
            self._hold(data)
            self._wake()

    def finished(self) -> None:
        self._ended = True
        if self._listener is not None:
            self.reset()  # gone before it said what it wanted
        self._wake()
        self._tell_end()

    def was_reset(self, reason: str) -> None:
        if self._failure is None:
            self._failure = StreamReset(reason)
        self.connection.shared.negotiating.pop(self, None)
        self._let_go()
        self._wake()
        self.writable()
        if self._sink is not None:
            self._sink.sink_ended(reason)

    def writable(self) -> None:
        waiter = self._write_waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        if self._sink is not None and self._failure is None:
            self._sink.sink_writable()

    # --- inside ---

    def _say(self, line: bytes) -> None:
        """A line of the negotiation: it fits the window, and does not wait for a full socket."""
        if line:
            self.connection.send(self.yamux, line)

    def _answer(self, data: memoryview) -> None:
        assert self._listener is not None
        try:
            answer, used = self._listener.receive(data)
        except RemoteProtocolError:
            self.reset()
            return
        self.connection.consumed(self.yamux, used)
        self._say(answer)
        if self._listener.protocol is not None:
            self.protocol = self._listener.protocol
            self._listener = None
            self.connection.shared.negotiating.pop(self, None)
            self._hold(data[used:])
            if self._failure is None:
                self.connection.stream_ready(self)

    def _agree(self, data: memoryview) -> memoryview:
        assert self._dialer is not None
        try:
            answer, used = self._dialer.receive(data)
        except RemoteProtocolError as error:
            self.connection.reset(self.yamux)
            self._failure = error
            self.was_reset(str(error))
            return data[len(data) :]
        self.connection.consumed(self.yamux, used)
        self._say(answer)
        if self._dialer.protocol is not None:
            self.protocol = self._dialer.protocol
            self._dialer = None
            self._wake()
        return data[used:]

    def _feed(self, sink: Sink, data: memoryview) -> memoryview:
        """Give `sink` what has arrived until it has had enough; returns the rest."""
        while len(data) and not self._paused and self._failure is None:
            taken = sink.sink_data(data)
            self.work.moved += taken
            self.connection.consumed(self.yamux, taken)
            data = data[taken:]
        return data if self._failure is None else data[len(data) :]

    def _pour(self) -> None:
        """Give the sink what is held until it has had enough, and tell it if that is the end."""
        sink = self._sink
        while sink is not None and self._buffer and not self._paused:
            taken = sink.sink_data(memoryview(bytes(self._buffer[:_POUR])))
            if self._failure is None:
                # What waits for its turn is made no faster by a larger window.
                self._drop(taken, grow=False)
        self._tell_end()

    def _tell_end(self) -> None:
        if self._sink is not None and self._ended and not self._buffer and self._failure is None:
            self._sink.sink_ended("finished by the peer")

    def _hold(self, data: memoryview) -> None:
        """Keep `data` for a reader; a stream for which there is no memory is reset."""
        if self._dismissed:
            return
        buffers = self.connection.shared.pools.buffers
        if not buffers.take(len(data)):
            self.connection.shared.count_refusal("memory-buffers")
            self.reset()
        elif self._failure is None:
            self._buffer += data
        else:
            buffers.give(len(data))  # gone meanwhile, to make room

    def _let_go(self) -> None:
        self.connection.shared.pools.buffers.give(len(self._buffer))
        self._buffer = bytearray()

    def _take(self, length: int) -> bytes:
        data = bytes(self._buffer[:length])
        self._drop(length)
        return data

    def _drop(self, length: int, grow: bool = True) -> None:
        """So many held bytes were dealt with. `grow`: as `Connection.consumed`."""
        del self._buffer[:length]
        self.connection.shared.pools.buffers.give(length)
        self.work.moved += length
        if length and self._failure is None:
            self.connection.consumed(self.yamux, length, grow)

    def _check_reset(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _check_alive(self) -> None:
        self._check_reset()
        if self._ended:
            raise StreamEnded("the peer finished the stream early")

    async def _wait(self) -> None:
        self._waiter = self.connection.loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

"""Transports of a connection's ciphertext: a TCP socket, or a stream of another connection.

Both feed a `Receiver` (get_buffer, buffer_updated, eof_received, writable: the shape of asyncio's
BufferedProtocol) and take what it writes. The socket is driven by the loop's readiness callbacks
rather than by an asyncio transport: one receive fills the shared scratch buffer, one send empties
it, and bytes are copied only when the kernel will not take them.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Protocol

# A peer that lets so much pile up beyond what two events can bring does not read at all.
MAX_BACKLOG = 256 * 1024
MOST_READS = 64  # of one look


class Receiver(Protocol):
    """The receiving side, fed by a transport."""

    def get_buffer(self) -> memoryview:
        """Room for the next bytes."""

    def buffer_updated(self, length: int) -> None:
        """`length` bytes were put there."""

    def eof_received(self, reason: str) -> None:
        """Nothing more will come."""

    def writable(self) -> None:
        """The backlog has gone out."""


class Transport(Protocol):
    """A connection's way to its peer."""

    @property
    def direct(self) -> bool:
        """Whether it is a socket of this node's to the peer itself."""

    def start(self, receiver: Receiver) -> None:
        """Begin to feed `receiver`."""

    def write(self, data: memoryview) -> None:
        """Send `data`, or keep a copy of what cannot be sent now."""

    @property
    def congested(self) -> bool:
        """Whether earlier bytes still wait."""

    @property
    def backlog(self) -> int:
        """How many."""

    @property
    def waiting(self) -> int:
        """Bytes that have arrived in this process, and wait for `resume`."""

    def pause(self) -> None:
        """Feed the receiver nothing more until `resume`; what arrives waits where it is."""

    def resume(self) -> None:
        """Go on feeding. Harmless where nothing was paused."""

    def look(self, most: int = MOST_READS) -> None:
        """Read what there is now, `most` times, unless paused."""

    def close(self) -> None:
        """Send what can be sent at once, and end."""


class Traffic:
    """Bytes that all sockets of a node have carried, without what TCP and IP add."""

    __slots__ = ("received", "sent")

    def __init__(self) -> None:
        self.received = 0
        self.sent = 0


class SocketTransport:
    """A connected, non-blocking TCP socket. `traffic`: where its bytes are counted."""

    __slots__ = ("_backlog", "_closed", "_loop", "_paused", "_receiver", "_traffic", "sock")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, sock: socket.socket, traffic: Traffic
    ) -> None:
        self._loop = loop
        self.sock = sock
        self._traffic = traffic
        self._backlog = bytearray()
        self._paused = False
        self._closed = False
        self._receiver: Receiver | None = None
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def start(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._loop.add_reader(self.sock, self._readable)

    @property
    def direct(self) -> bool:
        return True

    @property
    def congested(self) -> bool:
        return bool(self._backlog)

    @property
    def backlog(self) -> int:
        return len(self._backlog)

    def write(self, data: memoryview) -> None:
        if self._closed:
            return
        if self._backlog:
            self._backlog += data
            return
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # the reading side learns of it too, and tells the receiver
        self._traffic.sent += sent
        if sent < len(data):
            self._backlog += data[sent:]
            self._loop.add_writer(self.sock, self._flush)

    @property
    def waiting(self) -> int:
        return 0  # the kernel has it

    def pause(self) -> None:
        """Leave what arrives to the kernel until `resume`."""
        if not self._paused and not self._closed:
            self._paused = True
            self._loop.remove_reader(self.sock)

    def resume(self) -> None:
        if self._paused and not self._closed:
            self._paused = False
            self._loop.add_reader(self.sock, self._readable)

    def look(self, most: int = MOST_READS) -> None:
        """Read what there is, `most` times, though the loop has not said so.

        uvloop tells only once of a socket that a reset has reached; where that is behind more data
        than one read takes, nobody would ever come back for it.
        """
        for _ in range(most):
            if self._paused or self._closed or not self._readable():
                return

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self.sock)
        self._loop.remove_writer(self.sock)
        self._backlog = bytearray()
        self.sock.close()

    def _readable(self) -> bool:
        """Whether there was anything, and may be more."""
        receiver = self._receiver
        assert receiver is not None
        try:
            length = self.sock.recv_into(receiver.get_buffer())
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            receiver.eof_received(error.strerror or str(error))
            return False
        if length:
            self._traffic.received += length
            receiver.buffer_updated(length)
            return True
        receiver.eof_received("closed by the peer")
        return False

    def _flush(self) -> None:
        assert self._receiver is not None
        try:
            sent = self.sock.send(self._backlog)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._receiver.eof_received(error.strerror or str(error))
            return
        self._traffic.sent += sent
        if sent < len(self._backlog):
            del self._backlog[:sent]
            return
        self._backlog = bytearray()
        self._loop.remove_writer(self.sock)
        self._receiver.writable()

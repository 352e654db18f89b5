"""A circuit as the transport of a connection: what its two ends, and not the relay, make of it."""

from __future__ import annotations

from edge.swarm.transport import MOST_READS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.swarm.stream import Stream
    from edge.swarm.transport import Receiver


class CircuitTransport:
    """`stream`: of the connection to the relay, spliced by it to the peer at the far end."""

    __slots__ = ("_backlog", "_receiver", "_stream")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._backlog = bytearray()
        self._receiver: Receiver | None = None

    def start(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._stream.set_sink(self)

    @property
    def direct(self) -> bool:
        return False

    @property
    def congested(self) -> bool:
        return bool(self._backlog)

    @property
    def backlog(self) -> int:
        return len(self._backlog)

    def write(self, data: memoryview) -> None:
        if self._backlog:
            self._backlog += data
            return
        sent = self._stream.write_some(data)
        if sent < len(data):
            self._backlog += data[sent:]

    @property
    def waiting(self) -> int:
        return self._stream.waiting

    def pause(self) -> None:
        """The stream holds what arrives, and gives the relay no credit for it."""
        self._stream.pause()

    def resume(self) -> None:
        if self._receiver is not None:
            self._stream.resume()

    def look(self, most: int = MOST_READS) -> None:
        """All that has arrived was told."""

    def close(self) -> None:
        self._receiver = None
        self._stream.reset()

    # --- the stream's side ---

    def sink_data(self, data: memoryview) -> int:
        """As much of the circuit's bytes as one read takes; who is closed has no use for any."""
        if self._receiver is None:
            return len(data)
        room = self._receiver.get_buffer()
        length = min(len(room), len(data))
        room[:length] = data[:length]
        self._receiver.buffer_updated(length)
        return length

    def sink_ended(self, reason: str) -> None:
        if self._receiver is not None:
            self._receiver.eof_received(reason)

    def sink_writable(self) -> None:
        if self._backlog:
            with memoryview(self._backlog) as held:
                sent = self._stream.write_some(held)
            del self._backlog[:sent]
        if not self._backlog and self._receiver is not None:
            self._receiver.writable()

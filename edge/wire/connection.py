"""An upgraded connection as a value: ciphertext in, stream events out; frames in, ciphertext out.

This is the relay's hot path. All connections of an event loop share one set of scratch buffers,
so an idle connection owns none. Ciphertext is read into `rx`, its frames are opened side by side
into `plain`, and events point there. A relay hands such a payload to another connection with
`forward`, which writes the new yamux header over the old one; runs of frames that lie next to
each other are sealed together into `tx`. A payload is touched by the AEAD and by nothing else.

The scratch belongs to one event: read, handle the events, take `data_to_send` of every connection
that was written to, and only then read again.
"""

from edge.wire.noise import FRAME_OVERHEAD, MAX_MESSAGE, MAX_PLAINTEXT, Channel
from edge.wire.yamux import HEADER, Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.wire.types import Buffer
    from edge.wire.yamux import Event, Stream

MIN_BUFFER = 2 + MAX_MESSAGE  # the least that always holds one whole frame


class Buffers:
    """Scratch for one event at a time: `size` bytes of ciphertext and what becomes of them."""

    __slots__ = ("plain", "plain_view", "rx", "rx_view", "size", "tx", "tx_view")

    def __init__(self, size: int = 4 * MIN_BUFFER) -> None:
        if size < MIN_BUFFER:
            raise ValueError(f"a buffer of {size} bytes does not hold a noise message")
        self.size = size
        self.rx = bytearray(size)
        # A header's room before the first payload, and the plaintext that an upgrade left over.
        self.plain = bytearray(HEADER + MAX_MESSAGE + size)
        self.tx = bytearray(size)
        self.rx_view = memoryview(self.rx)
        self.plain_view = memoryview(self.plain)
        self.tx_view = memoryview(self.tx)


class Connection:
    """A Noise channel and a yamux session over it.

    `ciphertext` and `plaintext`: what the upgrade had received beyond its own end.
    """

    __slots__ = ("_buffers", "_channel", "_pending", "_residue", "_tail", "session")

    def __init__(
        self,
        channel: Channel,
        session: Session,
        buffers: Buffers,
        ciphertext: bytes = b"",
        plaintext: bytes = b"",
    ) -> None:
        self.session = session
        self._channel = channel
        self._buffers = buffers
        self._residue = ciphertext  # a frame that has not arrived whole
        self._tail = plaintext  # a yamux header that has not arrived whole
        # In order: (start, end) runs in `plain`, or bytes of the session's own.
        self._pending: list[tuple[int, int] | bytearray] = []

    def get_buffer(self) -> memoryview:
        """Where to put the bytes that arrive next; then call `buffer_updated`."""
        residue = self._residue
        held = len(residue)
        if held:
            self._buffers.rx_view[:held] = residue
        return self._buffers.rx_view[held:]

    def buffer_updated(self, length: int) -> "list[Event]":
        """Take `length` bytes put into `get_buffer()`.

        The events' payloads are in `Buffers.plain` until the next `get_buffer` of any connection
        with the same buffers. Raises RemoteProtocolError.
        """
        buffers = self._buffers
        end = len(self._residue) + length
        start = HEADER
        tail = self._tail
        pos = start + len(tail)
        if tail:
            buffers.plain_view[start:pos] = tail
        opened, stop = self._channel.open_frames(buffers.rx_view, 0, end, buffers.plain_view, pos)
        self._residue = bytes(buffers.rx_view[opened:end]) if opened < end else b""
        # Frames with nothing to speak of in them; a yamux header alone has twelve bytes.
        frames = (opened - (stop - pos)) // FRAME_OVERHEAD
        if frames * 4 > stop - pos:
            self.session.annoy(frames - (stop - pos) // 4)
        events, rest = self.session.receive(buffers.plain, start, stop)
        self._tail = bytes(buffers.plain_view[rest:stop]) if rest < stop else b""
        return events

    @property
    def held(self) -> int:
        """Bytes of incomplete frames this connection keeps between events."""
        return len(self._residue) + len(self._tail)

    def forward(self, stream: "Stream", start: int, end: int) -> None:
        """Send plain[start:end], a payload of this event, on `stream` without copying it.

        end - start is at most stream.send_window. The 12 bytes before `start` are overwritten.
        """
        self.session.write_header(stream, end - start, self._buffers.plain, start - HEADER)
        pending = self._pending
        if self.session.out:
            self._queue_control()
        elif pending:
            last = pending[-1]
            if isinstance(last, tuple) and last[1] == start - HEADER:
                pending[-1] = (last[0], end)
                return
        pending.append((start - HEADER, end))

    def send(self, stream: "Stream", data: "Buffer") -> int:
        """Queue a copy of what the window admits of `data`; return how many bytes."""
        return self.session.send(stream, data)

    @property
    def wants_to_send(self) -> bool:
        return bool(self._pending or self.session.out)

    def data_to_send(self) -> memoryview:
        """Sealed bytes, valid until the next call on any connection; empty when all is sent."""
        if self.session.out:
            self._queue_control()
        buffers = self._buffers
        pending = self._pending
        room = len(buffers.tx)
        pos = 0
        while pending:
            item = pending[0]
            if isinstance(item, tuple):
                source, (start, end) = buffers.plain_view, item
            else:
                source, start, end = memoryview(item), 0, len(item)
            stop = min(end, start + MAX_PLAINTEXT)
            if pos + FRAME_OVERHEAD + stop - start > room:
                break
            pos = self._channel.seal_frame(source, start, stop, buffers.tx_view, pos)
            if stop == end:
                del pending[0]
            else:
                pending[0] = (stop, end) if isinstance(item, tuple) else item[stop:]
        return buffers.tx_view[:pos]

    def _queue_control(self) -> None:
        self._pending.append(self.session.out)
        self.session.out = bytearray()

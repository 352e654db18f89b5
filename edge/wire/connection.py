"""An upgraded connection as a value: ciphertext in, stream events out; frames in, ciphertext out.

This is the relay's hot path. All connections of an event loop share one set of scratch buffers,
so an idle connection owns none. Ciphertext is read into `rx`, its frames are opened side by side
into `plain`, and events point there. A relay passes such a payload to another connection with
`forward`, which overwrites the old yamux header with the new one. Adjacent frames are sealed
together into `tx`, which reuses the memory of `rx`: the opened ciphertext is no longer needed, and
its memory is still in the processor's cache. Only the AEAD touches a payload.

The scratch buffers belong to one event: read, handle the events, take `data_to_send` of every
connection that was written to, and only then read again.
"""

from edge.wire.noise import FRAME_OVERHEAD, MAX_MESSAGE, MAX_PLAINTEXT, Channel
from edge.wire.yamux import HEADER, Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.wire.types import Buffer
    from edge.wire.yamux import Event, Stream

MIN_BUFFER = 2 + MAX_MESSAGE  # always holds one whole frame
# Wire size in bytes of a 64 KiB write by go-libp2p, two or three frames, and some reserve. A buffer
# of whole writes ends between frames when it is full: an incomplete frame is copied twice.
WRITE = MIN_BUFFER + 128
_SEALS_TO = 4096  # bytes by which opened data may grow when it is sealed again


class Buffers:
    """Scratch buffers for one event at a time: `size` bytes of ciphertext, and their plaintext.

    `size`: rounded to one WRITE per 64 KiB, and at least one.
    """

    __slots__ = ("plain", "plain_view", "rx_view", "size", "tx_view")

    def __init__(self, size: int = 256 * 1024) -> None:
        self.size = max(1, size // (64 * 1024)) * WRITE
        # Space for a header before the first payload, and for the plaintext left by an upgrade.
        self.plain = bytearray(HEADER + MAX_MESSAGE + self.size)
        self.plain_view = memoryview(self.plain)
        self.tx_view = memoryview(bytearray(self.size + _SEALS_TO))
        self.rx_view = self.tx_view[: self.size]


class Connection:
    """A Noise channel and a yamux session over it.

    `ciphertext` and `plaintext`: data received beyond the end of the upgrade.
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
        self._residue = ciphertext  # an incomplete frame
        self._tail = plaintext  # an incomplete yamux header
        # In order: (memory, start, end) of runs in `plain`, or of the session's own bytes.
        self._pending: list[tuple[memoryview, int, int]] = []

    def get_buffer(self) -> memoryview:
        """The buffer for the next read; call `buffer_updated` after it."""
        residue = self._residue
        held = len(residue)
        if held:
            self._buffers.rx_view[:held] = residue
        return self._buffers.rx_view[held:]

    def buffer_updated(self, length: int) -> "list[Event]":
        """Process `length` bytes read into `get_buffer()`.

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
        # Frames with hardly any content; a yamux header alone has twelve bytes.
        frames = (opened - (stop - pos)) // FRAME_OVERHEAD
        if frames * 4 > stop - pos:
            self.session.penalize(frames - (stop - pos) // 4)
        events, rest = self.session.receive(buffers.plain, start, stop)
        self._tail = bytes(buffers.plain_view[rest:stop]) if rest < stop else b""
        return events

    @property
    def held(self) -> int:
        """Bytes of incomplete frames held between events."""
        return len(self._residue) + len(self._tail)

    def forward(self, stream: "Stream", start: int, end: int) -> None:
        """Send plain[start:end], a payload of this event, on `stream` without a copy.

        end - start is at most stream.send_window. The 12 bytes before `start` are overwritten.
        """
        buffers = self._buffers
        start -= HEADER
        self.session.write_header(stream, end - start - HEADER, buffers.plain, start)
        if self.session.out:
            self._queue_control()
        pending = self._pending
        if pending:
            source, first, stop = pending[-1]
            if stop == start and source is buffers.plain_view:
                pending[-1] = (source, first, end)
                return
        pending.append((buffers.plain_view, start, end))

    def send(self, stream: "Stream", data: "Buffer") -> int:
        """Queue a copy of as much of `data` as the window admits; return the number of bytes."""
        return self.session.send(stream, data)

    @property
    def wants_to_send(self) -> bool:
        return bool(self._pending or self.session.out)

    def data_to_send(self) -> memoryview:
        """Sealed bytes, valid until the next call on any connection; empty if none are queued."""
        if self.session.out:
            self._queue_control()
        buffers = self._buffers
        pending = self._pending
        room = buffers.size + _SEALS_TO
        pos = 0
        while pending:
            source, start, end = pending[0]
            stop = min(end, start + MAX_PLAINTEXT)
            if pos + FRAME_OVERHEAD + stop - start > room:
                break
            pos = self._channel.seal_frame(source, start, stop, buffers.tx_view, pos)
            if stop == end:
                del pending[0]
            else:
                pending[0] = (source, stop, end)
        return buffers.tx_view[:pos]

    def _queue_control(self) -> None:
        out = self.session.out
        self._pending.append((memoryview(out), 0, len(out)))
        self.session.out = bytearray()

"""Yamux /yamux/1.0.0: multiplexed streams with flow control over one connection.

`Session` parses plaintext in place and returns events that point into the same buffer. Its own
frames (acknowledgements, window updates, pings, go-away) collect in `out`. The payload of a data
frame is never copied here: the caller chooses the place of the header (`write_header`), so a relay
forwards a frame by overwriting twelve bytes.

Limits: open streams of the peer, own streams that the peer has not acknowledged (256, as the
specification advises), bytes of `out` caused by one read, and nuisances: frames that cost work and
are of no use (pings, streams that are refused or reset by their opener, frames without data or
credit that change nothing, a little credit where none is owed, frames of streams that there are
not, pongs that nobody asked for, a go-away after the first). The user forgives a number of them as
time passes. What a peer sends on a stream before it knows that this side has ended it is none.

Sources: libp2p/specs yamux/README.md; https://github.com/hashicorp/yamux/blob/master/spec.md
Portable: runs under CPython and MicroPython.
"""

import struct

from edge.wire.errors import LocalProtocolError, RemoteProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from edge.wire.types import Buffer

    Event = tuple[int, "Stream | None", int, int]

PROTOCOL_ID = "/yamux/1.0.0"

HEADER = 12
_FORMAT = ">BBHII"
DATA, WINDOW_UPDATE, PING, GO_AWAY = 0, 1, 2, 3
SYN, ACK, FIN, RST = 1, 2, 4, 8
GO_AWAY_NORMAL, GO_AWAY_PROTOCOL_ERROR, GO_AWAY_INTERNAL_ERROR = 0, 1, 2

INITIAL_WINDOW = 256 * 1024  # bytes; the specification's minimum
MAX_SEND_WINDOW = 1 << 31  # a larger grant is an error
MAX_UNACKNOWLEDGED = 256
MAX_OUT = 64 * 1024  # bytes of replies caused by one read; more is a flood
MAX_NUISANCES = 1000  # more are a flood
# Bytes of credit for nothing that was sent, from which it makes a window larger and is no nuisance.
_LEAST_GROWTH = 16 * 1024
_LATE_FRAME = 16 * 1024  # bytes that a late frame without data counts as
_LATE_FRAMES = 4  # of those a stream: an acknowledgement, an end, a reset
_GROWTH_ROUND_TRIPS = 4  # a window exhausted within so many round trips was too small

# Events: (kind, stream, start, end). For STREAM_DATA, start and end delimit the payload in the
# buffer that `receive` was given; the 12 bytes before it may be overwritten. For SESSION_PONG,
# start is the ping's value; for SESSION_GO_AWAY, the reason.
STREAM_OPENED = 0
STREAM_DATA = 1
STREAM_FINISHED = 2  # the peer has half-closed the stream
STREAM_RESET = 3
STREAM_WRITABLE = 4  # the send window has grown
SESSION_PONG = 5
SESSION_GO_AWAY = 6


class Stream:
    """The flow control of one stream. `owner` is for the user; the session does not use it."""

    __slots__ = (
        "_consumed",
        "_credited_at",
        "_widest",
        "acknowledged",
        "id",
        "local_closed",
        "owner",
        "receive_window",
        "remote_closed",
        "send_window",
        "window",
    )

    def __init__(self, stream_id: int, acknowledged: bool) -> None:
        self.id = stream_id
        self.acknowledged = acknowledged
        self.owner: Any = None
        self.send_window = INITIAL_WINDOW  # bytes that the peer still accepts
        self.receive_window = INITIAL_WINDOW  # bytes that the peer may still send
        self.window = INITIAL_WINDOW  # target of receive_window after a credit
        self.local_closed = False
        self.remote_closed = False
        self._widest = INITIAL_WINDOW  # that send_window has been: below it, credit is owed
        self._consumed = 0  # bytes consumed by the user and not yet credited to the peer
        self._credited_at = 0


class Session:
    """One yamux session. `client`: whether this side dialled.

    `max_streams`: concurrent streams of the peer; more are reset. `max_window`: maximum bytes of a
    stream's receive window (0: it stays at 256 KiB).
    """

    __slots__ = (
        "_body_flags",
        "_body_left",
        "_body_stream",
        "_client",
        "_late",
        "_next_id",
        "_pings",
        "_unacknowledged",
        "going_away",
        "inbound",
        "max_streams",
        "max_window",
        "nuisances",
        "out",
        "refused",
        "rtt",
        "streams",
    )

    def __init__(self, client: bool, max_streams: int = 256, max_window: int = 0) -> None:
        self._client = client
        self._next_id = 1 if client else 2
        self._body_left = 0  # missing bytes of an incomplete data frame
        self._body_stream: Stream | None = None
        self._body_flags = 0
        self._unacknowledged = 0
        self._pings = 0  # of ours, not answered
        self._late = 0  # bytes that may still come for streams that this side has ended
        self.inbound = 0
        self.max_streams = max_streams
        self.max_window = max_window
        self.nuisances = 0
        self.out = bytearray()
        self.refused = 0  # streams reset because of max_streams
        self.rtt = 0  # the user's measurement, in the unit of `now`; 0: unknown
        self.streams: dict[int, Stream] = {}
        self.going_away = False  # the peer takes no new streams

    # --- receiving ---

    def receive(self, buf: bytearray, start: int, end: int) -> "tuple[list[Event], int]":
        """Parse buf[start:end]; return (events, start of an incomplete header).

        Feed the bytes from there on again, in front of the next ones. Raises RemoteProtocolError;
        `refuse` then informs the peer.
        """
        events: list[Event] = []
        most_out = len(self.out) + MAX_OUT
        while start < end:
            if self._body_left:
                start = self._body(events, start, end)
                continue
            if end - start < HEADER:
                break
            version, kind, flags, stream_id, length = struct.unpack_from(_FORMAT, buf, start)
            start += HEADER
            if version != 0 or kind > GO_AWAY:
                raise RemoteProtocolError(f"yamux frame of version {version}, type {kind}")
            if kind == DATA:
                self._data(events, flags, stream_id, length, start)
            elif kind == WINDOW_UPDATE:
                self._window_update(events, flags, stream_id, length)
            else:
                self._control(events, kind, flags, stream_id, length)
            if len(self.out) > most_out:
                raise RemoteProtocolError("yamux peer floods the session")
        return events, start

    def _body(self, events: "list[Event]", start: int, end: int) -> int:
        stop = min(end, start + self._body_left)
        self._body_left -= stop - start
        stream = self._body_stream
        if stream is not None:
            events.append((STREAM_DATA, stream, start, stop))
            if not self._body_left and self._body_flags & FIN:
                self._finished(events, stream)
        return stop

    def _data(
        self, events: "list[Event]", flags: int, stream_id: int, length: int, start: int
    ) -> None:
        if not length:
            self._weigh(flags, stream_id, 0)
        stream = self._flagged(events, flags, stream_id)
        self._body_left = length
        self._body_stream = stream
        self._body_flags = flags
        if stream is None:
            if length > INITIAL_WINDOW and length > self.max_window:
                raise RemoteProtocolError("yamux frame larger than any window")
            if length:
                self._belated(length)
            return
        if length > stream.receive_window:
            raise RemoteProtocolError("yamux receive window exceeded")
        stream.receive_window -= length
        if stream.remote_closed and length:
            raise RemoteProtocolError("yamux data behind a FIN")
        if not length and flags & FIN:
            self._finished(events, stream)

    def _window_update(self, events: "list[Event]", flags: int, stream_id: int, delta: int) -> None:
        stream = self.streams.get(stream_id)
        if (
            not delta
            or stream is None
            or (delta < _LEAST_GROWTH and stream.send_window >= stream._widest)
        ):
            self._weigh(flags, stream_id, delta)
        stream = self._flagged(events, flags, stream_id)
        if stream is None:
            return
        if delta:
            stream.send_window += delta
            if stream.send_window > MAX_SEND_WINDOW:
                raise RemoteProtocolError("yamux send window overflows")
            stream._widest = max(stream._widest, stream.send_window)
            events.append((STREAM_WRITABLE, stream, 0, 0))
        if flags & FIN:
            self._finished(events, stream)

    def _flagged(self, events: "list[Event]", flags: int, stream_id: int) -> "Stream | None":
        """Process SYN, ACK and RST of a frame; return its stream, None if it does not exist."""
        if not stream_id:
            raise RemoteProtocolError("yamux stream 0 is the session's")
        if flags & SYN:
            self._opened(events, stream_id)
        stream = self.streams.get(stream_id)
        if stream is None:
            return None
        if flags & ACK and not stream.acknowledged:
            stream.acknowledged = True
            self._unacknowledged -= 1
        if flags & RST:
            if stream_id & 1 == (0 if self._client else 1):
                self.penalize(1)  # it has opened this stream itself
            self._forget(stream)
            events.append((STREAM_RESET, stream, 0, 0))
            return None
        return stream

    def _weigh(self, flags: int, stream_id: int, length: int) -> None:
        """Count a frame that brings nothing, unless it opens, acknowledges or ends a stream."""
        stream = self.streams.get(stream_id)
        if stream is None:
            if not flags & SYN:  # whether it is refused is seen then
                self._belated(length)
        elif not (
            flags & RST
            or (flags & ACK and not stream.acknowledged)
            or (flags & FIN and not stream.remote_closed)
        ):
            self.penalize(1)

    def _belated(self, length: int) -> None:
        """A frame of a stream that there is not: a nuisance, if not one that had been sent before.

        `length`: bytes of data or of credit.
        """
        late = length or _LATE_FRAME
        if late <= self._late:
            self._late -= late
        else:
            self.penalize(1)

    def _opened(self, events: "list[Event]", stream_id: int) -> None:
        if stream_id & 1 == (1 if self._client else 0):
            raise RemoteProtocolError("yamux stream id of our own parity")
        if stream_id in self.streams:
            raise RemoteProtocolError("yamux stream opened twice")
        if self.inbound >= self.max_streams:
            self.refused += 1
            self.penalize(1)
            self._late += INITIAL_WINDOW + _LATE_FRAMES * _LATE_FRAME
            self._control_frame(WINDOW_UPDATE, RST, stream_id, 0)
            return
        stream = Stream(stream_id, True)
        self.streams[stream_id] = stream
        self.inbound += 1
        self._control_frame(WINDOW_UPDATE, ACK, stream_id, 0)
        events.append((STREAM_OPENED, stream, 0, 0))

    def _finished(self, events: "list[Event]", stream: Stream) -> None:
        if stream.remote_closed:
            return
        stream.remote_closed = True
        if stream.local_closed:
            self._end(stream)
        events.append((STREAM_FINISHED, stream, 0, 0))

    def _control(
        self, events: "list[Event]", kind: int, flags: int, stream_id: int, value: int
    ) -> None:
        if stream_id:
            raise RemoteProtocolError("yamux ping or go-away on a stream")
        if kind == GO_AWAY and not self.going_away:
            self.going_away = True
            events.append((SESSION_GO_AWAY, None, value, 0))
        elif kind == PING and flags & ACK and self._pings:
            self._pings -= 1
            events.append((SESSION_PONG, None, value, 0))
        else:
            self.penalize(1)
            if kind == PING and flags & SYN and not flags & ACK:
                self._control_frame(PING, ACK, 0, value)

    def penalize(self, count: int) -> None:
        """Add `count` nuisances of the peer. Raises RemoteProtocolError if there are too many."""
        self.nuisances += count
        if self.nuisances > MAX_NUISANCES:
            raise RemoteProtocolError("yamux peer floods the session")

    def forgive(self, count: int) -> None:
        """Subtract `count` nuisances, as time has passed; half of what was late has come now."""
        self.nuisances = max(0, self.nuisances - count)
        self._late //= 2

    # --- sending ---

    def open_stream(self) -> Stream:
        """Open a stream; it can be written to at once. Raises LocalProtocolError at a limit."""
        if self.going_away:
            raise LocalProtocolError("the peer takes no new streams")
        if self._unacknowledged >= MAX_UNACKNOWLEDGED:
            raise LocalProtocolError("too many streams the peer has not acknowledged")
        stream = Stream(self._next_id, False)
        self._next_id += 2
        self._unacknowledged += 1
        self.streams[stream.id] = stream
        self._control_frame(WINDOW_UPDATE, SYN, stream.id, 0)
        return stream

    def write_header(self, stream: Stream, length: int, buf: "Buffer", pos: int) -> None:
        """Write the header of a data frame of `length` bytes to `buf[pos:]`; charge the window.

        `length` is at most `stream.send_window`; the payload follows the header.
        """
        if length > stream.send_window or stream.local_closed:
            raise LocalProtocolError("yamux write beyond the window or behind a FIN")
        stream.send_window -= length
        struct.pack_into(_FORMAT, buf, pos, 0, DATA, 0, stream.id, length)

    def send(self, stream: Stream, data: "Buffer") -> int:
        """Queue as much of `data` as the window admits in `out`; return the number of bytes."""
        length = min(len(data), stream.send_window)
        if length:
            out = self.out
            pos = len(out)
            out += bytes(HEADER)
            self.write_header(stream, length, out, pos)
            out += data[:length]
        return length

    def finish(self, stream: Stream) -> None:
        """Half-close: send no more on this stream."""
        if stream.local_closed:
            return
        stream.local_closed = True
        self._control_frame(WINDOW_UPDATE, FIN, stream.id, 0)
        if stream.remote_closed:
            self._end(stream)

    def reset(self, stream: Stream) -> None:
        """Reset the stream: close it at once, in both directions."""
        if self.streams.get(stream.id) is stream:
            self._end(stream)
            self._control_frame(WINDOW_UPDATE, RST, stream.id, 0)

    def consumed(self, stream: Stream, length: int, now: int, grow: bool = True) -> None:
        """Record that the user has consumed `length` bytes; credit the peer once per half a window.

        `now`: a monotonic clock in the unit of `rtt`. A window exhausted within a few round trips
        is doubled, up to `max_window` (as in go-yamux). `grow`: False if the window is known not
        to be the bottleneck.
        """
        stream._consumed += length
        if stream._consumed * 2 < stream.window or stream.remote_closed:
            return
        delta = stream._consumed
        quick = self.rtt and now - stream._credited_at < self.rtt * _GROWTH_ROUND_TRIPS
        if quick and grow and stream.window * 2 <= self.max_window:
            delta += stream.window
            stream.window *= 2
        stream._credited_at = now
        stream._consumed = 0
        stream.receive_window += delta
        if self.streams.get(stream.id) is stream:
            self._control_frame(WINDOW_UPDATE, 0, stream.id, delta)

    def ping(self, value: int) -> None:
        """Send a ping; the pong has the same 32-bit value."""
        self._pings += 1
        self._control_frame(PING, SYN, 0, value)

    def go_away(self, reason: int = GO_AWAY_NORMAL) -> None:
        """Send a go-away: the session ends."""
        self._control_frame(GO_AWAY, 0, 0, reason)

    def _end(self, stream: Stream) -> None:
        """Forget `stream`, whose peer may go on until it knows: send its window, credit ours."""
        if self.streams.get(stream.id) is stream:
            self._forget(stream)
            self._late += stream.receive_window + stream._widest - stream.send_window
            self._late += _LATE_FRAMES * _LATE_FRAME

    def _forget(self, stream: Stream) -> None:
        if self.streams.pop(stream.id, None) is None:
            return
        if stream.id & 1 == (0 if self._client else 1):
            self.inbound -= 1
        elif not stream.acknowledged:
            stream.acknowledged = True
            self._unacknowledged -= 1
        if stream is self._body_stream:
            self._body_stream = None  # the rest of the frame is skipped

    def _control_frame(self, kind: int, flags: int, stream_id: int, value: int) -> None:
        self.out += struct.pack(_FORMAT, 0, kind, flags, stream_id, value)

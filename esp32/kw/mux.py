"""yamux of edge.wire with a relay's needs: data that goes on early, credit that is passed on."""

from micropython import const

from edge.wire import yamux
from edge.wire.errors import RemoteProtocolError

_FORGIVEN = const(50)  # nuisances a second


class Mux(yamux.Session):
    """A session of a relay, which grants what the target of a circuit grants, and no more."""

    def admit(self, stream, flags, length):
        """Take the header of a frame of data that goes on without `receive`."""
        if length > stream.receive_window:
            raise RemoteProtocolError("yamux receive window exceeded")
        if stream.remote_closed:
            raise RemoteProtocolError("yamux data behind a FIN")
        stream.receive_window -= length
        if flags & yamux.ACK and not stream.acknowledged:
            stream.acknowledged = True
            self._unacknowledged -= 1

    def late(self, length):
        """Whether so many bytes may still come for streams that this side has ended; they have."""
        if not 0 < length <= self._late:
            return False
        self._late -= length
        return True

    def ended(self, stream):
        """The events of a FIN on such a frame."""
        events = []
        if self.streams.get(stream.id) is stream:
            self._finished(events, stream)
        return events

    def grant(self, stream, length):
        """Let the peer send `length` bytes more."""
        stream.receive_window += length
        self._control_frame(yamux.WINDOW_UPDATE, 0, stream.id, length)

    def unread(self, stream):
        """Bytes of an announced frame that have not come."""
        return self._body_left if self._body_stream is stream else 0

    @property
    def unread_body(self):
        """The same, of the stream whose frame is incomplete."""
        return self._body_left

    def pass_time(self, seconds):
        """Forgive, as time has passed."""
        self.forgive(_FORGIVEN * seconds)

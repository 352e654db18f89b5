"""A circuit: two streams spliced by the relay, each payload passed on where it lies.

A `Leg` owns one of the two streams. What arrives on it leaves on the other one at once, in place;
only what the other side's window or socket cannot take is copied, never more than the sender's own
receive window, because a sender gets credit for what has left and for nothing else. So a slow
reader slows its writer, and costs at most one window.
"""

from __future__ import annotations

from edge.swarm.work import INTERACTIVE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.budget import Pool
    from edge.relay.accounting import Usage
    from edge.relay.shaping import Shaper
    from edge.swarm.connection import Connection
    from edge.swarm.stream import Stream
    from edge.swarm.work import Work
    from edge.wire import yamux


_CHUNK = 64 * 1024  # bytes of what is pending that are sent before the socket is asked again


class Leg:
    """One end of a circuit: `pending` holds what is still to be sent on it.

    `usage`: the account of the peer at this end.
    """

    __slots__ = (
        "_buffers",
        "_circuit",
        "_work",
        "connection",
        "ended",
        "other",
        "pending",
        "queued",
        "received",
        "stalled_since",
        "stream",
        "usage",
    )

    def __init__(self, circuit: Circuit, stream: Stream, usage: Usage) -> None:
        self._circuit = circuit
        self.usage = usage
        self.connection: Connection = stream.connection
        self._buffers: Pool = stream.connection.shared.pools.buffers
        self._work: Work = stream.connection.shared.work[INTERACTIVE]
        self.stream: yamux.Stream = stream.yamux
        self.other: Leg = self  # until the circuit ties the two together
        self.pending = bytearray()
        self.stalled_since = 0.0  # when `pending` last shrank or began; loop time
        self.queued = False  # in one of the shaper's queues
        self.received = 0  # bytes that came in here
        self.ended = False  # nothing more will come in here

    @property
    def target(self) -> Connection:
        return self.other.connection

    @property
    def held(self) -> int:
        return len(self.other.pending)

    @property
    def engaged(self) -> bool:
        return True

    def data_received(self, start: int, end: int) -> None:
        if self._circuit.ended is not None:  # by an earlier frame of the same read
            return
        target = self.other
        length = end - start
        if not self._count(length):
            return
        sent = 0
        if not target.pending and not target.connection.congested:
            sent = min(length, target.stream.send_window)
            if self._circuit.shaper.active:
                sent = self._circuit.shaper.allowed(self.usage, target.usage, sent)
            if sent:
                target.connection.forward(target.stream, start, start + sent)
                self.connection.consumed(self.stream, sent)
        if sent < length:
            target.hold(self.connection.plain[start + sent : end])

    def take_early(self, data: bytearray) -> None:
        """`data` had arrived before the circuit stood."""
        if data and self._count(len(data)) and self.other.hold(memoryview(data)):
            self.other.writable()

    def hold(self, data: memoryview) -> bool:
        """Keep `data` to be sent here later; without memory for it the circuit ends."""
        if not self._buffers.take(len(data)):
            self._circuit.end("memory")
            return False
        if self._circuit.ended is not None:  # to make room: it was the one that could let go
            self._buffers.give(len(data))
            return False
        if not self.pending:
            self.stalled_since = self.connection.loop.time()
        self.pending += data
        if not self.blocked and self._circuit.shaper.active:
            self._circuit.shaper.wait(self)
        if self._buffers.pressed:
            self.other.connection.pause_for(self.connection)
        return True

    def end(self, reason: str) -> None:
        """End the circuit."""
        self._circuit.end(reason)

    def let_go(self) -> None:
        """The circuit is over: forget what is pending."""
        self.connection.end(INTERACTIVE)
        self._circuit.shaper.forget(self)
        self._buffers.give(len(self.pending))
        self.pending = bytearray()

    def finished(self) -> None:
        self.ended = True
        self.other.settle()

    def was_reset(self, reason: str) -> None:
        self._circuit.end(reason)

    def writable(self) -> None:
        while self.send_pending(_CHUNK):
            pass
        self.settle()

    @property
    def blocked(self) -> bool:
        """Whether `writable` will be called before more can be sent: the peer is the limit."""
        return self.connection.congested or not self.stream.send_window

    def send_pending(self, most: int) -> int:
        """Send up to `most` bytes of what is pending; return how many went."""
        most = min(most, len(self.pending))
        if not most or self.blocked:
            return 0
        shaper = self._circuit.shaper
        if shaper.active:
            most = min(most, self.stream.send_window)
            most = shaper.allowed(self.other.usage, self.usage, most)
            if not most:
                shaper.wait(self)
                return 0
        with memoryview(self.pending) as view:
            sent = self.connection.send(self.stream, view[:most])
        del self.pending[:sent]
        self._buffers.give(sent)
        self.stalled_since = self.connection.loop.time()
        # A larger window of the sender's would only fill more memory here.
        self.other.connection.consumed(self.other.stream, sent, grow=False)
        if self.pending:
            if shaper.active and not self.blocked:
                shaper.wait(self)
        else:
            self.other.connection.resume()  # paused by `hold` where memory is short
            self.settle()
        return sent

    def settle(self) -> None:
        """Pass on the end of what the other leg received, once all of it has left here."""
        if self.other.ended and not self.pending:
            self.connection.finish(self.stream)
            self._circuit.half_closed()

    def _count(self, length: int) -> bool:
        """Account for `length` bytes; False if they were too many and the circuit is gone."""
        self.received += length
        self._work.moved += length
        self.usage.bytes_from += length
        self.other.usage.bytes_to += length
        if self._circuit.data and self.received > self._circuit.data:
            self._circuit.end("data-limit")
            return False
        return True


class Circuit:
    """Splices `source` (the hop stream) to `destination` (the stop stream) from now on.

    `data`: bytes allowed each way, 0 for any number. `usages`: the accounts of the two peers.
    `shaper`: how fast. `on_end(circuit, reason)` is told once.
    """

    __slots__ = ("_on_end", "data", "destination", "ended", "opened_at", "shaper", "source")

    def __init__(
        self,
        source: Stream,
        destination: Stream,
        data: int,
        usages: tuple[Usage, Usage],
        shaper: Shaper,
        on_end: Callable[[Circuit, str], None],
    ) -> None:
        self.data = data
        self.shaper = shaper
        self.ended: str | None = None
        self.opened_at = source.connection.loop.time()
        self._on_end = on_end
        self.source = Leg(self, source, usages[0])
        self.destination = Leg(self, destination, usages[1])
        self.source.other, self.destination.other = self.destination, self.source
        self._take_over(source, self.source)
        self._take_over(destination, self.destination)

    def half_closed(self) -> None:
        """One direction is done; with both, the circuit is."""
        if self.source.stream.local_closed and self.destination.stream.local_closed:
            self._over("closed")

    def end(self, reason: str) -> None:
        """Reset both streams."""
        if self.ended is None:
            self.ended = reason
            for leg in (self.source, self.destination):
                leg.connection.reset(leg.stream)
                leg.let_go()
            self._on_end(self, reason)

    def _over(self, reason: str) -> None:
        if self.ended is None:
            self.ended = reason
            for leg in (self.source, self.destination):
                leg.let_go()
            self._on_end(self, reason)

    def _take_over(self, stream: Stream, leg: Leg) -> None:
        leg.connection.begin(INTERACTIVE)
        stream.yamux.owner = leg
        leg.take_early(stream.take_early())
        if stream.yamux.remote_closed:
            leg.finished()

"""What this node speaks on a peer's streams: identify, ping, hop, stop and its own status.

A Leg is what is known of one stream. Two of them make a circuit: what comes on one goes on to the
other (kw.connection), and the credit of one is the credit of the other.

Source: libp2p/specs relay/circuit-v2.md; the status codes are those of edge.relay
"""

from micropython import const

from edge.wire import circuit
from edge.wire.delimited import DelimitedReader
from edge.wire.errors import RemoteProtocolError
from edge.wire.multistream import Dialer, Listener, NegotiationError
from edge.wire.protobuf import delimited
from kw import identify

PING_ID = "/ipfs/ping/1.0.0"
STATUS_ID = "/kwaainet/status/1.0.0"
PROTOCOLS = (identify.PROTOCOL_ID, PING_ID, circuit.HOP_ID)
_MAX_MESSAGE = const(1024)  # bytes of a message of hop and stop
_MESSAGE_TIME = const(8000)  # ms for a negotiation, a message, an answer
_PING_TIME = const(150_000)  # ms between two pings


class Leg:
    """One stream: `other` is the leg that it is spliced with, once it is part of a circuit.

    `deadline`: when it is reset if nothing has come of it, None for a circuit. `partner`: of a
    circuit that is being opened, the leg of hop or stop. `awaited`: the sleeping peer that it has
    called, whose reservation it waits for.
    """

    __slots__ = (
        "awaited",
        "connection",
        "deadline",
        "negotiation",
        "other",
        "partner",
        "protocol",
        "reader",
        "stream",
    )

    def __init__(self, connection, stream, negotiation, deadline):
        self.connection = connection
        self.stream = stream
        self.negotiation = negotiation
        self.deadline = deadline
        self.protocol = self.reader = self.other = self.partner = self.awaited = None
        stream.owner = self

    def reset(self):
        self.connection.mux.reset(self.stream)


class Streams:
    """Serves the streams of all connections; `relay` decides about reservations and circuits."""

    def __init__(self, relay):
        self._relay = relay

    # --- events ---

    def opened(self, connection, stream):
        def supports(protocol):
            return protocol in PROTOCOLS or (
                protocol == STATUS_ID and self._relay.is_own(connection)
            )

        leg = Leg(connection, stream, Listener(supports), self._relay.later(_MESSAGE_TIME))
        if not self._relay.has_memory():
            self._relay.count("no_memory")
            leg.reset()

    def received(self, leg, view, start, end):
        """Bytes of yamux, authentic, on a stream."""
        if leg.other is not None:
            self._to_other(leg, view, start, end)
            return
        data = bytes(view[start:end])
        leg.connection.mux.consumed(leg.stream, len(data), 0)
        try:
            if leg.negotiation is not None:
                data = self._negotiate(leg, data)
            if data:
                self._talk(leg, data)
        except NegotiationError:
            self._stop_failed(leg)
        except RemoteProtocolError:
            self._malformed(leg)

    def finished(self, leg):
        """The peer sends no more."""
        other = leg.other
        if other is not None:
            other.connection.out.finish(other.stream)
        elif leg.protocol == circuit.STOP_ID:
            self._stop_failed(leg)
        elif leg.partner is None and leg.awaited is None:
            leg.connection.out.finish(leg.stream)
        self.settle(leg)

    def was_reset(self, leg):
        """The stream is gone, by the peer or with its connection."""
        other, leg.other = leg.other, None
        if other is not None:
            other.other = None
            self._relay.circuit_ended(leg, other)
            other.reset()
        elif leg.protocol == circuit.STOP_ID:
            self._stop_failed(leg)
        elif leg.partner is not None:
            partner, leg.partner = leg.partner, None
            partner.partner = None
            partner.reset()

    def credited(self, leg):
        """The peer takes more: of a circuit, the other end may send it."""
        source = leg.other
        if source is None or source.stream.remote_closed:
            return
        sent = source.stream.receive_window + source.connection.unread(source)
        room = leg.stream.send_window - leg.connection.out.waiting(leg.stream)
        if room > sent:
            source.connection.mux.grant(source.stream, room - sent)

    def settle(self, leg):
        """A circuit is over when both ends have said so."""
        other = leg.other
        if other is not None and not (_lives(leg) or _lives(other)):
            leg.other = other.other = None
            self._relay.circuit_ended(leg, other)

    def sweep(self, leg):
        """End what is over: a circuit of two closed streams, a stream of which nothing has come."""
        self.settle(leg)
        if leg.deadline is None or self._relay.since(leg.deadline) < 0:
            return
        if leg.protocol == circuit.STOP_ID:
            self._stop_failed(leg)
        elif leg.awaited is not None:
            self._wait_no_more(leg)
            self.answer(leg, circuit.NO_RESERVATION)
        else:
            leg.reset()

    # --- protocols ---

    def _negotiate(self, leg, data):
        answer, used = leg.negotiation.receive(data)
        if answer:
            leg.connection.out.write(leg.stream, answer)
        protocol = leg.negotiation.protocol
        if protocol is None:
            return b""
        leg.negotiation = None
        if leg.protocol is None:  # else it is ours, stop
            leg.protocol = protocol
            self._begin(leg)
        return data[used:]

    def _begin(self, leg):
        relay, connection = self._relay, leg.connection
        if leg.protocol == identify.PROTOCOL_ID:
            seen, own = identify.observed(connection.remote), relay.identify
            connection.out.write(leg.stream, _length(len(seen) + len(own)) + seen)
            connection.out.write(leg.stream, own, True)
        elif leg.protocol == STATUS_ID:
            for line in relay.status():
                connection.out.write(leg.stream, line.encode())
            connection.out.finish(leg.stream)
        elif leg.protocol == circuit.HOP_ID:
            leg.reader = DelimitedReader(_MAX_MESSAGE)

    def _talk(self, leg, data):
        if leg.protocol == PING_ID:
            leg.deadline = self._relay.later(_PING_TIME)
            leg.connection.out.write(leg.stream, data)
        elif leg.reader is not None:
            message, used = leg.reader.feed(data)
            if message is None:
                return
            leg.reader = None
            if leg.protocol == circuit.HOP_ID:
                self._hop(leg, circuit.HopMessage.decode(message), len(data) - used)
            else:
                self._answered(leg, circuit.StopMessage.decode(message), data[used:])
        elif leg.protocol == circuit.HOP_ID:
            leg.reset()  # it does not wait for its answer
            self.was_reset(leg)

    def _malformed(self, leg):
        if leg.protocol == circuit.HOP_ID and leg.partner is None:
            self.answer(leg, circuit.MALFORMED_MESSAGE)
        elif leg.protocol == circuit.STOP_ID:
            self._stop_failed(leg)
        else:
            leg.reset()

    def answer(self, leg, status, reservation=None):
        """The status of a request; it is counted if it is a refusal."""
        message = circuit.HopMessage(
            type=circuit.HopMessage.STATUS, status=status, reservation=reservation
        )
        if status != circuit.OK:
            self._relay.count(circuit.STATUS_NAMES[status])
        leg.connection.out.write(
            leg.stream, delimited(message.encode()), reservation is not None or status != circuit.OK
        )

    def _hop(self, leg, message, more):
        if message.type == circuit.HopMessage.RESERVE:
            self._reserve(leg)
        elif message.type == circuit.HopMessage.CONNECT and not more:
            self._connect(leg, message)
        else:
            self.answer(leg, circuit.UNEXPECTED_MESSAGE)

    def _reserve(self, leg):
        if not self._relay.reserve(leg.connection):
            self.answer(leg, circuit.RESERVATION_REFUSED)
            return
        granted = circuit.Reservation(expire=self._relay.expiry(), addrs=self._relay.told)
        self.answer(leg, circuit.OK, granted)
        if self._relay.waker is not None:
            self._awoken(leg.connection.peer)

    def _connect(self, leg, message):
        connection, relay = leg.connection, self._relay
        try:
            peer = (message.peer or circuit.Peer()).peer_id()
        except RemoteProtocolError:
            self.answer(leg, circuit.MALFORMED_MESSAGE)
            return
        if peer == connection.peer:
            self.answer(leg, circuit.PERMISSION_DENIED)
            return
        until = None if relay.reserved(peer) is not None else relay.called(peer, connection)
        if until is None:
            self._open(leg, peer)
        else:
            leg.awaited, leg.deadline = peer, until

    def _awoken(self, peer):
        """`peer` has reserved: those who wait for it go on."""
        for connection in self._relay.connections:
            if connection.mux is None or connection.closing is not None:
                continue
            for stream in list(connection.mux.streams.values()):
                leg = stream.owner  # None of one that is told of in this very turn
                if leg is not None and leg.awaited == peer:
                    self._wait_no_more(leg)
                    self._open(leg, peer)

    def _wait_no_more(self, leg):
        leg.awaited = None
        leg.deadline = self._relay.later(_MESSAGE_TIME)

    def _open(self, leg, peer):
        """Ask `peer` for the circuit that `leg` wants, if that can be."""
        connection, relay = leg.connection, self._relay
        target = relay.reserved(peer)
        if target is None:
            self.answer(leg, circuit.NO_RESERVATION)
        elif not relay.has_room(connection, target):
            self.answer(leg, circuit.RESOURCE_LIMIT_EXCEEDED)
        else:
            self._offer(leg, target)

    def _offer(self, leg, target):
        """Ask `target` to take the circuit that `leg` has asked for."""
        dialer = Dialer((circuit.STOP_ID,))
        stop = Leg(target, target.mux.open_stream(), dialer, self._relay.later(_MESSAGE_TIME))
        stop.protocol = circuit.STOP_ID
        stop.reader = DelimitedReader(_MAX_MESSAGE)
        stop.partner, leg.partner = leg, stop
        leg.deadline = None
        request = circuit.StopMessage(
            type=circuit.StopMessage.CONNECT, peer=circuit.Peer(id=leg.connection.peer.bytes)
        )
        target.out.write(stop.stream, dialer.hello)
        target.out.write(stop.stream, delimited(request.encode()))

    def _answered(self, stop, message, early):
        if message.type != circuit.StopMessage.STATUS or message.status != circuit.OK:
            self._stop_failed(stop)
            return
        hop, stop.partner = stop.partner, None
        if hop is None:
            stop.reset()
            return
        hop.partner = None
        self.answer(hop, circuit.OK)
        stop.protocol = hop.protocol = stop.deadline = hop.deadline = None
        stop.other, hop.other = hop, stop
        self._relay.circuit_began(hop, stop)
        if early:
            hop.connection.out.write(hop.stream, early)
        if hop.stream.remote_closed:  # it had said all before it was answered
            stop.connection.out.finish(stop.stream)

    def _stop_failed(self, stop):
        hop, stop.partner = stop.partner, None
        stop.protocol = None
        stop.reset()
        if hop is not None:
            hop.partner = None
            hop.deadline = self._relay.later(_MESSAGE_TIME)
            self.answer(hop, circuit.CONNECTION_FAILED)

    def _to_other(self, leg, view, start, end):
        """Data of a circuit that came together with what opened it."""
        other = leg.other
        if other.connection.out.ready():
            other.connection.out.forward(other.stream, view, start, end - start)
        else:
            other.connection.out.write(other.stream, bytes(view[start:end]))


def _lives(leg):
    return leg.connection.mux.streams.get(leg.stream.id) is leg.stream


def _length(size):
    return bytes((size,)) if size < 0x80 else bytes((size & 0x7F | 0x80, size >> 7))

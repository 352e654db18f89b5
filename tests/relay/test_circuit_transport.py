"""A circuit as a connection's transport, on a stream that does as it is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from edge.relay.circuit_transport import CircuitTransport
from edge.swarm.stream import Sink, Stream


class Told:
    """Takes `room` bytes, and gives what arrives to its sink, or holds it while it is paused."""

    def __init__(self, room: int = 0) -> None:
        self.room = room
        self.written = b""
        self.held = b""
        self.paused = False
        self.sink: Sink | None = None
        self.was_reset = False

    def set_sink(self, sink: Sink) -> None:
        self.sink = sink

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False
        self.arrives(b"")

    @property
    def waiting(self) -> int:
        return len(self.held)

    def arrives(self, data: bytes) -> None:
        self.held += data
        while self.sink is not None and self.held and not self.paused:
            self.held = self.held[self.sink.sink_data(memoryview(self.held)) :]

    def write_some(self, data: memoryview) -> int:
        taken = bytes(data[: self.room])
        self.room -= len(taken)
        self.written += taken
        return len(taken)

    def reset(self) -> None:
        self.was_reset = True


class Receiver:
    """Takes eight bytes at a time."""

    def __init__(self) -> None:
        self.received = b""
        self.ended = ""
        self.drained = 0
        self.enough: Callable[[], None] | None = None
        self._room = bytearray(8)

    def get_buffer(self) -> memoryview:
        return memoryview(self._room)

    def buffer_updated(self, length: int) -> None:
        self.received += self._room[:length]
        if self.enough is not None:
            self.enough()

    def eof_received(self, reason: str) -> None:
        self.ended = reason

    def writable(self) -> None:
        self.drained += 1


def started(room: int = 0) -> tuple[Told, Receiver, CircuitTransport]:
    stream, receiver = Told(room), Receiver()
    transport = CircuitTransport(cast(Stream, stream))
    transport.start(receiver)
    return stream, receiver, transport


def test_what_arrives_is_fed_by_the_buffer() -> None:
    stream, receiver, transport = started()
    stream.arrives(b"more than eight bytes")
    assert receiver.received == b"more than eight bytes"
    assert not transport.direct


def test_paused_it_leaves_what_arrives_to_the_stream() -> None:
    stream, receiver, transport = started()
    transport.pause()
    transport.pause()
    stream.arrives(b"later")
    transport.look()
    assert (receiver.received, stream.held, transport.waiting) == (b"", b"later", 5)
    transport.resume()
    transport.resume()
    assert (receiver.received, stream.held) == (b"later", b"")


def test_a_receiver_that_has_had_enough_is_fed_no_more() -> None:
    stream, receiver, transport = started()
    receiver.enough = transport.pause
    stream.arrives(b"more than eight bytes")
    assert (receiver.received, stream.held) == (b"more tha", b"n eight bytes")
    transport.resume()
    assert (receiver.received, stream.held) == (b"more than eight ", b"bytes")


def test_what_the_stream_does_not_take_waits_and_its_end_is_told() -> None:
    stream, receiver, transport = started(room=3)
    transport.write(memoryview(b"abcd"))
    transport.write(memoryview(b"ef"))
    assert (stream.written, transport.backlog, transport.congested) == (b"abc", 3, True)
    stream.room = 2
    transport.sink_writable()
    assert (stream.written, transport.backlog, receiver.drained) == (b"abcde", 1, 0)
    stream.room = 8
    transport.sink_writable()
    assert (stream.written, transport.congested, receiver.drained) == (b"abcdef", False, 1)


def test_closed_it_feeds_nobody() -> None:
    stream, receiver, transport = started()
    transport.close()
    assert stream.was_reset
    transport.resume()
    stream.arrives(b"late")
    transport.sink_ended("over")
    assert (receiver.received, receiver.ended) == (b"", "")

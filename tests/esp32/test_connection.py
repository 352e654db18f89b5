"""What the device's connection makes of frames, beside what a session of yamux makes of them.

kw.connection under CPython, with a cipher that changes nothing: bytes pass through the framing, the
early way of circuits and the late one of all else, in pieces of any length, and with targets that
are not always ready. They, and the events of all other streams, have to be those of edge.wire's
session, which is given the same bytes in one piece.
"""

from __future__ import annotations

import struct
import sys
import types
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.wire import yamux
from edge.wire.errors import RemoteProtocolError

TAG = bytes(16)
CIRCUITS, SERVICES = (1, 3), (5, 7)
STREAMS = CIRCUITS + SERVICES
GONE = 9  # what this side has reset, and its peer still sends on


@pytest.fixture(scope="module")
def kw():
    """The device's modules. They import `const` of MicroPython, which is theirs alone."""
    others = {name: sys.modules.pop(name) for name in list(sys.modules) if _is_devices(name)}
    sys.path.insert(0, str(Path(__file__).parents[2] / "esp32"))
    sys.modules["micropython"] = types.SimpleNamespace(const=lambda value: value)
    sys.modules["kw.aead"] = types.SimpleNamespace(Aead=lambda key: Cipher())  # viper has types
    from kw import connection

    yield connection
    sys.path.pop(0)
    for name in filter(_is_devices, list(sys.modules)):
        del sys.modules[name]
    sys.modules.update(others)


def _is_devices(name):
    return name.partition(".")[0] in ("kw", "micropython")


class Cipher:
    """`aead` of itself: seals nothing, and its tag is zero."""

    @property
    def aead(self):
        return self

    def begin(self, seal):
        pass

    def update(self, buffer, start, end):
        pass

    def check(self, buffer, at):
        return bytes(buffer[at : at + 16]) == TAG


class Target:
    """The other end of a circuit; `patience`: how often it is not ready before it is."""

    def __init__(self, patience):
        self.got = bytearray()
        self.connection = self.out = self
        self.stream = self
        self.pending = False
        self._patience = patience

    def ready(self):
        if self._patience:
            return not self._patience.pop()
        return True

    def forward(self, stream, source, at, count):
        self.got += source[at : at + count]

    def flush(self):
        pass


class Leg:
    def __init__(self, stream, other):
        self.stream = stream
        self.other = other


class Host:
    """A relay that only writes down."""

    identity, now, relayed = None, 0, 0

    def __init__(self, targets):
        self.events = []
        self.targets = targets

    def event(self, connection, kind, stream, start, end):
        note(self.events, connection.rx, kind, stream, start, end)

    def count(self, name):
        pass


class Sock:
    """Gives `data` in pieces of `sizes`, as often as is asked."""

    def __init__(self, data, sizes):
        self.data, self.sizes = data, sizes

    def readinto(self, into):
        if not self.data:
            return None
        size = min(len(into), self.sizes.pop() if self.sizes else 1 << 16, len(self.data))
        into[:size] = self.data[:size]
        self.data = self.data[size:]
        return size


def note(events, buffer, kind, stream, start, end):
    """One event of a stream; the data of a circuit goes another way."""
    if stream is None or (stream.id in CIRCUITS and kind == yamux.STREAM_DATA):
        return
    data = bytes(buffer[start:end]) if kind == yamux.STREAM_DATA else b""
    events.append((kind, stream.id, data))


def by_stream(events):
    """The events of each: circuits go ahead of the rest. Data without the bounds of its pieces."""
    told = {number: [] for number in STREAMS}
    for kind, number, data in events:
        before = told[number]
        if kind == yamux.STREAM_DATA and before and before[-1][0] == kind:
            data = before.pop()[1] + data
        before.append((kind, data))
    return told


frames = st.lists(
    st.one_of(
        st.tuples(
            st.just("data"), st.sampled_from((*STREAMS, GONE)), st.integers(0, 3000), st.booleans()
        ),
        st.tuples(st.just("credit"), st.sampled_from(STREAMS), st.integers(16384, 99999)),
        st.tuples(st.just("ping"), st.just(0), st.integers(0, 9)),
    ),
    max_size=12,
)


def encoded(frames):
    """Frames of yamux; those behind the end of a stream are left out."""
    out, over, number = bytearray(), set(), 0
    for kind, stream, value, *rest in frames:
        if kind == "ping":
            out += struct.pack(">BBHII", 0, yamux.PING, yamux.SYN, 0, value)
        elif stream in over:
            continue
        elif kind == "credit":
            out += struct.pack(">BBHII", 0, yamux.WINDOW_UPDATE, 0, stream, value)
        else:
            size = value % 100 if stream in SERVICES else value
            ends = rest[0] and value % 5 == 0
            if ends:
                over.add(stream)
            out += struct.pack(">BBHII", 0, yamux.DATA, yamux.FIN * ends, stream, size)
            out += bytes([(number + i) % 251 for i in range(size)])
            number += size
    return bytes(out)


def cut(data, sizes):
    """`data` in frames of Noise."""
    out, at = bytearray(), 0
    while at < len(data):
        size = min(sizes.pop() if sizes else 700, len(data) - at)
        out += struct.pack(">H", size + 16) + data[at : at + size] + TAG
        at += size
    return bytes(out)


def opened(session):
    for number in STREAMS:
        session._opened([], number)
    session._opened([], GONE)
    session.reset(session.streams[GONE])
    session.out = bytearray()
    return session


@settings(deadline=None, max_examples=300)
@given(
    frames,
    st.lists(st.integers(1, 20_000), max_size=20),
    st.lists(st.integers(1, 3000), max_size=200),
    st.lists(st.booleans(), max_size=50),
)
def test_the_same_bytes_and_events_as_of_a_session(kw, frames, noise, pieces, patience):
    data = encoded(frames)
    expected = opened(yamux.Session(False))
    events, wanted = [], {number: bytearray() for number in CIRCUITS}
    buffer = bytearray(data)
    for kind, stream, start, end in expected.receive(buffer, 0, len(buffer))[0]:
        note(events, buffer, kind, stream, start, end)
        if kind == yamux.STREAM_DATA and stream.id in CIRCUITS:
            wanted[stream.id] += buffer[start:end]

    targets = {number: Target(list(patience)) for number in CIRCUITS}
    host = Host(targets)
    connection = made(kw, host, cut(data, noise), pieces)
    for _ in range(20_000):
        before = len(connection.sock.data)
        try:
            if connection.unfinished:
                connection.resume()
            else:
                connection.read()
        except RemoteProtocolError as error:
            assert "too much" in str(error)  # beside circuits, in a long frame
            return
        if not connection.sock.data and not before and not connection.unfinished:
            break
    assert {number: target.got for number, target in targets.items()} == wanted
    assert by_stream(host.events) == by_stream(events)
    for number in STREAMS:
        ours, theirs = connection.mux.streams.get(number), expected.streams.get(number)
        assert (ours is None) == (theirs is None)
        if ours is not None:
            assert (ours.receive_window, ours.send_window, ours.remote_closed) == (
                (theirs.receive_window, theirs.send_window, theirs.remote_closed)
            )


def made(kw, host, data, pieces):
    """A connection behind its handshake, with two circuits and two other streams."""
    connection = kw.Connection.__new__(kw.Connection)
    kw.Upgrade = lambda *_: None
    connection.__init__(host, Sock(data, pieces), b"", memoryview(bytearray(kw.RECEIVE_BUFFER)))
    connection.mux, connection.upgrade = opened(kw.Mux(False, kw.MAX_STREAMS)), None
    connection._receive = Cipher()
    connection.out = Target([])
    for number, stream in connection.mux.streams.items():
        stream.owner = Leg(stream, host.targets.get(number))
    return connection

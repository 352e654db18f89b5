import struct

from raises import raises

from edge.wire.errors import LocalProtocolError, RemoteProtocolError
from edge.wire.yamux import (
    ACK,
    DATA,
    FIN,
    GO_AWAY,
    HEADER,
    INITIAL_WINDOW,
    MAX_NUISANCES,
    MAX_UNACKNOWLEDGED,
    PING,
    RST,
    SESSION_GO_AWAY,
    SESSION_PONG,
    STREAM_DATA,
    STREAM_FINISHED,
    STREAM_OPENED,
    STREAM_RESET,
    STREAM_WRITABLE,
    SYN,
    WINDOW_UPDATE,
    Session,
)


def frame(kind, flags, stream_id, length, body=b""):
    return struct.pack(">BBHII", 0, kind, flags, stream_id, length) + body


def data(stream_id, body, flags=0):
    return frame(DATA, flags, stream_id, len(body), body)


def feed(session, raw):
    """The events of `raw`, payloads as bytes; all of it must be used."""
    buf = bytearray(raw)
    events, stop = session.receive(buf, 0, len(buf))
    assert stop == len(buf)
    return [(k, s, bytes(buf[a:b]) if k == STREAM_DATA else a) for k, s, a, b in events]


def out(session):
    taken = bytes(session.out)
    session.out = bytearray()
    return taken


def opened(session, stream_id=1):
    ((kind, stream, _),) = feed(session, frame(WINDOW_UPDATE, SYN, stream_id, 0))
    assert kind == STREAM_OPENED
    assert out(session) == frame(WINDOW_UPDATE, ACK, stream_id, 0)
    return stream


# The frames of hashicorp's specification, byte for byte: SYN, data, FIN, ping, go-away.
client = Session(client=True)
stream = client.open_stream()
assert out(client) == bytes([0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0])
assert client.send(stream, b"hi") == 2
assert out(client) == bytes([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2]) + b"hi"
client.finish(stream)
assert out(client) == bytes([0, 1, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0])
client.ping(7)
assert out(client) == bytes([0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7])
client.go_away(1)
assert out(client) == bytes([0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
assert client.open_stream().id == 3

# A stream may be opened by a data frame; the answer to a ping is its value.
server = Session(client=False)
events = feed(server, data(1, b"abc", SYN) + frame(PING, SYN, 0, 99))
assert [(kind, value) for kind, _, value in events] == [(STREAM_OPENED, 0), (STREAM_DATA, b"abc")]
assert out(server) == frame(WINDOW_UPDATE, ACK, 1, 0) + frame(PING, ACK, 0, 99)

# A frame that arrives in pieces: headers are left for the next call, bodies come as they are.
server = Session(client=False)
raw = frame(WINDOW_UPDATE, SYN, 1, 0) + data(1, b"0123456789", FIN)
got = b""
kinds = []
held = b""
for byte in raw:
    buf = bytearray(held + bytes([byte]))
    events, stop = server.receive(buf, 0, len(buf))
    held = bytes(buf[stop:])
    for kind, _, start, end in events:
        kinds.append(kind)
        got += bytes(buf[start:end])
assert (got, kinds[0], kinds[-1]) == (b"0123456789", STREAM_OPENED, STREAM_FINISHED)

# A payload's twelve bytes in front belong to whoever forwards it: the header is written there.
relay = Session(client=True)
target = relay.open_stream()
buf = bytearray(data(1, b"payload"))
relay.write_header(target, 7, buf, 0)
assert bytes(buf) == data(1, b"payload")
assert target.send_window == INITIAL_WINDOW - 7

# Half-close both ways, then the stream is forgotten.
server = Session(client=False)
stream = opened(server)
assert feed(server, data(1, b"", FIN)) == [(STREAM_FINISHED, stream, 0)]
assert server.send(stream, b"late") == 4
server.finish(stream)
assert not server.streams
assert server.inbound == 0

# Flow control: what the window does not admit is not sent, an update makes room.
server = Session(client=False)
stream = opened(server)
assert server.send(stream, bytes(INITIAL_WINDOW + 5)) == INITIAL_WINDOW
assert server.send(stream, b"x") == 0
assert feed(server, frame(WINDOW_UPDATE, 0, 1, 5)) == [(STREAM_WRITABLE, stream, 0)]
assert server.send(stream, bytes(9)) == 5

# Credit goes back once half a window was consumed, not before.
server = Session(client=False)
stream = opened(server)
half = INITIAL_WINDOW // 2
feed(server, data(1, bytes(half)))
server.consumed(stream, half - 1, 0)
assert out(server) == b""
server.consumed(stream, 1, 0)
assert out(server) == frame(WINDOW_UPDATE, 0, 1, half)
assert stream.receive_window == INITIAL_WINDOW

# The window doubles when it is emptied within a few round trips, up to the limit.
server = Session(client=False, max_window=2 * INITIAL_WINDOW)
server.rtt = 100
stream = opened(server)
now = 1000
for expected in (half, half + INITIAL_WINDOW, INITIAL_WINDOW, INITIAL_WINDOW):
    feed(server, data(1, bytes(stream.window // 2)))
    server.consumed(stream, stream.window // 2, now)
    assert out(server) == frame(WINDOW_UPDATE, 0, 1, expected)
    now += 50

# More than the window, or behind a FIN, is the peer's error.
server = Session(client=False)
opened(server)
raises(RemoteProtocolError, feed, server, frame(DATA, 0, 1, INITIAL_WINDOW + 1))
server = Session(client=False)
opened(server)
raises(RemoteProtocolError, feed, server, data(1, b"", FIN) + data(1, b"x"))

# A reset, either way; what is still under way for a stream that is gone is skipped.
server = Session(client=False)
stream = opened(server)
assert feed(server, frame(WINDOW_UPDATE, RST, 1, 0)) == [(STREAM_RESET, stream, 0)]
assert feed(server, data(1, b"late") + frame(WINDOW_UPDATE, 0, 1, 9)) == []
stream = opened(server, 3)
buf = bytearray(data(3, b"half of it"))
server.receive(buf, 0, 15)
server.reset(stream)
assert out(server) == frame(WINDOW_UPDATE, RST, 3, 0)
assert server.receive(buf, 15, len(buf)) == ([], len(buf))
server.reset(stream)
assert out(server) == b""

# Streams beyond the limit are reset; a closed one makes room.
server = Session(client=False, max_streams=2)
first = opened(server, 1)
opened(server, 3)
assert feed(server, data(5, b"refused", SYN)) == []
assert out(server) == frame(WINDOW_UPDATE, RST, 5, 0)
assert server.refused == 1
server.reset(first)
out(server)
opened(server, 7)

# Streams of ours that nobody acknowledges are bounded; an acknowledgement or a reset frees one.
client = Session(client=True)
streams = [client.open_stream() for _ in range(MAX_UNACKNOWLEDGED)]
raises(LocalProtocolError, client.open_stream)
feed(client, frame(WINDOW_UPDATE, ACK, streams[0].id, 0))
feed(client, frame(WINDOW_UPDATE, RST, streams[1].id, 0))
client.open_stream()
client.open_stream()
raises(LocalProtocolError, client.open_stream)

# Go-away: the peer takes no new streams; the old ones live on.
client = Session(client=True)
stream = client.open_stream()
assert feed(client, frame(GO_AWAY, 0, 0, 0)) == [(SESSION_GO_AWAY, None, 0)]
raises(LocalProtocolError, client.open_stream)
assert client.send(stream, b"still") == 5
assert feed(client, frame(GO_AWAY, 0, 0, 0)) == []
client.ping(5)
assert feed(client, frame(PING, ACK, 0, 5) * 2) == [(SESSION_PONG, None, 5)]

# What no peer may send.
for raw in (
    b"\x01" + bytes(11),  # version
    frame(4, 0, 0, 0),  # type
    frame(DATA, 0, 0, 0),  # data on the session
    frame(PING, SYN, 1, 0),  # ping on a stream
    frame(GO_AWAY, 0, 1, 0),
    frame(WINDOW_UPDATE, SYN, 2, 0),  # the server's own parity
    frame(WINDOW_UPDATE, SYN, 1, 0) * 2,
    frame(WINDOW_UPDATE, SYN, 1, 0) + frame(WINDOW_UPDATE, 0, 1, 0xFFFFFFFF),
    frame(DATA, 0, 9, 0xFFFFFFFF),  # for nobody, larger than any window
    frame(PING, SYN, 0, 0) * 6000,  # a flood of answers
):
    raises(RemoteProtocolError, feed, Session(client=False), raw)

# Our own mistakes are told apart.
server = Session(client=False)
stream = opened(server)
raises(LocalProtocolError, server.write_header, stream, INITIAL_WINDOW + 1, bytearray(HEADER), 0)

# What costs work and is of no use is counted, forgiven with time, and in the end too much.
UPDATE = WINDOW_UPDATE
for before, nuisance in (
    (b"", frame(PING, SYN, 0, 1)),
    (b"", frame(PING, ACK, 0, 1)),  # a pong that nobody asked for
    (b"", frame(PING, 0, 0, 1)),
    (frame(GO_AWAY, 0, 0, 0), frame(GO_AWAY, 0, 0, 0)),
    (b"", data(1, b"")),
    (b"", frame(UPDATE, 0, 1, 0)),
    (b"", data(1, b"", ACK)),  # of a stream that it has opened itself
    (b"", frame(UPDATE, ACK, 1, 0)),
    (frame(UPDATE, ACK, 2, 0), data(2, b"", ACK)),  # acknowledged already
    (frame(UPDATE, ACK, 2, 0), frame(UPDATE, ACK, 2, 0)),
    (data(1, b"", FIN), data(1, b"", FIN)),  # ended already
    (data(1, b"", FIN), frame(UPDATE, FIN, 1, 0)),
    (b"", frame(UPDATE, 0, 1, 1)),  # nothing is owed
    (b"", frame(UPDATE, ACK, 1, 1000)),
    (b"", frame(UPDATE, SYN, 3, 0) + frame(UPDATE, RST, 3, 0)),
    (b"", frame(UPDATE, SYN, 5, 0)),  # refused
    (b"", frame(UPDATE, RST, 9, 0)),  # of a stream that there never was
    (b"", frame(UPDATE, FIN, 9, 0)),
    (b"", frame(UPDATE, ACK, 9, 0)),
    (b"", frame(UPDATE, 0, 9, 1)),
    (b"", data(9, b"", RST)),
    (b"", data(9, b"", FIN)),
    (b"", data(9, b"")),
    (b"", data(9, b"x")),
    (frame(UPDATE, SYN, 3, 0) + frame(UPDATE, RST, 3, 0), data(3, b"x")),  # ended by itself
):
    server = Session(client=False, max_streams=2)
    opened(server)
    if nuisance[7] == 5:
        opened(server, 7)
    server.open_stream()
    feed(server, before)
    server.forgive(1)
    for _ in range(2):
        feed(server, nuisance * (MAX_NUISANCES // 2))
        out(server)
    assert server.nuisances == MAX_NUISANCES, nuisance
    server.forgive(1)
    feed(server, nuisance)
    raises(RemoteProtocolError, feed, server, nuisance)
server.forgive(MAX_NUISANCES * 2)
assert server.nuisances == 0

# What is of use is none: data, credit, an end, and streams of ours that the peer resets.
server = Session(client=False)
stream = opened(server)
ours = [server.open_stream() for _ in range(9)]
server.send(stream, bytes(99))
feed(server, data(1, b"x") * 99 + frame(UPDATE, 0, 1, 1) * 99)
feed(server, frame(UPDATE, 0, 1, 1 << 16) * 99)  # py-libp2p credits more than it was sent
feed(server, data(ours[0].id, b"", ACK) + frame(UPDATE, ACK, ours[1].id, 1 << 20))
feed(server, b"".join([frame(UPDATE, RST, one.id, 0) for one in ours]))
feed(server, data(1, b"", FIN))
assert server.nuisances == 0

# Nor is what the peer has sent before it knows that this side has ended the stream: as much data
# as its window had, the credit for what it has been sent, its own end and a reset.
for end in (Session.reset, Session.finish):
    server = Session(client=False)
    stream = opened(server)
    server.send(stream, bytes(5000))
    if end is Session.finish:
        feed(server, data(1, b"", FIN))
    end(server, stream)
    assert not server.streams
    for _ in range(INITIAL_WINDOW // 1024):
        feed(server, data(1, bytes(1024)))
    feed(server, frame(UPDATE, 0, 1, 1) * 5000)
    feed(server, frame(UPDATE, FIN, 1, 0) + frame(UPDATE, RST, 1, 0))
    assert server.nuisances == 0
    feed(server, frame(UPDATE, RST, 1, 0) * 10)  # that many are too many
    assert server.nuisances > 5

# Of a refused stream as well. All that is expected comes soon, or not at all.
server = Session(client=False, max_streams=0)
feed(server, data(1, b"x", SYN) + data(1, b"y" * 1024, FIN) * 100 + frame(UPDATE, RST, 1, 0))
assert server.nuisances == 1
for _ in range(30):
    server.forgive(0)
feed(server, data(1, b"y"))
assert server.nuisances == 2

from raises import raises

from edge.wire.delimited import DelimitedReader
from edge.wire.errors import RemoteProtocolError
from edge.wire.protobuf import delimited


def read(reader, chunks):
    """(messages, bytes behind the last one)."""
    found = []
    rest = b""
    for chunk in chunks:
        rest = chunk
        while True:
            message, taken = reader.feed(rest)
            rest = rest[taken:]
            if message is None:
                assert rest == b""
                break
            found.append(bytes(message))
    return found


messages = [b"", b"a", b"b" * 127, b"c" * 300, b""]
stream = b"".join([delimited(message) for message in messages])
assert read(DelimitedReader(300), [stream]) == messages
assert read(DelimitedReader(300), [stream[i : i + 1] for i in range(len(stream))]) == messages
assert read(DelimitedReader(300), [stream[i : i + 7] for i in range(0, len(stream), 7)]) == messages

# What follows a message is not taken.
reader = DelimitedReader(10)
assert reader.feed(b"\x03ab") == (None, 3)
assert reader.partial
assert reader.feed(b"cREST") == (b"abc", 1)
assert not reader.partial
assert reader.feed(memoryview(b"\x00REST")) == (b"", 1)
assert reader.feed(b"") == (None, 0)
assert not reader.partial
assert reader.feed(b"\x80") == (None, 1)
assert reader.partial

raises(RemoteProtocolError, DelimitedReader(10).feed, b"\x0b")
raises(RemoteProtocolError, DelimitedReader(1 << 20).feed, b"\xff" * 8 + b"\x7f")
raises(RemoteProtocolError, DelimitedReader(10).feed, b"\xff" * 9)
raises(RemoteProtocolError, DelimitedReader(10).feed, b"\x81\x00a")
split = DelimitedReader(10)
assert split.feed(b"\xff" * 5) == (None, 5)
raises(RemoteProtocolError, split.feed, b"\xff" * 5)

from raises import raises

from edge.wire.errors import RemoteProtocolError
from edge.wire.multistream import (
    HEADER,
    MAX_PROPOSALS,
    NA,
    Dialer,
    Listener,
    NegotiationError,
    encode_line,
)

# The specification's own example lines.
assert HEADER == b"\x13/multistream/1.0.0\n"
assert NA == b"\x03na\n"
assert encode_line("/a/1") == b"\x05/a/1\n"

KNOWN = ("/a/1", "DHTProtocol.rpc_ping")


def known(protocol):
    return protocol in KNOWN


# One flight: header, proposal and payload; the answer is header and echo, the payload stays.
listener = Listener(known)
flight = HEADER + encode_line("/a/1") + b"payload"
answer, used = listener.receive(flight)
assert (answer, flight[used:]) == (HEADER + encode_line("/a/1"), b"payload")
assert listener.protocol == "/a/1"

# Byte by byte it is the same, and an id needs no leading slash.
listener = Listener(known)
answer = b""
for byte in HEADER + encode_line("DHTProtocol.rpc_ping"):
    part, used = listener.receive(bytes([byte]))
    assert used == 1
    answer += part
assert answer == HEADER + encode_line("DHTProtocol.rpc_ping")

# What is not known, and `ls`, are answered na; the dialer may go on.
listener = Listener(known)
answer, used = listener.receive(HEADER + encode_line("ls") + encode_line("/b/1"))
assert (answer, listener.protocol) == (HEADER + NA + NA, None)
assert listener.receive(encode_line("/a/1")) == (encode_line("/a/1"), 6)

# A dialer's first line is accepted.
dialer = Dialer(["/a/1"])
assert dialer.hello == HEADER + encode_line("/a/1")
data = HEADER + encode_line("/a/1") + b"rest"
assert dialer.receive(data) == (b"", len(data) - 4)
assert dialer.protocol == "/a/1"

# Refused, it proposes the next; at the end it gives up.
dialer = Dialer(["/x/1", "/a/1"])
assert dialer.receive(HEADER + NA)[0] == encode_line("/a/1")
assert dialer.receive(encode_line("/a/1"))[0] == b""
assert dialer.protocol == "/a/1"
raises(NegotiationError, Dialer(["/x/1"]).receive, HEADER + NA)

# Nonsense, on either side.
for bad in (
    b"\x13/multistream/2.0.0\n",
    b"\x05hello",
    b"\x00",
    b"\xff\xff\x7f",
    b"\x03\xff\xff\n",
    b"GET / HTTP/1.1\r\n\r\n" * 8,
):
    raises(RemoteProtocolError, Listener(known).receive, bad)
    raises(RemoteProtocolError, Dialer(["/a/1"]).receive, bad)
raises(RemoteProtocolError, Dialer(["/a/1"]).receive, HEADER + encode_line("/b/1"))
raises(
    RemoteProtocolError, Listener(known).receive, HEADER + encode_line("/b/1") * (MAX_PROPOSALS + 1)
)

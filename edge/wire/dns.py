"""A stub resolver's codec for TXT records: encodes queries, decodes answers.

The format of names and records is that of multicast DNS too (edge/wire/mdns.py).

Names inside an answer are skipped and never followed, so a compression pointer cannot loop. All TXT
records of the answer section count, whatever their name, because a recursive server includes the
target of an alias; the answer's id and question are checked.

Sources: RFC 1035 section 4 (format), RFC 6891 section 6 (the size a UDP answer may have).
"""

import struct

from edge.wire.errors import AddressError, RemoteProtocolError

MAX_ANSWER = 16384  # bytes over TCP; a server may send 65535
UDP_SIZE = 1232  # bytes that are not fragmented on any path (DNS flag day 2020)

MAX_NAME = 255  # RFC 1035 section 2.3.4, with lengths
MAX_LABEL = 63
HEADER = struct.Struct(">HHHHHH")  # id, flags, and the counts of the four sections
RECORD = struct.Struct(">HHIH")  # behind a record's name: type, class, TTL, length
TXT, IN = 16, 1
_OPT = 41
_RESPONSE, _OPCODE, _TRUNCATED, _RECURSION, _CODE = 0x8000, 0x7800, 0x0200, 0x0100, 0x000F
_NO_SUCH_NAME = 3
_EDNS = b"\0" + RECORD.pack(_OPT, UDP_SIZE, 0, 0)


def query(ident: int, name: str) -> bytes:
    """A query for the TXT records of `name`; `ident` (16 bits) must be unpredictable.

    Raises AddressError if `name` cannot be a DNS name.
    """
    header = HEADER.pack(ident, _RECURSION, 1, 0, 0, 1)
    return header + encode_name(name) + struct.pack(">HH", TXT, IN) + _EDNS


def encode_name(name: str) -> bytes:
    """The labels of `name`, each behind its length, and an empty one.

    Raises AddressError if `name` cannot be a DNS name.
    """
    encoded = bytearray()
    for label in name.rstrip(".").split("."):
        if not 0 < len(label) <= MAX_LABEL or not label.isascii():
            raise AddressError(f"not a DNS name: {name[:260]!r}")
        encoded.append(len(label))
        encoded += label.encode()
    encoded.append(0)
    if len(encoded) > MAX_NAME:
        raise AddressError(f"not a DNS name: longer than {MAX_NAME} bytes: {name[:40]!r}...")
    return bytes(encoded)


def is_answer(asked: bytes, data: bytes) -> bool:
    """Whether `data` answers the query `asked`: its id and question match."""
    question = asked[HEADER.size : -len(_EDNS)]
    if len(data) < HEADER.size + len(question) or data[:2] != asked[:2]:
        return False
    _, flags, questions, _, _, _ = HEADER.unpack_from(data)
    if not flags & _RESPONSE or flags & _OPCODE or questions != 1:
        return False
    # Servers may change the case of the name.
    return data[HEADER.size :][: len(question)].lower() == question.lower()


def is_truncated(data: bytes) -> bool:
    """Whether the answer is truncated and must be queried over TCP; requires is_answer()."""
    return bool(HEADER.unpack_from(data)[1] & _TRUNCATED)


def texts(asked: bytes, data: bytes) -> list[bytes]:
    """The TXT records in `data`, each with its strings joined; [] if the name does not exist.

    Raises RemoteProtocolError if `data` does not answer `asked`, is malformed, or reports that the
    server cannot or will not answer.
    """
    if not is_answer(asked, data):
        raise RemoteProtocolError("DNS answer to another question")
    _, flags, _, answers, _, _ = HEADER.unpack_from(data)
    if flags & _CODE == _NO_SUCH_NAME:
        return []
    if flags & _CODE:
        raise RemoteProtocolError(f"DNS server answers with error {flags & _CODE}")
    found = []
    pos = len(asked) - len(_EDNS)
    for _ in range(answers):
        pos = after_name(data, pos)
        if pos + RECORD.size > len(data):
            raise RemoteProtocolError("DNS answer cut short")
        kind, group, _, length = RECORD.unpack_from(data, pos)
        pos += RECORD.size
        if pos + length > len(data):
            raise RemoteProtocolError("DNS answer cut short")
        if kind == TXT and group == IN:
            found.append(b"".join(strings(data[pos : pos + length])))
        pos += length
    return found


def after_name(data: bytes, pos: int) -> int:
    """Where the name at `pos` ends, a pointer unfollowed. Raises RemoteProtocolError."""
    start = pos
    while pos < len(data):
        length = data[pos]
        if length >= 0xC0:
            return pos + 2  # a pointer ends a name
        if length > MAX_LABEL or pos - start > MAX_NAME:
            raise RemoteProtocolError("DNS answer with a malformed name")
        pos += 1 + length
        if not length:
            return pos
    raise RemoteProtocolError("DNS answer cut short")


def strings(data: bytes) -> list[bytes]:
    """The strings of a TXT record's `data`. Raises RemoteProtocolError."""
    found = []
    pos = 0
    while pos < len(data):
        end = pos + 1 + data[pos]
        if end > len(data):
            raise RemoteProtocolError("DNS answer with a malformed TXT record")
        found.append(data[pos + 1 : end])
        pos = end
    return found

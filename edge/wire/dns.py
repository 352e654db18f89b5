"""A stub resolver's codec for TXT records: encodes queries, decodes answers.

Names inside an answer are skipped and never followed, so a compression pointer cannot loop. All TXT
records of the answer section count, whatever their name, because a recursive server includes the
target of an alias; the answer's id and question are checked.

Sources: RFC 1035 section 4 (format), RFC 6891 section 6 (the size a UDP answer may have).
"""

import struct

from edge.wire.errors import AddressError, RemoteProtocolError

MAX_ANSWER = 16384  # bytes over TCP; a server may send 65535
UDP_SIZE = 1232  # bytes that are not fragmented on any path (DNS flag day 2020)

_MAX_NAME = 255  # RFC 1035 section 2.3.4, with lengths
_MAX_LABEL = 63
_HEADER = struct.Struct(">HHHHHH")  # id, flags, and the counts of the four sections
_RECORD = struct.Struct(">HHIH")  # behind a record's name: type, class, TTL, length
_TXT, _OPT, _IN = 16, 41, 1
_RESPONSE, _OPCODE, _TRUNCATED, _RECURSION, _CODE = 0x8000, 0x7800, 0x0200, 0x0100, 0x000F
_NO_SUCH_NAME = 3
_EDNS = b"\0" + _RECORD.pack(_OPT, UDP_SIZE, 0, 0)


def query(ident: int, name: str) -> bytes:
    """A query for the TXT records of `name`; `ident` (16 bits) must be unpredictable.

    Raises AddressError if `name` cannot be a DNS name.
    """
    encoded = bytearray()
    for label in name.rstrip(".").split("."):
        if not 0 < len(label) <= _MAX_LABEL or not label.isascii():
            raise AddressError(f"not a DNS name: {name[:260]!r}")
        encoded.append(len(label))
        encoded += label.encode()
    encoded.append(0)
    if len(encoded) > _MAX_NAME:
        raise AddressError(f"not a DNS name: longer than {_MAX_NAME} bytes: {name[:40]!r}...")
    header = _HEADER.pack(ident, _RECURSION, 1, 0, 0, 1)
    return header + encoded + struct.pack(">HH", _TXT, _IN) + _EDNS


def is_answer(asked: bytes, data: bytes) -> bool:
    """Whether `data` answers the query `asked`: its id and question match."""
    question = asked[_HEADER.size : -len(_EDNS)]
    if len(data) < _HEADER.size + len(question) or data[:2] != asked[:2]:
        return False
    _, flags, questions, _, _, _ = _HEADER.unpack_from(data)
    if not flags & _RESPONSE or flags & _OPCODE or questions != 1:
        return False
    # Servers may change the case of the name.
    return data[_HEADER.size :][: len(question)].lower() == question.lower()


def is_truncated(data: bytes) -> bool:
    """Whether the answer is truncated and must be queried over TCP; requires is_answer()."""
    return bool(_HEADER.unpack_from(data)[1] & _TRUNCATED)


def texts(asked: bytes, data: bytes) -> list[bytes]:
    """The TXT records in `data`, each with its strings joined; [] if the name does not exist.

    Raises RemoteProtocolError if `data` does not answer `asked`, is malformed, or reports that the
    server cannot or will not answer.
    """
    if not is_answer(asked, data):
        raise RemoteProtocolError("DNS answer to another question")
    _, flags, _, answers, _, _ = _HEADER.unpack_from(data)
    if flags & _CODE == _NO_SUCH_NAME:
        return []
    if flags & _CODE:
        raise RemoteProtocolError(f"DNS server answers with error {flags & _CODE}")
    found = []
    pos = len(asked) - len(_EDNS)
    for _ in range(answers):
        pos = _after_name(data, pos)
        if pos + _RECORD.size > len(data):
            raise RemoteProtocolError("DNS answer cut short")
        kind, group, _, length = _RECORD.unpack_from(data, pos)
        pos += _RECORD.size
        if pos + length > len(data):
            raise RemoteProtocolError("DNS answer cut short")
        if kind == _TXT and group == _IN:
            found.append(_joined(data[pos : pos + length]))
        pos += length
    return found


def _after_name(data: bytes, pos: int) -> int:
    start = pos
    while pos < len(data):
        length = data[pos]
        if length >= 0xC0:
            return pos + 2  # a pointer ends a name
        if length > _MAX_LABEL or pos - start > _MAX_NAME:
            raise RemoteProtocolError("DNS answer with a malformed name")
        pos += 1 + length
        if not length:
            return pos
    raise RemoteProtocolError("DNS answer cut short")


def _joined(strings: bytes) -> bytes:
    out = bytearray()
    pos = 0
    while pos < len(strings):
        end = pos + 1 + strings[pos]
        if end > len(strings):
            raise RemoteProtocolError("DNS answer with a malformed TXT record")
        out += strings[pos + 1 : end]
        pos = end
    return bytes(out)

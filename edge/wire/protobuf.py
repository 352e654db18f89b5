"""The subset of protocol buffers used by libp2p and hivemind, bounded, one table per message.

A message class lists its fields in FIELDS. None is an absent field; a present but empty field is
encoded, as proto2's required fields need. Unknown fields are skipped, groups are refused. Fields
are encoded in the order of FIELDS: if they are listed by number, the encoding is canonical.

Source: https://protobuf.dev/programming-guides/encoding/
Portable: runs under CPython and MicroPython.
"""

from edge.wire import varint
from edge.wire.errors import RemoteProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from edge.wire.types import Buffer

UINT = 0  # uint64, bool, enum
INT = 1  # int64, int32: two's complement in 64 bits
BYTES = 2
STRING = 3
MESSAGE = 4
DOUBLE = 5

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_MASK64 = (1 << 64) - 1
_WIRE_TYPE = (_VARINT, _VARINT, _LENGTH, _LENGTH, _LENGTH, _FIXED64)  # by kind


class Field:
    """One row of a message's table.

    `limit`: maximum bytes of a BYTES, STRING or MESSAGE. `many`: 0 for a single value, else the
    maximum number of values of a repeated field. `message`: the class of a MESSAGE.
    """

    __slots__ = ("key", "kind", "limit", "many", "message", "name", "number")

    def __init__(
        self,
        number: int,
        name: str,
        kind: int,
        limit: int = 4096,
        many: int = 0,
        message: "type[Message] | None" = None,
    ) -> None:
        self.number = number
        self.name = name
        self.kind = kind
        self.limit = limit
        self.many = many
        self.message = message
        self.key = varint.encode(number << 3 | _WIRE_TYPE[kind])


class Message:
    """Base of all messages: attributes as in FIELDS, absent ones None, repeated ones a list.

    TOLERANT: a value that breaks the bounds of its field is left out when the message is decoded,
    and the rest is kept; else the message is refused.
    """

    __slots__ = ()
    FIELDS: "tuple[Field, ...]" = ()
    TOLERANT = False

    def __init__(self, **values: "Any") -> None:
        for field in self.FIELDS:
            setattr(self, field.name, values.pop(field.name, [] if field.many else None))
        if values:
            raise TypeError(f"no such field: {sorted(values)[0]}")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.encode() == other.encode()

    def __hash__(self) -> int:
        return hash(self.encode())

    def __repr__(self) -> str:
        shown = [(f.name, getattr(self, f.name)) for f in self.FIELDS]
        inner = ", ".join([f"{n}={v!r}" for n, v in shown if v is not None and v != []])
        return f"{type(self).__name__}({inner})"

    def encode(self) -> bytes:
        out = bytearray()
        for field in self.FIELDS:
            value = getattr(self, field.name)
            if value is None:
                continue
            for item in value if field.many else (value,):
                out += field.key
                _encode_value(out, field, item)
        return bytes(out)

    @classmethod
    def decode(cls, data: "Buffer") -> "Self":
        """Decode `data`, whose length the caller has bounded.

        Raises RemoteProtocolError if it is not a message of this class.
        """
        view = memoryview(data)
        message = cls()
        pos, end = 0, len(view)
        while pos < end:
            key, pos = _varint(view, pos, end)
            number, wire = key >> 3, key & 7
            pos, value, stop = _raw(view, pos, end, wire)
            for field in cls.FIELDS:
                if field.number == number:
                    try:
                        _store(message, field, wire, view, pos, value, stop)
                    except RemoteProtocolError:
                        if not cls.TOLERANT:
                            raise
                    break
            pos = stop
        return message


def delimited(body: "Buffer") -> bytes:
    """`body` with its length as a varint in front, as libp2p frames messages on a stream."""
    return varint.encode(len(body)) + bytes(body)


def _varint(view: memoryview, pos: int, end: int) -> "tuple[int, int]":
    # Protobuf allows ten bytes and padding, unlike the varint of multiformats.
    value = shift = 0
    while pos < end:
        byte = view[pos]
        pos += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _MASK64, pos
        shift += 7
        if shift > 63:
            raise RemoteProtocolError("protobuf varint longer than 10 bytes")
    raise RemoteProtocolError("protobuf message cut short")


def _raw(view: memoryview, pos: int, end: int, wire: int) -> "tuple[int, int, int]":
    """The (start, integer if it is a varint, end) of a value."""
    value = 0
    if wire == _VARINT:
        value, stop = _varint(view, pos, end)
    elif wire == _LENGTH:
        length, pos = _varint(view, pos, end)
        stop = pos + length
    elif wire == _FIXED64:
        stop = pos + 8
    elif wire == _FIXED32:
        stop = pos + 4
    else:
        raise RemoteProtocolError(f"protobuf wire type {wire}")
    if stop > end:
        raise RemoteProtocolError("protobuf message cut short")
    return pos, value, stop


def _store(
    message: Message, field: Field, wire: int, view: memoryview, pos: int, value: int, stop: int
) -> None:
    if wire != field.key[0] & 7:
        raise _refuse(message, field, f"has wire type {wire}")
    item: Any = value
    if field.kind == INT and value >= 1 << 63:
        item = value - (1 << 64)
    elif field.kind == DOUBLE:
        import struct

        item = struct.unpack("<d", bytes(view[pos:stop]))[0]
    elif wire == _LENGTH:
        if stop - pos > field.limit:
            raise _refuse(message, field, f"is longer than {field.limit} bytes")
        item = _length_delimited(message, field, view[pos:stop])
    if not field.many:
        setattr(message, field.name, item)
        return
    items = getattr(message, field.name)
    if len(items) >= field.many:
        raise _refuse(message, field, f"has more than {field.many} values")
    items.append(item)


def _refuse(message: Message, field: Field, why: str) -> RemoteProtocolError:
    return RemoteProtocolError(f"{type(message).__name__}.{field.name} {why}")


def _length_delimited(message: Message, field: Field, body: memoryview) -> "Any":
    if field.kind == MESSAGE:
        assert field.message is not None
        return field.message.decode(body)
    if field.kind == BYTES:
        return bytes(body)
    try:
        return str(bytes(body), "utf-8")
    except UnicodeError:
        raise _refuse(message, field, "is not UTF-8") from None


def _encode_value(out: bytearray, field: Field, item: "Any") -> None:
    kind = field.kind
    if kind == BYTES:
        out += varint.encode(len(item))
        out += item
        return
    if kind in (UINT, INT):
        value = int(item) & _MASK64
        while value > 0x7F:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        out.append(value)
        return
    if kind == DOUBLE:
        import struct

        out += struct.pack("<d", item)
        return
    body = item.encode() if kind == MESSAGE else item.encode("utf-8")
    out += varint.encode(len(body))
    out += body

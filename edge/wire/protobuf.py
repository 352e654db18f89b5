"""The subset of protocol buffers used by libp2p and hivemind, bounded, one table per message.

A message class lists its fields in FIELDS. None is an absent field; a present but empty field is
encoded, as proto2's required fields need. Unknown fields are skipped, groups are refused. Fields
are encoded in the order of FIELDS: if they are listed by number, the encoding is canonical.
Repeated numbers are packed, as proto3 has them, and read packed or not.

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
FIXED64 = 6

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_MASK64 = (1 << 64) - 1
_WIRE_TYPE = (_VARINT, _VARINT, _LENGTH, _LENGTH, _LENGTH, _FIXED64, _FIXED64)  # by kind


class Field:
    """One row of a message's table.

    `limit`: maximum bytes of a BYTES, STRING or MESSAGE. `many`: 0 for a single value, else the
    maximum number of values of a repeated field. `message`: the class of a MESSAGE.
    """

    __slots__ = ("key", "kind", "limit", "many", "message", "name", "number", "packed")

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
        self.packed = many > 0 and _WIRE_TYPE[kind] != _LENGTH
        self.key = varint.encode(number << 3 | (_LENGTH if self.packed else _WIRE_TYPE[kind]))


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
            if field.packed:
                _encode_packed(out, field, value)
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
        field = None
        while pos < end:
            key, pos = _varint(view, pos, end)
            number, wire = key >> 3, key & 7
            pos, value, stop = _raw(view, pos, end, wire)
            if field is None or field.number != number:  # values of a repeated field come in a row
                field = cls._field(number)
            if field is not None:
                try:
                    _store(message, field, wire, view, pos, value, stop)
                except RemoteProtocolError:
                    if not cls.TOLERANT:
                        raise
            pos = stop
        return message

    @classmethod
    def _field(cls, number: int) -> "Field | None":
        for field in cls.FIELDS:
            if field.number == number:
                return field
        return None


def delimited(body: "Buffer") -> bytes:
    """`body` with its length as a varint in front, as libp2p frames messages on a stream."""
    return varint.encode(len(body)) + bytes(body)


def _varint(view: memoryview, pos: int, end: int) -> "tuple[int, int]":
    # Protobuf allows ten bytes and padding, unlike the varint of multiformats.
    if pos < end and (byte := view[pos]) < 0x80:
        return byte, pos + 1
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
    if wire == _LENGTH:
        length, pos = _varint(view, pos, end)
        stop = pos + length
    elif wire == _VARINT:
        value, stop = _varint(view, pos, end)
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
    if field.packed and wire == _LENGTH:
        _store_packed(message, field, view, pos, stop)
        return
    if wire != _WIRE_TYPE[field.kind]:
        raise _refuse(message, field, f"has wire type {wire}")
    item: Any = value
    if wire == _LENGTH:
        if stop - pos > field.limit:
            raise _refuse(message, field, f"is longer than {field.limit} bytes")
        body = view[pos:stop]
        item = bytes(body) if field.kind == BYTES else _length_delimited(message, field, body)
    elif field.kind == DOUBLE:
        item = _doubles(bytes(view[pos:stop]))[0]
    elif field.kind == FIXED64:
        item = int.from_bytes(bytes(view[pos:stop]), "little")
    else:
        item = _number(field, value)
    if not field.many:
        setattr(message, field.name, item)
        return
    items = getattr(message, field.name)
    if len(items) >= field.many:
        raise _refuse(message, field, f"has more than {field.many} values")
    items.append(item)


def _store_packed(message: Message, field: Field, view: memoryview, pos: int, stop: int) -> None:
    items = getattr(message, field.name)
    longest = 8 if field.kind == DOUBLE else 10
    if stop - pos > longest * field.many:
        raise _refuse(message, field, f"has more than {field.many} values")
    body = bytes(view[pos:stop])
    if field.kind == DOUBLE:
        found = _doubles(body)
    elif not body or max(body) < 0x80:
        found = list(body)  # flags, as nearly always
    else:
        found = []
        while pos < stop:
            value, pos = _varint(view, pos, stop)
            found.append(_number(field, value))
    if len(items) + len(found) > field.many:
        raise _refuse(message, field, f"has more than {field.many} values")
    items += found


def _doubles(body: bytes) -> "list[Any]":
    import struct

    count, rest = divmod(len(body), 8)
    if rest:
        raise RemoteProtocolError("protobuf message cut short")
    return list(struct.unpack(f"<{count}d", body))


def _number(field: Field, value: int) -> int:
    return value - (1 << 64) if field.kind == INT and value >= 1 << 63 else value


def _refuse(message: Message, field: Field, why: str) -> RemoteProtocolError:
    return RemoteProtocolError(f"{type(message).__name__}.{field.name} {why}")


def _length_delimited(message: Message, field: Field, body: memoryview) -> "Any":
    if field.kind == MESSAGE:
        assert field.message is not None
        return field.message.decode(body)
    try:
        return str(bytes(body), "utf-8")
    except UnicodeError:
        raise _refuse(message, field, "is not UTF-8") from None


def _encode_packed(out: bytearray, field: Field, items: "list[Any]") -> None:
    if items:
        body = bytearray()
        for item in items:
            _encode_value(body, field, item)
        out += field.key + varint.encode(len(body)) + body


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
    if kind == FIXED64:
        out += item.to_bytes(8, "little")
        return
    body = item.encode() if kind == MESSAGE else item.encode("utf-8")
    out += varint.encode(len(body))
    out += body

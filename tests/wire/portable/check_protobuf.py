# The encodings are those of https://protobuf.dev/programming-guides/encoding/
from raises import raises

from edge.wire.errors import RemoteProtocolError
from edge.wire.protobuf import (
    BYTES,
    DOUBLE,
    FIXED64,
    INT,
    MESSAGE,
    STRING,
    UINT,
    Field,
    Message,
    delimited,
)


class Inner(Message):
    FIELDS = (Field(1, "a", INT),)


class Outer(Message):
    FIELDS = (
        Field(1, "number", UINT),
        Field(2, "text", STRING, limit=7),
        Field(3, "inner", MESSAGE, limit=8, message=Inner),
        Field(4, "items", BYTES, limit=4, many=2),
        Field(5, "real", DOUBLE),
        Field(6, "fixed", FIXED64),
        Field(16, "far", UINT),
    )


VECTORS = (
    (Outer(number=150), "089601"),
    (Outer(text="testing"), "120774657374696e67"),
    (Outer(inner=Inner(a=150)), "1a03089601"),
    (Outer(inner=Inner(a=-2)), "1a0b08feffffffffffffffff01"),
    (Outer(items=[b"", b"\x01"]), "2200220101"),
    (Outer(real=1.0), "29000000000000f03f"),
    (Outer(fixed=1), "310100000000000000"),
    (Outer(fixed=(1 << 64) - 2), "31feffffffffffffff"),
    (Outer(far=1), "800101"),
    (Outer(), ""),
    (Outer(number=0, text=""), "08001200"),  # present and empty is not absent
)
for message, text in VECTORS:
    assert message.encode() == bytes.fromhex(text), message
    if "0b08fe" not in text:  # longer than the field's limit here
        assert Outer.decode(bytes.fromhex(text)) == message
assert Inner.decode(bytes.fromhex("08feffffffffffffffff01")).a == -2
assert Outer.decode(b"").items == [] and Outer.decode(b"").text is None

# Of a single field the last one counts, unknown fields of every type are skipped.
assert Outer.decode(bytes.fromhex("08010802")).number == 2
skipped = "f80101" + "f9010102030405060708" + "fa0102aaaa" + "fd0101020304"
assert Outer.decode(bytes.fromhex(skipped + "0807")) == Outer(number=7)

for bad in (
    "08",  # no value
    "0880",  # a value without its end
    "08" + "ff" * 10 + "01",  # more than ten bytes
    "120874657374696e67",  # longer than what is there
    "12ffffffffffffffff7f",  # far longer
    "12087465737474696e67",  # longer than the field's limit
    "1202c328",  # not UTF-8
    "220022002200",  # too many values
    "1001",  # a varint where a string belongs
    "0b0c",  # a group
    "0f",  # no wire type at all
):
    raises(RemoteProtocolError, Outer.decode, bytes.fromhex(bad))
raises(TypeError, lambda: Outer(nothing=1))


# Repeated numbers are packed, and read packed or not, also in parts.
class Packed(Message):
    FIELDS = (
        Field(4, "numbers", INT, many=4),
        Field(5, "reals", DOUBLE, many=2),
    )


ONE = "000000000000f03f"
for message, text in (
    (Packed(numbers=[3, 270, 86942]), "2206038e029ea705"),  # of that page
    (Packed(numbers=[0, 1]), "22020001"),
    (Packed(numbers=[-2]), "220afeffffffffffffffff01"),
    (Packed(reals=[1.0, 1.0]), "2a10" + ONE + ONE),
    (Packed(), ""),
):
    assert message.encode() == bytes.fromhex(text), message
    assert Packed.decode(bytes.fromhex(text)) == message
assert Packed.decode(bytes.fromhex("2003" + "22028e02" + "29" + ONE + "2200")) == Packed(
    numbers=[3, 270], reals=[1.0]
)
for bad in (
    "22050000000000",  # too many values
    "2203010101" + "22020101",  # in two parts
    "2229" + "00" * 41,  # far too many
    "220180",  # a value without its end
    "2a07" + "00" * 7,  # half a number
    "2a18" + ONE * 3,
    "25" + "00" * 4,  # of another type
):
    raises(RemoteProtocolError, Packed.decode, bytes.fromhex(bad))

assert delimited(b"") == b"\x00"
assert delimited(b"a" * 200) == b"\xc8\x01" + b"a" * 200

# Vectors of https://github.com/msgpack/msgpack/blob/master/spec.md, and of hivemind 1.1.12.
# Run under CPython with msgpack's extension, and in the static binary, which has it in Python.
from edge.wire import dictionary, packed
from edge.wire.errors import RemoteProtocolError


def refused(call, *arguments):
    try:
        call(*arguments)
    except RemoteProtocolError:
        return True
    return False


VECTORS = (
    (None, "c0"),
    (False, "c2"),
    (-1, "ff"),
    (300, "cd012c"),
    (-(2**63), "d38000000000000000"),
    (1.5, "cb3ff8000000000000"),
    ("12D3", "a431324433"),
    ("é" * 16, "d920" + "c3a9" * 16),
    (b"\x00\xff", "c40200ff"),
    ([1, [2], {"a": None}], "9301910281a161c0"),
    ({1: "x", b"y": []}, "8201a178c4017990"),
    (packed.Extension(0x40, b"\x92\x01\x02"), "c703409201" + "02"),
    (packed.Extension(0x7F, b"kept"), "d67f6b657074"),
)
for value, text in VECTORS:
    data = bytes.fromhex(text)
    assert packed.dumps(value) == data, text
    assert packed.loads(data) == value, text
    assert packed.loads_tuple(data) == ([1, 2] if text.startswith("c70340") else value), text
    for cut in range(len(data)):
        assert refused(packed.loads, data[:cut]), text
    assert refused(packed.loads, data + b"\xc0"), text

deep = b"\x91" * packed.MAX_DEPTH
assert packed.loads(deep + b"\x01")
assert refused(packed.loads, b"\x91" + deep + b"\x01")
assert refused(packed.loads, b"\x91\x01", 9, 0)
assert refused(packed.loads, b"\xdd\xff\xff\xff\xff")  # more elements than bytes
assert refused(packed.loads, b"\xdf\xff\xff\xff\xff" + bytes(64))
assert refused(packed.loads, b"\x93\x01\x02\x03", 3)
assert refused(packed.loads, b"\xc1")
assert refused(packed.loads, b"\xa1\xff")  # not UTF-8
assert refused(packed.loads, b"\x81\x90\x01")  # a list for a key

# What hivemind's serializer makes of a DictionaryDHTValue with "a" and 7.
DICTIONARY = (
    "c7335093cb7ff0000000000000cb41dc4fecd90000009293a161c40101cb41dc4fecc02000009307c403a27879"
    "cb41dc4fecd9000000"
)
ENTRIES = [(b"\xa1a", b"\x01", 1_900_000_000.5), (b"\x07", b"\xa2xy", 1_900_000_100.0)]
assert dictionary.pack(ENTRIES, 1_900_000_100.0).hex() == DICTIONARY
assert dictionary.unpack(bytes.fromhex(DICTIONARY)) == ENTRIES
for count in (0, 1, 15, 16, 300):
    many = [(packed.dumps(number), b"v" * number, 2.0) for number in range(count)]
    assert dictionary.unpack(dictionary.pack(many, 2.0)) == many
large = [(b"\x01", bytes(1 << 16), 2.0)]
assert dictionary.unpack(dictionary.pack(large, 2.0)) == large
WRONG = ("01", "d45090", "d64093c0c090", "c7055093c0c091c0", "c7085093c0c09193010101")
UNHASHABLE = ("c7115093c0c0919390c400cb" + "00" * 8, "c7115093c0c0919380c400cb" + "00" * 8)
for text in (*WRONG, *UNHASHABLE, "c7115093c0c09193c0c400cb" + "00" * 8):
    assert refused(dictionary.unpack, bytes.fromhex(text)), text
assert dictionary.unpack(bytes.fromhex("c7115093c0c0919307c400cb" + "00" * 8)) == [
    (b"\x07", b"", 0)
]

# Vectors of https://datatracker.ietf.org/doc/html/draft-msporny-base58
from raises import raises

from edge.wire import base58
from edge.wire.errors import AddressError, LocalProtocolError

VECTORS = (
    (b"", ""),
    (b"\0", "1"),
    (b"\0\0\x01", "112"),
    (b"Hello World!", "2NEpo7TZRRrLZSi2U"),
    (
        b"The quick brown fox jumps over the lazy dog.",
        "USm3fpXnKG5EUBx2ndxBDMPVciP5hGey2Jh4NDv6gmeo1LkMeiKrLJUUBk6Z",
    ),
    (bytes.fromhex("0000287fb4cd"), "11233QC4"),
)
for data, text in VECTORS:
    assert base58.encode(data) == text, text
    assert base58.decode(text) == data, text

longest = b"\xff" * base58.MAX_BYTES
assert len(base58.encode(longest)) <= base58.MAX_TEXT
assert base58.decode(base58.encode(longest)) == longest
raises(LocalProtocolError, base58.encode, longest + b"\0")
raises(AddressError, base58.decode, "1" * (base58.MAX_TEXT + 1))
for char in "0OIl é+/ \n":
    raises(AddressError, base58.decode, "2" + char)

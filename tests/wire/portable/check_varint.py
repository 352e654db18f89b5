# Vectors of https://github.com/multiformats/unsigned-varint
from raises import raises

from edge.wire import varint
from edge.wire.errors import LocalProtocolError, RemoteProtocolError

VECTORS = (
    (1, "01"),
    (127, "7f"),
    (128, "8001"),
    (255, "ff01"),
    (300, "ac02"),
    (16384, "808001"),
    ((1 << 63) - 1, "ffffffffffffffff7f"),
)

for value, text in VECTORS:
    data = bytes.fromhex(text)
    assert varint.encode(value) == data
    assert varint.decode(data) == (value, len(data))
    assert varint.decode(memoryview(b"\xff" + data + b"\xff"), 1) == (value, len(data) + 1)
    for cut in range(len(data)):
        assert varint.decode(data[:cut]) is None
        assert varint.decode(data, 0, cut) is None

raises(RemoteProtocolError, varint.decode, b"\x81\x00")  # not minimal
raises(RemoteProtocolError, varint.decode, b"\x80" * 9)  # longer than allowed, without its end
raises(RemoteProtocolError, varint.decode, b"\x80\x80\x80\x01", 0, -1, 3)
raises(LocalProtocolError, varint.encode, -1)
raises(LocalProtocolError, varint.encode, 1 << 63)

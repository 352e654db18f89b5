"""MessagePack from strangers, read within bounds; what is not understood stays as it is.

The format is decoded by the library `msgpack`. Before it sees anything, `check` walks over the
bytes without allocating: a few nested headers can claim arrays of gigabytes. Extensions are neither
interpreted nor lost.

Source: https://github.com/msgpack/msgpack/blob/master/spec.md
"""

import msgpack

from edge.wire.errors import RemoteProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_DEPTH = 16  # levels of arrays and maps
MAX_ITEMS = 1024  # elements, keys and values in all; chosen keys of a map can all collide

Extension = msgpack.ExtType  # (code, data)

_TUPLE = 0x40  # hivemind's extension for a tuple: a packed array
# Of the types 0xc0 to 0xdf: bytes of the value, or of the length and of what follows it.
_FIXED = {0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8}
_FIXED.update({0xCC + n: 1 << n for n in range(4)})
_FIXED.update({0xD0 + n: 1 << n for n in range(4)})
_FIXED.update({0xD4 + n: 1 + (1 << n) for n in range(5)})
_BYTES = {0xC4: (1, 0), 0xC5: (2, 0), 0xC6: (4, 0), 0xC7: (1, 1), 0xC8: (2, 1), 0xC9: (4, 1)}
_BYTES.update({0xD9: (1, 0), 0xDA: (2, 0), 0xDB: (4, 0)})
_ITEMS = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}  # length, values an element


def dumps(value: "Any") -> bytes:
    """Encode `value`, each number and length in its shortest form."""
    packed: bytes = msgpack.packb(value, use_bin_type=True)
    return packed


def loads(data: bytes, max_items: int = MAX_ITEMS, max_depth: int = MAX_DEPTH) -> "Any":
    """Decode one value, which the caller has bounded in length. Raises RemoteProtocolError."""
    check(data, max_items, max_depth)
    try:
        return msgpack.unpackb(data, raw=False, strict_map_key=False)
    except (ValueError, TypeError) as error:  # text that is not UTF-8, a key that is a list
        raise RemoteProtocolError(f"not a MessagePack value: {error}") from None


def loads_tuple(data: bytes, max_items: int = MAX_ITEMS) -> "Any":
    """As `loads`; hivemind's tuple becomes the list in it."""
    value = loads(data, max_items)
    if isinstance(value, Extension) and value.code == _TUPLE:
        return loads(value.data, max_items)
    return value


def check(data: bytes, max_items: int = MAX_ITEMS, max_depth: int = MAX_DEPTH) -> None:
    """Raises RemoteProtocolError unless `data` is one value of so many items and levels."""
    end = len(data)
    pos = items = 0
    open_ones = [1]  # values still to come, at each level
    while open_ones:
        if not open_ones[-1]:
            open_ones.pop()
            continue
        open_ones[-1] -= 1
        items += 1
        pos, inside = step(data, pos)
        if pos > end or items + inside > max_items or inside > end - pos:
            raise RemoteProtocolError("MessagePack value cut short or with too many items")
        if inside:
            open_ones.append(inside)
            if len(open_ones) > max_depth + 1:
                raise RemoteProtocolError(f"MessagePack value deeper than {max_depth} levels")
    if pos != end:
        raise RemoteProtocolError("MessagePack value with bytes after it")


def step(data: bytes, pos: int) -> "tuple[int, int]":
    """Where the header at `pos`, and what follows without items of its own, ends; items inside."""
    if pos >= len(data):
        return pos + 1, 0
    first = data[pos]
    pos += 1
    if first < 0x80 or first >= 0xE0:
        return pos, 0
    if first < 0xA0:
        return pos, (first & 0x0F) << (first < 0x90)
    if first < 0xC0:
        return pos + (first & 0x1F), 0
    if first in _FIXED:
        return pos + _FIXED[first], 0
    if first in _BYTES:
        width, more = _BYTES[first]
        return pos + width + more + int.from_bytes(data[pos : pos + width], "big"), 0
    if first in _ITEMS:
        width, times = _ITEMS[first]
        return pos + width, int.from_bytes(data[pos : pos + width], "big") * times
    raise RemoteProtocolError("MessagePack has no type 0xc1")

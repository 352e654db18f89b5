"""Bytes as Rust's serde writes them in MessagePack: an array of numbers, one for each byte.

Source: rmp-serde 1.3, which takes bytes in their own form as well.
"""

import re

import msgpack

from edge.wire.errors import RemoteProtocolError
from edge.wire.packed import MAX_ITEMS, dumps, step

# 1, 2, 4 ... 65536 numbers from 0 to 255, each in its shortest form: at most so many become objects
# at a time.
_RUNS = [re.compile(rb"(?:[\x00-\x7f]|\xcc[\x80-\xff]){%d}" % (1 << n)) for n in range(17)]


def folded(data: bytes, max_items: int = MAX_ITEMS) -> bytes:
    """`data` with each array of numbers up to 255 in it as bytes.

    That includes lists of a few small numbers: bytes count and index as they did. A long array of
    anything else is refused. Whether the rest is sound is left to `packed.loads`. Raises
    RemoteProtocolError.
    """
    parts: list[bytes] = []
    kept = pos = items = 0
    while pos < len(data):
        start = pos
        pos, inside = step(data, pos)
        items += 1
        if items > max_items:
            raise RemoteProtocolError("MessagePack value with too many items")
        if inside and _is_array(data[start]):
            content, end = _read(data, pos, inside)
            if content is not None:
                parts += (data[kept:start], dumps(content))
                kept = pos = end
            elif inside > max_items:
                raise RemoteProtocolError("MessagePack array is neither short nor bytes")
    return b"".join((*parts, data[kept:])) if parts else data


def _is_array(first: int) -> bool:
    return 0x90 <= first < 0xA0 or first in {0xDC, 0xDD}


def _read(data: bytes, pos: int, count: int) -> "tuple[bytes | None, int]":
    """The `count` numbers at `pos`, and where they end; None unless all are bytes."""
    if count > len(data) - pos:
        return None, pos
    found = bytearray()
    while count:
        power = min(count.bit_length(), len(_RUNS)) - 1
        run = _RUNS[power].match(data, pos)
        if run is None:
            return None, pos
        found += bytes(msgpack.unpackb(b"\xdd" + (1 << power).to_bytes(4, "big") + run[0]))
        pos = run.end()
        count -= 1 << power
    return bytes(found), pos

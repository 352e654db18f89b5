"""Hivemind's dictionary of values by subkey, as it is on the wire: MessagePack extension 0x50.

Its data is a packed array: the most entries it may have (infinity), when the last of them expires,
and an array of [subkey, value, expiration]. A value is `bin`, which holds packed bytes.

Source: DictionaryDHTValue in hivemind/dht/storage.py (hivemind 1.1.12)
"""

import struct

from edge.wire import packed
from edge.wire.errors import RemoteProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

CODE = 0x50
MAX_ENTRIES = 2048
ENTRY_OVERHEAD = 15  # bytes of an entry beside subkey and value, at most

_LEVELS = 3  # of arrays: a subkey cannot be one, nor a map
_MAX_SIZE = struct.pack(">Bd", 0xCB, float("inf"))


def pack(entries: "Iterable[tuple[bytes, bytes, float]]", latest: float) -> bytes:
    """Encode (packed subkey, value, expiration in UNIX seconds); `latest`: the last expiration."""
    parts: list[bytes] = []
    for subkey, value, expiration in entries:
        parts += (b"\x93", subkey, _header(0xC4, len(value)), value)
        parts.append(struct.pack(">Bd", 0xCB, expiration))
    count = len(parts) // 5
    outer = (b"\x93", _MAX_SIZE, struct.pack(">Bd", 0xCB, latest), _array(count))
    data = b"".join((*outer, *parts))
    return _header(0xC7, len(data)) + bytes((CODE,)) + data


def unpack(data: bytes) -> "list[tuple[bytes, bytes, float]]":
    """The entries of a packed dictionary, as `pack` takes them; subkeys are packed anew.

    The caller has bounded its length. Raises RemoteProtocolError.
    """
    extension = packed.loads(data, 1, 0)
    if not isinstance(extension, packed.Extension) or extension.code != CODE:
        raise RemoteProtocolError("not a dictionary")
    fields = packed.loads(extension.data, 5 * MAX_ENTRIES, _LEVELS)
    if not isinstance(fields, list) or len(fields) != 3 or not isinstance(fields[2], list):
        raise RemoteProtocolError("a dictionary without its three fields")
    return [_entry(fields) for fields in fields[2]]


def _entry(fields: "Any") -> "tuple[bytes, bytes, float]":
    if not isinstance(fields, list) or len(fields) != 3:
        raise RemoteProtocolError("a dictionary's entry without its three fields")
    subkey, value, expiration = fields
    hashable = not (subkey is None or isinstance(subkey, list | dict))
    if not (hashable and isinstance(value, bytes) and isinstance(expiration, float)):
        raise RemoteProtocolError("a dictionary's entry of other types")
    return packed.dumps(subkey), value, expiration


def _header(first: int, length: int) -> bytes:
    """The header of `bin` (`first` 0xc4) or of an extension (0xc7)."""
    if length < 1 << 8:
        return struct.pack(">BB", first, length)
    if length < 1 << 16:
        return struct.pack(">BH", first + 1, length)
    return struct.pack(">BI", first + 2, length)


def _array(count: int) -> bytes:
    if count < 16:
        return bytes((0x90 | count,))
    return struct.pack(">BH", 0xDC, count) if count < 1 << 16 else struct.pack(">BI", 0xDD, count)

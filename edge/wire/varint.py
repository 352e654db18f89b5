"""Unsigned varints (multiformats/unsigned-varint): base 128, little-endian, at most 9 bytes.

Portable: runs under CPython and MicroPython.
"""

from edge.wire.errors import LocalProtocolError, RemoteProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_BYTES = 9  # unsigned-varint's own limit: 63 bits


def encode(value: int) -> bytes:
    """Encode `value` (0 <= value < 2**63) as the shortest varint."""
    if 0 <= value < 0x80:
        return bytes((value,))
    if not 0 <= value < 1 << 63:
        raise LocalProtocolError(f"varint out of range: {value}")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode(
    data: "Sequence[int]", pos: int = 0, end: int = -1, max_bytes: int = MAX_BYTES
) -> "tuple[int, int] | None":
    """Decode the varint at `data[pos:end]`: (value, position behind it), None if incomplete.

    Raises RemoteProtocolError if it is longer than `max_bytes` or has trailing zero groups.
    """
    if end < 0:
        end = len(data)
    value = shift = 0
    start = pos
    while pos < end:
        byte = data[pos]
        pos += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if byte == 0 and pos - start > 1:
                raise RemoteProtocolError("varint is not minimal")
            return value, pos
        if pos - start >= max_bytes:
            raise RemoteProtocolError(f"varint longer than {max_bytes} bytes")
        shift += 7
    return None

"""Fields of a decoded MessagePack map by their names, each of its kind and within its bound.

All raise RemoteProtocolError, which names the field.
"""

from edge.wire.errors import RemoteProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

U16, U32, U64 = (1 << 16) - 1, (1 << 32) - 1, (1 << 64) - 1


def number(fields: "dict[Any, Any]", key: str, most: int) -> int:
    value = fields.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise RemoteProtocolError(f"{key} is no number up to {most}")
    return value


def text(fields: "dict[Any, Any]", key: str, most: int) -> str:
    """At most so many characters."""
    value = fields.get(key)
    if not isinstance(value, str) or len(value) > most:
        raise RemoteProtocolError(f"{key} is no text of up to {most} characters")
    return value


def octets(fields: "dict[Any, Any]", key: str) -> bytes:
    """Bytes; the caller has bounded the message. edge.wire.octets leaves none of them as []."""
    value = fields.get(key)
    if value == []:
        return b""
    if not isinstance(value, bytes):
        raise RemoteProtocolError(f"{key} is not bytes")
    return value

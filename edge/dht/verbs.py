"""The DHT's answers on the status socket: dht-get, dht-put, dht-peers, dht-stats.

Keys, subkeys and values that people give are text, which is stored as a MessagePack string. What
is found is shown as JSON: bytes in hexadecimal, extensions with their code.
"""

from __future__ import annotations

import hashlib
import time

from edge.dht.errors import DhtError
from edge.wire import dictionary, packed
from edge.wire.errors import RemoteProtocolError
from edge.wire.hivemind import FOUND_DICTIONARY, ID_SIZE, PLAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Protocol

    from edge.dht.routing import RoutingTable
    from edge.host import Answer, Status
    from edge.wire.hivemind import FindResult

    class Dht(Protocol):
        """What the verbs ask, which is the service."""

        table: RoutingTable

        async def get(self, key: bytes) -> FindResult | None:
            """What is stored under `key`."""

        async def put(self, key: bytes, subkey: bytes, value: bytes, ttl: float) -> int:
            """Store a record; at how many nodes it is."""

        def report(self) -> Status:
            """What `status` tells."""


MAX_TTL = 86400  # seconds
_SHOWN_BYTES = 256


def verbs(dht: Dht) -> dict[str, Answer]:
    """By the verb that a request names."""

    async def get(request: Status) -> Mapping[str, Any]:
        return await _get(dht, request)

    async def put(request: Status) -> Mapping[str, Any]:
        return await _put(dht, request)

    async def peers(_: Status) -> Mapping[str, Any]:
        return {"peers": _peers(dht.table)}

    async def stats(_: Status) -> Mapping[str, Any]:
        return dht.report()

    return {"dht-get": get, "dht-put": put, "dht-peers": peers, "dht-stats": stats}


def key_id(text: str) -> bytes:
    """The id of a key that is a text."""
    return hashlib.sha1(packed.dumps(text), usedforsecurity=False).digest()


async def _get(dht: Dht, request: Status) -> Mapping[str, Any]:
    key, subkey = _text(request, "key"), request.get("subkey")
    result = await dht.get(key_id(key))
    if result is None:
        return {"found": False}
    if result.type != FOUND_DICTIONARY:
        if subkey is not None:
            return {"found": False}
        value = _shown(_loaded(result.value or b""))
        return {"found": True, "value": value, "expires_in": _left(result.expiration)}
    entries = {}
    for packed_name, value, expiration in dictionary.unpack(result.value or b""):
        name = packed.loads(packed_name)
        if subkey in (None, name):
            entries[_name(name)] = {
                "value": _shown(_loaded(value)),
                "expires_in": _left(expiration),
            }
    return {"found": bool(entries), "values": entries}


async def _put(dht: Dht, request: Status) -> Mapping[str, Any]:
    key, value, ttl = _text(request, "key"), _text(request, "value"), request.get("ttl")
    if not isinstance(ttl, int | float) or not 0 < ttl <= MAX_TTL:
        raise DhtError(f'"ttl" is not a number of seconds up to {MAX_TTL}')
    subkey = PLAIN if request.get("subkey") is None else packed.dumps(_text(request, "subkey"))
    stored = await dht.put(key_id(key), subkey, packed.dumps(value), float(ttl))
    return {"stored": stored}


def _peers(table: RoutingTable) -> list[Status]:
    return [
        {"peer_id": str(node.peer), "node_id": f"{node.id:0{2 * ID_SIZE}x}"}
        for node in table.nearest(table.own, len(table))
    ]


def _text(request: Status, name: str) -> str:
    value = request.get(name)
    if not isinstance(value, str) or not value:
        raise DhtError(f'"{name}" is not a text')
    try:
        value.encode()
    except UnicodeEncodeError:  # bytes of a command line, or half of a pair in JSON
        raise DhtError(f'"{name}" is not UTF-8') from None
    return value


def _loaded(value: bytes) -> Any:
    """A value that need not be MessagePack."""
    try:
        return packed.loads(value)
    except RemoteProtocolError:
        return value


def _shown(value: Any) -> Any:
    """`value` as JSON has it."""
    if isinstance(value, packed.Extension):
        inside = _loaded(value.data)
        return {"ext": value.code, "value": _shown(inside)}
    if isinstance(value, bytes):
        return value[:_SHOWN_BYTES].hex()
    if isinstance(value, list | tuple):
        return [_shown(each) for each in value]
    if isinstance(value, dict):
        return {_name(name): _shown(each) for name, each in value.items()}
    return value


def _name(value: Any) -> str:
    return value if isinstance(value, str) else str(_shown(value))


def _left(expiration: float | None) -> int:
    return max(0, round((expiration or 0.0) - time.time()))

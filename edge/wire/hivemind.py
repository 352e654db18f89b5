"""Hivemind's DHT as messages: the unary call that carries them, ping, store and find.

A call is a stream whose protocol is the handler's bare name, without a slash. One length-delimited
Frame asks and one answers, with the same call id. Who calls is known from the connection alone:
nothing in a message proves it, and what authorises calls in hivemind (field 1) is not read.

Sources: learning-at-home/hivemind proto/dht.proto, proto/p2pd.proto and dht/protocol.py;
Kwaai-AI-Lab/KwaaiNet core/crates/kwaai-hivemind-dht
Portable: runs under CPython and MicroPython.
"""

import struct

from edge.wire import varint
from edge.wire.errors import RemoteProtocolError
from edge.wire.protobuf import BYTES, DOUBLE, MESSAGE, STRING, UINT, Field, Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from edge.wire.peerid import PeerId
    from edge.wire.types import Buffer

PING_ID = "DHTProtocol.rpc_ping"
STORE_ID = "DHTProtocol.rpc_store"
FIND_ID = "DHTProtocol.rpc_find"

MAX_FRAME = 4 << 20  # p2pd reads no longer ones; KwaaiNet reads 10 MiB
MAX_PAYLOAD = MAX_FRAME - (8 << 10)  # of a call or its answer: p2pd's frame has more around it
MAX_KEYS = 1024  # of one request
MAX_VALUE = 1 << 20
MAX_SUBKEY = 4096
MAX_ERROR = 4096
MAX_NEAREST = 256  # in one result; hivemind sends 20, or what it is configured with

ID_SIZE = 20  # of node ids and of keys on the wire, which are SHA-1
CALL_ID_SIZE = 16

# The kinds of FindResult.
NOT_FOUND, FOUND_REGULAR, FOUND_DICTIONARY = range(3)

PLAIN = b"\xc0"  # the subkey of a value that has none
DICTIONARY = b""  # the subkey of a value that is a whole dictionary


class CallUnary(Message):
    """A request. `peer` and `proto` say what the stream has said, and are not believed."""

    __slots__ = ("data", "peer", "proto")
    FIELDS = (
        Field(1, "peer", BYTES, limit=64),
        Field(2, "proto", STRING, limit=256),
        Field(3, "data", BYTES, limit=MAX_FRAME),
    )
    peer: "bytes | None"
    proto: "str | None"
    data: "bytes | None"


class UnaryResponse(Message):
    """An answer: `response`, or `error` as text."""

    __slots__ = ("error", "response")
    FIELDS = (
        Field(1, "response", BYTES, limit=MAX_FRAME),
        Field(2, "error", BYTES, limit=MAX_ERROR),
    )
    response: "bytes | None"
    error: "bytes | None"


class Frame(Message):
    """What a stream carries each way, hivemind's PersistentConnectionRequest."""

    __slots__ = ("call_id", "call_unary", "unary_response")
    FIELDS = (
        Field(1, "call_id", BYTES, limit=CALL_ID_SIZE),
        Field(3, "call_unary", MESSAGE, limit=MAX_FRAME, message=CallUnary),
        Field(4, "unary_response", MESSAGE, limit=MAX_FRAME, message=UnaryResponse),
    )
    call_id: "bytes | None"
    call_unary: "CallUnary | None"
    unary_response: "UnaryResponse | None"

    @classmethod
    def decode(cls, data: "Buffer") -> "Self":
        """Decode a frame of at most MAX_FRAME bytes. Raises RemoteProtocolError."""
        frame = super().decode(data)
        if frame.call_id is None or len(frame.call_id) != CALL_ID_SIZE:
            raise RemoteProtocolError(f"a unary call's id has {CALL_ID_SIZE} bytes")
        return frame


def call(call_id: bytes, protocol: str, data: bytes) -> bytes:
    """The frame of a request."""
    return Frame(
        call_id=call_id, call_unary=CallUnary(peer=b"", proto=protocol, data=data)
    ).encode()


def answer(call_id: bytes, response: bytes) -> bytes:
    """The frame of an answer to the call of that id."""
    return Frame(call_id=call_id, unary_response=UnaryResponse(response=response)).encode()


def refusal(call_id: bytes, error: str) -> bytes:
    """The frame that answers a call with an error."""
    text = error.encode("utf-8")[:MAX_ERROR]
    return Frame(call_id=call_id, unary_response=UnaryResponse(error=text)).encode()


class NodeInfo(Message):
    """The sender as a node of the DHT; of one that serves nobody, `node_id` is absent or empty."""

    __slots__ = ("node_id",)
    FIELDS = (Field(1, "node_id", BYTES, limit=64),)
    node_id: "bytes | None"


class _FromNode(Message):
    __slots__ = ()
    peer: "NodeInfo | None"

    @property
    def node_id(self) -> bytes:
        """What the sender says is its node id, of any length; empty if it says nothing."""
        return (self.peer and self.peer.node_id) or b""


class PingRequest(_FromNode):
    """`validate`: also tell whether the caller can be dialled."""

    __slots__ = ("peer", "validate")
    FIELDS = (
        Field(2, "peer", MESSAGE, limit=128, message=NodeInfo),
        Field(3, "validate", UINT),
    )
    validate: "int | None"


class PingResponse(_FromNode):
    """`dht_time`: seconds since 1970, absent while unknown. `available`: the caller was dialled."""

    __slots__ = ("available", "dht_time", "peer")
    FIELDS = (
        Field(2, "peer", MESSAGE, limit=128, message=NodeInfo),
        Field(4, "dht_time", DOUBLE),
        Field(5, "available", UINT),
    )
    dht_time: "float | None"
    available: "int | None"


class StoreRequest(_FromNode):
    """Lists of equal length; an absent subkey is PLAIN. `expirations`: seconds since 1970."""

    __slots__ = ("expirations", "in_cache", "keys", "peer", "subkeys", "values")
    FIELDS = (
        Field(2, "keys", BYTES, limit=ID_SIZE, many=MAX_KEYS),
        Field(3, "subkeys", BYTES, limit=MAX_SUBKEY, many=MAX_KEYS),
        Field(4, "values", BYTES, limit=MAX_VALUE, many=MAX_KEYS),
        Field(5, "expirations", DOUBLE, many=MAX_KEYS),
        Field(6, "in_cache", UINT, many=MAX_KEYS),
        Field(7, "peer", MESSAGE, limit=128, message=NodeInfo),
    )
    keys: "list[bytes]"
    subkeys: "list[bytes]"
    values: "list[bytes]"
    expirations: "list[float]"
    in_cache: "list[int]"

    def records(self) -> "list[tuple[bytes, bytes, bytes, float, bool]]":
        """(key, subkey, value, expiration, cached) of each. Raises RemoteProtocolError."""
        count = len(self.keys)
        _check_keys(self.keys)
        if len(self.values) != count or len(self.expirations) != count:
            raise RemoteProtocolError("a store request's lists differ in length")
        subkeys = self.subkeys[:count] + [PLAIN] * (count - len(self.subkeys))
        cached = [bool(each) for each in self.in_cache[:count]]
        cached += [False] * (count - len(cached))
        return [
            (self.keys[i], subkeys[i], self.values[i], self.expirations[i], cached[i])
            for i in range(count)
        ]


class StoreResponse(_FromNode):
    """`store_ok`: one for each key; also that it was stored before, as late, counts as failed."""

    __slots__ = ("peer", "store_ok")
    FIELDS = (
        Field(2, "store_ok", UINT, many=MAX_KEYS),
        Field(3, "peer", MESSAGE, limit=128, message=NodeInfo),
    )
    store_ok: "list[int]"


class FindRequest(_FromNode):
    __slots__ = ("keys", "peer")
    FIELDS = (
        Field(2, "keys", BYTES, limit=ID_SIZE, many=MAX_KEYS),
        Field(3, "peer", MESSAGE, limit=128, message=NodeInfo),
    )
    keys: "list[bytes]"

    @classmethod
    def decode(cls, data: "Buffer") -> "Self":
        """Raises RemoteProtocolError."""
        request = super().decode(data)
        _check_keys(request.keys)
        return request


class FindResult(Message):
    """`type`: NOT_FOUND if absent. The nearest peers, and their node ids in the same order."""

    __slots__ = ("expiration", "nearest_node_ids", "nearest_peer_ids", "type", "value")
    FIELDS = (
        Field(1, "type", UINT),
        Field(2, "value", BYTES, limit=MAX_FRAME),
        Field(3, "expiration", DOUBLE),
        Field(4, "nearest_node_ids", BYTES, limit=64, many=MAX_NEAREST),
        Field(5, "nearest_peer_ids", BYTES, limit=64, many=MAX_NEAREST),
    )
    type: "int | None"
    value: "bytes | None"
    expiration: "float | None"
    nearest_node_ids: "list[bytes]"
    nearest_peer_ids: "list[bytes]"


class FindResponse(_FromNode):
    __slots__ = ("peer", "results")
    FIELDS = (
        Field(2, "results", MESSAGE, limit=MAX_FRAME, many=MAX_KEYS, message=FindResult),
        Field(3, "peer", MESSAGE, limit=128, message=NodeInfo),
    )
    results: "list[FindResult]"


# Of 1,024 results with 20 peers each, most bytes are the peers', and the same ones: they are
# encoded once and joined. Repeated fields may be mixed, so a node is one piece.

_TYPE, _VALUE, _EXPIRATION, _NODE, _PEER = [field.key for field in FindResult.FIELDS]
_RESULT = FindResponse.FIELDS[0].key


def nearest_piece(node_id: bytes, peer: "PeerId") -> bytes:
    """One of the nearest peers, as `find_result` takes it."""
    node = _NODE + varint.encode(len(node_id)) + node_id
    return node + _PEER + varint.encode(len(peer.bytes)) + peer.bytes


def found_piece(kind: int, value: bytes, expiration: float) -> bytes:
    """What was found, as `find_result` takes it."""
    head = _TYPE + varint.encode(kind) + _VALUE + varint.encode(len(value))
    return head + value + _EXPIRATION + struct.pack("<d", expiration)


def find_result(found: bytes, nearest: "list[bytes]") -> bytes:
    """One result as a piece of a FindResponse. `found`: empty if nothing was."""
    body = found + b"".join(nearest)
    return _RESULT + varint.encode(len(body)) + body


def _check_keys(keys: "list[bytes]") -> None:
    for key in keys:
        if len(key) != ID_SIZE:
            raise RemoteProtocolError(f"a key has {ID_SIZE} bytes")

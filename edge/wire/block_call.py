"""KwaaiNet's call of a server of model blocks: `/kwaai/inference/1.0.0`, a unary call each.

A request names no blocks: the server computes those that it announces. Tensors are little-endian,
token ids four bytes each, hidden states and logits half precision. The message is a MessagePack map
of named fields, or an array of them in their order; what is unknown is skipped.

Source: core/crates/kwaai-cli/src/block_rpc.rs of KwaaiNet, and rmp-serde 1.3
"""

from edge.wire import packed
from edge.wire.errors import RemoteProtocolError
from edge.wire.named import U32, U64, number, octets
from edge.wire.octets import folded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

PROTOCOL_ID = "/kwaai/inference/1.0.0"
# What a server answers while it loads: clients call again later.
WARMING_UP = "node warming up - model loading"

TOKEN_IDS, HIDDEN_STATES, LOGITS = "token_ids", "hidden_states", "logits"
WIDTHS = {TOKEN_IDS: 4, HIDDEN_STATES: 2, LOGITS: 2}  # bytes of an element

MAX_MESSAGE = 10 << 20  # bytes, as KwaaiNet's frames have them
MAX_ERROR = 1024  # characters
_MAX_DIMENSIONS = 4
_MAX_ITEMS = 64
_MAX_DEPTH = 4


class Request:
    """`kind`: TOKEN_IDS, of `shape` [rows], or HIDDEN_STATES, [1, rows, width], in `data`.

    `position`: of the first row in the session.
    """

    __slots__ = ("data", "kind", "position", "session", "shape")
    _NAMES = ("session_id", "seq_pos", "payload_type", "shape", "data")
    _KINDS = (TOKEN_IDS, HIDDEN_STATES)

    def __init__(
        self, session: int, position: int, kind: str, shape: "Sequence[int]", data: bytes
    ) -> None:
        self.session = session
        self.position = position
        self.kind = kind
        self.shape = tuple(shape)
        self.data = data

    def encode(self) -> bytes:
        values = (self.session, self.position, self.kind, self.shape, self.data)
        return packed.dumps(dict(zip(self._NAMES, values, strict=True)))

    @classmethod
    def decode(cls, data: bytes) -> "Self":
        """Decode a message of at most MAX_MESSAGE bytes. Raises RemoteProtocolError."""
        fields = _fields(data, cls._NAMES)
        session, position = number(fields, "session_id", U64), number(fields, "seq_pos", U32)
        return cls(session, position, *_tensor(fields, "payload_type", cls._KINDS))


class Response:
    """`kind`: HIDDEN_STATES or LOGITS, of `shape`, in `data`; or why there are none in `error`."""

    __slots__ = ("data", "error", "kind", "session", "shape")
    _NAMES = ("session_id", "response_type", "shape", "data", "error")
    _KINDS = (HIDDEN_STATES, LOGITS)

    def __init__(
        self,
        session: int,
        kind: str = HIDDEN_STATES,
        shape: "Sequence[int]" = (),
        data: bytes = b"",
        error: str | None = None,
    ) -> None:
        self.session = session
        self.kind = kind
        self.shape = tuple(shape)
        self.data = data
        self.error = error

    def encode(self) -> bytes:
        values = (self.session, self.kind, self.shape, self.data, self.error)
        return packed.dumps(dict(zip(self._NAMES, values, strict=True)))

    @classmethod
    def decode(cls, data: bytes) -> "Self":
        """Decode a message of at most MAX_MESSAGE bytes. Raises RemoteProtocolError."""
        fields = _fields(data, cls._NAMES)
        session, error = number(fields, "session_id", U64), fields.get("error")
        if error is not None:
            if not isinstance(error, str):
                raise RemoteProtocolError("inference message: error is no text")
            return cls(session, error=error[:MAX_ERROR])
        return cls(session, *_tensor(fields, "response_type", cls._KINDS))


def _fields(data: bytes, names: "tuple[str, ...]") -> "dict[Any, Any]":
    if len(data) > MAX_MESSAGE:
        raise RemoteProtocolError(f"inference message longer than {MAX_MESSAGE} bytes")
    fields = packed.loads(folded(data, _MAX_ITEMS), _MAX_ITEMS, _MAX_DEPTH)
    if isinstance(fields, list) and len(fields) <= len(names):
        return dict(zip(names, fields, strict=False))
    if not isinstance(fields, dict):
        raise RemoteProtocolError("inference message is no map")
    return fields


def _tensor(
    fields: "dict[Any, Any]", key: str, kinds: "tuple[str, ...]"
) -> "tuple[str, tuple[int, ...], bytes]":
    kind, shape, data = fields.get(key), fields.get("shape"), octets(fields, "data")
    if kind not in kinds:
        raise RemoteProtocolError(f"inference message: {key} is none of {', '.join(kinds)}")
    if not isinstance(shape, list | bytes) or not len(shape) <= _MAX_DIMENSIONS:
        raise RemoteProtocolError("inference message: shape is no short list")
    size = WIDTHS[kind]
    for dimension in shape:
        if not isinstance(dimension, int) or not 0 < dimension <= U32:
            raise RemoteProtocolError("inference message: shape has other than lengths in it")
        size *= dimension
    if not shape or len(data) != size:
        raise RemoteProtocolError("inference message: data are not of that shape")
    return kind, tuple(shape), data

"""Our own protocol of inference: blocks of a model, called over one stream for a session's calls.

A message is a MessagePack map behind its length as a varint; `length` bytes of rows follow, raw. A
stream carries calls and their answers in order, one at a time; to reset it cancels the call under
way. Unknown keys are skipped, so that later versions may add some.

A call names a range of blocks, and the position of its first row. `call` numbers a session's calls,
upwards: the last one asked again is answered again, and an older one, late, changes nothing.

Rows are little-endian: token ids, four bytes each, or hidden states in one of DTYPES. INT8 has for
each 32 values a scale, half precision, in front of them. Source of that: ggml's Q8_0.

The map is decoded by edge.wire.packed, which bounds it first. No body is allocated by its length.
"""

from edge.wire import packed
from edge.wire.errors import RemoteProtocolError
from edge.wire.named import U32, U64, number, octets, text
from edge.wire.protobuf import delimited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

# Another name than KwaaiNet's: its peers skip keys that they do not know, and would compute others.
PROTOCOL_ID = "/kwaainet-edge/inference/1"

MAX_HEAD = 4096  # bytes of a map
MAX_BODY = 4 << 20  # bytes of rows
MAX_ROWS = 32  # of a call: more would give other bits than single steps, and hold others up
MAX_HOPS = 16
MAX_TOP = 256  # logits of a row that are told, instead of all
MAX_TEXT = 256  # characters of an error
MAX_DEADLINE = 600_000  # milliseconds
MAX_RETRY = 3600  # seconds
MODEL = 32  # bytes of a model's digest
_MAX_PEER = 64
_MAX_BLOCKS = 4096
_MAX_ITEMS = 128
_MAX_DEPTH = 4

F32, BF16, F16, INT8 = "f32", "bf16", "f16", "int8"
DTYPES = (F32, BF16, F16, INT8)
_GROUP = 32  # values of one scale in INT8

FORWARD, CLOSE = OPERATIONS = ("forward", "close")
HIDDEN, LOGITS, TOP = KINDS = ("hidden", "logits", "top")  # what rows of an answer are

GAP, LATE, FULL, RANGE = "gap", "late", "full", "range"
BUSY, MODEL_GONE, BAD, DEADLINE = "busy", "gone", "bad", "deadline"
ERRORS = (GAP, LATE, FULL, RANGE, BUSY, MODEL_GONE, BAD, DEADLINE)


def row_size(dtype: str, width: int) -> int:
    """Bytes of one row of `width` values; of INT8, `width` is a multiple of 32."""
    if dtype == F32:
        return 4 * width
    if dtype == INT8:
        return width // _GROUP * (2 + _GROUP)
    return 2 * width


class Hop:
    """Where the rows go next: the blocks from `start` to before `end` at `peer`, a binary id."""

    __slots__ = ("end", "peer", "start")

    def __init__(self, peer: bytes, start: int, end: int) -> None:
        self.peer = peer
        self.start = start
        self.end = end


class Call:
    """One call of a session. `operation`: FORWARD or CLOSE.

    `model`: the digest of the model. `start`, `end`: blocks. `position`: of the first of `rows`
    rows; `tokens`: whether these are token ids, else hidden states. The answer has that dtype too.
    `positions`: how many the session will have at most, told when it begins. `top`: how many logits
    of the last row are wanted where the head is; 0: all. `deadline`: milliseconds from now, 0 for
    none. `hops`: who computes on, the next first.
    """

    __slots__ = (
        "call",
        "deadline",
        "dtype",
        "end",
        "hops",
        "length",
        "model",
        "operation",
        "position",
        "positions",
        "rows",
        "session",
        "start",
        "tokens",
        "top",
    )

    def __init__(
        self,
        session: int,
        call: int,
        model: bytes,
        start: int,
        end: int,
        position: int,
        rows: int,
        length: int,
        *,
        tokens: bool = False,
        dtype: str = F32,
        positions: int = 0,
        top: int = 0,
        deadline: int = 0,
        hops: "Sequence[Hop]" = (),
    ) -> None:
        self.operation = FORWARD
        self.session = session
        self.call = call
        self.model = model
        self.start = start
        self.end = end
        self.position = position
        self.rows = rows
        self.length = length
        self.tokens = tokens
        self.dtype = dtype
        self.positions = positions
        self.top = top
        self.deadline = deadline
        self.hops = tuple(hops)

    @classmethod
    def close(cls, session: int, call: int, model: bytes) -> "Self":
        """The one that ends a session; its answer has no rows."""
        made = cls(session, call, model, 0, 0, 0, 0, 0)
        made.operation = CLOSE
        return made

    def encode(self) -> bytes:
        """With its length in front; the rows follow."""
        fields: dict[str, Any] = {
            "op": self.operation,
            "session": self.session,
            "call": self.call,
            "model": self.model,
        }
        if self.operation == FORWARD:
            names = ("start", "end", "position", "rows", "dtype", "length")
            fields |= {name: getattr(self, name) for name in names}
            optional = ("tokens", "positions", "top", "deadline")
            fields |= {name: value for name in optional if (value := getattr(self, name))}
            if self.hops:
                fields["hops"] = [[hop.peer, hop.start, hop.end] for hop in self.hops]
        return delimited(packed.dumps(fields))

    @classmethod
    def decode(cls, data: bytes) -> "Self":
        """Decode a map of at most MAX_HEAD bytes. Raises RemoteProtocolError.

        Whether `length` suits the model's width is for who knows the model.
        """
        fields = _fields(data)
        operation = fields.get("op")
        if operation not in OPERATIONS:
            raise RemoteProtocolError("unknown call")
        session, call, model = (
            number(fields, "session", U64),
            number(fields, "call", U64),
            _model(fields),
        )
        if operation == CLOSE:
            return cls.close(session, call, model)
        start, end = _blocks(fields.get("start"), fields.get("end"))
        rows = number(fields, "rows", MAX_ROWS)
        if not rows:
            raise RemoteProtocolError("call without rows")
        return cls(
            session,
            call,
            model,
            start,
            end,
            number(fields, "position", U32 - MAX_ROWS),
            rows,
            number(fields, "length", MAX_BODY),
            tokens=fields.get("tokens") is True,
            dtype=_dtype(fields),
            positions=_optional(fields, "positions", U32),
            top=_optional(fields, "top", MAX_TOP),
            deadline=_optional(fields, "deadline", MAX_DEADLINE),
            hops=_hops(fields.get("hops", [])),
        )


class Answer:
    """Answers the call of that number: `rows` rows, of `kind`, in `length` bytes.

    HIDDEN has all rows of the call, in `dtype`; LOGITS the last one's, single precision; TOP of it
    the largest, as pairs of a token id and its logit, four bytes each. `left`: how many positions
    more the server has room for.
    """

    __slots__ = ("call", "dtype", "kind", "left", "length", "rows")

    def __init__(
        self, call: int, kind: str, rows: int, length: int, *, dtype: str = F32, left: int = 0
    ) -> None:
        self.call = call
        self.kind = kind
        self.rows = rows
        self.length = length
        self.dtype = dtype
        self.left = left

    def encode(self) -> bytes:
        """With its length in front; the rows follow."""
        return delimited(packed.dumps({name: getattr(self, name) for name in self.__slots__}))

    @classmethod
    def of(cls, fields: "dict[Any, Any]") -> "Self":
        """Raises RemoteProtocolError."""
        kind = fields.get("kind")
        if kind not in KINDS:
            raise RemoteProtocolError("answer of an unknown kind")
        return cls(
            number(fields, "call", U64),
            kind,
            number(fields, "rows", MAX_ROWS),
            number(fields, "length", MAX_BODY),
            dtype=_dtype(fields),
            left=_optional(fields, "left", U64),
        )


class Refusal:
    """Why the call of that number has no answer: one of ERRORS.

    GAP: rows before its position are missing, from `position` on. LATE: a later call was answered.
    FULL: no room for the session; `left` as in Answer. RANGE: a value that `dtype` cannot hold.
    """

    __slots__ = ("call", "error", "left", "position", "retry_after", "text")

    def __init__(
        self,
        call: int,
        error: str,
        text: str = "",
        *,
        position: int = 0,
        left: int = 0,
        retry_after: int = 0,
    ) -> None:
        self.call = call
        self.error = error
        self.text = text[:MAX_TEXT]
        self.position = position
        self.left = left
        self.retry_after = retry_after

    def encode(self) -> bytes:
        """With its length in front."""
        return delimited(packed.dumps({name: getattr(self, name) for name in self.__slots__}))

    @classmethod
    def of(cls, fields: "dict[Any, Any]") -> "Self":
        """What a server said; an error of a later version counts as BAD."""
        error = text(fields, "error", MAX_TEXT)
        return cls(
            number(fields, "call", U64),
            error if error in ERRORS else BAD,
            text(fields, "text", MAX_TEXT) if "text" in fields else "",
            position=_optional(fields, "position", U32),
            left=_optional(fields, "left", U64),
            retry_after=_optional(fields, "retry_after", MAX_RETRY),
        )


def decode_answer(data: bytes) -> "Answer | Refusal":
    """Decode a map of at most MAX_HEAD bytes. Raises RemoteProtocolError."""
    fields = _fields(data)
    return Refusal.of(fields) if "error" in fields else Answer.of(fields)


def _fields(data: bytes) -> "dict[Any, Any]":
    if len(data) > MAX_HEAD:
        raise RemoteProtocolError(f"inference message longer than {MAX_HEAD} bytes")
    fields = packed.loads(data, _MAX_ITEMS, _MAX_DEPTH)
    if not isinstance(fields, dict):
        raise RemoteProtocolError("inference message is no map")
    return fields


def _optional(fields: "dict[Any, Any]", key: str, most: int) -> int:
    return number(fields, key, most) if key in fields else 0


def _dtype(fields: "dict[Any, Any]") -> str:
    dtype = text(fields, "dtype", 8)
    if dtype not in DTYPES:
        raise RemoteProtocolError(f"unknown dtype {dtype}")
    return dtype


def _model(fields: "dict[Any, Any]") -> bytes:
    model = octets(fields, "model")
    if len(model) != MODEL:
        raise RemoteProtocolError("model is no digest")
    return model


def _blocks(start: "Any", end: "Any") -> "tuple[int, int]":
    known = type(start) is int and type(end) is int
    if not known or not 0 <= start < end <= _MAX_BLOCKS:
        raise RemoteProtocolError("call of no blocks")
    return start, end


def _hops(value: "Any") -> "list[Hop]":
    if not isinstance(value, list) or len(value) > MAX_HOPS:
        raise RemoteProtocolError("hops are no short list")
    hops = []
    for hop in value:
        if not isinstance(hop, list) or len(hop) != 3 or not isinstance(hop[0], bytes):
            raise RemoteProtocolError("hop is not a peer and its blocks")
        if not 0 < len(hop[0]) <= _MAX_PEER:
            raise RemoteProtocolError("hop's peer is no peer id")
        hops.append(Hop(hop[0], *_blocks(hop[1], hop[2])))
    return hops

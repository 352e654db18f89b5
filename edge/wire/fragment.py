"""The fragment protocol: what a peer has of a file, and pieces of it that prove themselves.

A stream carries one request and its answer. Both are a MessagePack map behind its length as a
varint; in an answer `length` bytes of body follow, raw. Streams are cheap, and yamux gives each its
own order, window and end: several requests under way are several streams, and one that nobody waits
for any more is reset.

A piece is one of edge.wire.merkle. A range comes with the hashes of its pieces and with the proof
that these lie below the root, before any byte of it: each piece is checked as it arrives. Unknown
keys are skipped, so that later versions may add some.

The map is decoded by edge.wire.packed, which bounds it first. No body is allocated by its length.
"""

from edge.wire import packed
from edge.wire.errors import RemoteProtocolError
from edge.wire.merkle import HASH, MAX_PROOF, MAX_SIZE, piece_length, pieces, proves, split
from edge.wire.protobuf import delimited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self, TypeAlias

    Answer: TypeAlias = "Have | Row | Range | Manifest | Attestations"

PROTOCOL_ID = "/kwaainet/fragment/1.0.0"

MAX_REQUEST = 512  # bytes
MAX_ANSWER = 16384  # bytes, without the body
MAX_PIECES = 64  # of a range: 16 MiB
WINDOW = 16384  # pieces that one HAVE or ROW tells of
MAX_NAME = 64  # bytes
MAX_MANIFEST = 1 << 16  # bytes, as edge.models has them
MAX_ATTESTATIONS = 8
MAX_ATTESTATION = 1024  # bytes
MAX_TEXT = 256  # characters of an error
MAX_RETRY = 3600  # seconds
_MAX_ITEMS = 96  # keys, values and elements of a map
_MAX_DEPTH = 4
_MAX_PIECE = MAX_SIZE // (1 << 18)

HAVE, ROW, RANGE, MANIFEST, ATTESTATIONS = "have", "row", "range", "manifest", "attestations"
OPERATIONS = (HAVE, ROW, RANGE, MANIFEST, ATTESTATIONS)
_OF_PIECES = (HAVE, ROW, RANGE)

NOT_FOUND, BUSY, REFUSED, TOO_LARGE, BAD_REQUEST = (
    "not-found",
    "busy",
    "refused",
    "too-large",
    "bad",
)
ERRORS = (NOT_FOUND, BUSY, REFUSED, TOO_LARGE, BAD_REQUEST)


class Request:
    """`name`: of a file (a byte for the kind and a digest), or the id of a manifest.

    `first`, `count`: of pieces, where the request is about some.
    """

    __slots__ = ("count", "first", "name", "operation")

    def __init__(self, operation: str, name: bytes, first: int = 0, count: int = 0) -> None:
        self.operation = operation
        self.name = name
        self.first = first
        self.count = count

    def encode(self) -> bytes:
        """With its length in front."""
        fields: dict[str, Any] = {"op": self.operation, "name": self.name}
        if self.operation in _OF_PIECES:
            fields["first"], fields["count"] = self.first, self.count
        return delimited(packed.dumps(fields))

    @classmethod
    def decode(cls, data: bytes) -> "Self":
        """Decode a message of at most MAX_REQUEST bytes. Raises RemoteProtocolError."""
        fields = _fields(data, MAX_REQUEST)
        operation = fields.get("op")
        if operation not in OPERATIONS:
            raise RemoteProtocolError("unknown fragment request")
        name = _bytes(fields, "name", MAX_NAME)
        if operation not in _OF_PIECES:
            return cls(operation, name)
        first, count = _number(fields, "first", _MAX_PIECE), _number(fields, "count", _MAX_PIECE)
        if not count:
            raise RemoteProtocolError("fragment request for no piece")
        return cls(operation, name, first, count)


class Refusal:
    """Why there is no answer. `retry_after`: seconds, 0 where trying again is of no use."""

    __slots__ = ("error", "retry_after", "text")

    def __init__(self, error: str, text: str = "", retry_after: int = 0) -> None:
        self.error = error
        self.text = text
        self.retry_after = retry_after

    def encode(self) -> bytes:
        """With its length in front."""
        fields: dict[str, Any] = {"error": self.error, "text": self.text[:MAX_TEXT]}
        if self.retry_after:
            fields["retry_after"] = self.retry_after
        return delimited(packed.dumps(fields))

    @classmethod
    def of(cls, fields: "dict[Any, Any]") -> "Self":
        """What a peer said; an error of a later version counts as REFUSED."""
        error, text = fields["error"], fields.get("text", "")
        if not isinstance(error, str) or not isinstance(text, str):
            raise RemoteProtocolError("fragment error is no text")
        known = error if error in ERRORS else REFUSED
        after = _number(fields, "retry_after", MAX_RETRY) if "retry_after" in fields else 0
        return cls(known, text[:MAX_TEXT], after)


class Have:
    """Answers HAVE. `size`, `root`: of the file; `whole`: whether all of its pieces are there.

    The body is one bit for each piece asked for, the first one the highest of its byte: `count` of
    them, up to the end of the file, and at most WINDOW.
    """

    __slots__ = ("count", "first", "root", "size", "whole")

    def __init__(self, size: int, root: bytes, whole: bool, first: int, count: int) -> None:
        self.size = size
        self.root = root
        self.whole = whole
        self.first = first
        self.count = count

    @property
    def length(self) -> int:
        """Bytes of the body."""
        return (self.count + 7) // 8

    def encode(self) -> bytes:
        """With its length in front; the body follows."""
        return _answer(self, ("size", "root", "whole", "first", "count"))

    @classmethod
    def of(cls, fields: "dict[Any, Any]", request: Request) -> "Self":
        """The answer to `request`. Raises RemoteProtocolError."""
        size, root = _number(fields, "size", MAX_SIZE), _bytes(fields, "root", HASH, HASH)
        count = min(request.count, WINDOW, pieces(size) - request.first)
        answer = cls(size, root, fields.get("whole") is True, request.first, count)
        _same(fields, "first", request.first)
        _same(fields, "count", count)
        _same(fields, "length", answer.length)
        return answer


class Manifest:
    """Answers MANIFEST. The body is the manifest."""

    __slots__ = ("length",)

    def __init__(self, length: int) -> None:
        self.length = length

    def encode(self) -> bytes:
        """With its length in front; the body follows."""
        return _answer(self, ())

    @classmethod
    def of(cls, fields: "dict[Any, Any]", _: Request) -> "Self":
        """Raises RemoteProtocolError."""
        return cls(_number(fields, "length", MAX_MANIFEST))


class Attestations:
    """Answers ATTESTATIONS. `items`: as edge.models has them; no body."""

    __slots__ = ("items",)
    length = 0

    def __init__(self, items: "list[bytes]") -> None:
        self.items = items

    def encode(self) -> bytes:
        """With its length in front."""
        return _answer(self, ("items",))

    @classmethod
    def of(cls, fields: "dict[Any, Any]", _: Request) -> "Self":
        """Raises RemoteProtocolError."""
        items = fields.get("items")
        if not isinstance(items, list) or len(items) > MAX_ATTESTATIONS:
            raise RemoteProtocolError("attestations are no short list")
        if not all(isinstance(item, bytes) and len(item) <= MAX_ATTESTATION for item in items):
            raise RemoteProtocolError("attestation is too long")
        return cls(items)


class Row:
    """Answers ROW. The body is the hashes of `count` pieces, up to the end of the file and at most
    WINDOW, which `proof` proves.
    """

    __slots__ = ("count", "first", "proof", "size")

    def __init__(self, size: int, first: int, count: int, proof: bytes) -> None:
        self.size = size
        self.first = first
        self.count = count
        self.proof = proof

    @property
    def length(self) -> int:
        """Bytes of the body."""
        return self.count * HASH

    def encode(self) -> bytes:
        """With its length in front; the body follows."""
        return _answer(self, ("size", "first", "count", "proof"))

    @classmethod
    def of(cls, fields: "dict[Any, Any]", request: Request) -> "Self":
        """The answer to `request`. Raises RemoteProtocolError."""
        size = _number(fields, "size", MAX_SIZE)
        count = min(request.count, WINDOW, pieces(size) - request.first)
        answer = cls(size, request.first, count, _bytes(fields, "proof", MAX_PROOF))
        _same(fields, "first", request.first)
        _same(fields, "count", count)
        _same(fields, "length", answer.length)
        return answer

    def proven(self, root: bytes, size: int, body: bytes) -> bool:
        """Whether `body` is of the file of `size` bytes with this root."""
        known = size == self.size and len(body) == self.length
        return known and proves(root, pieces(size), self.first, split(body), self.proof)


class Range:
    """Answers RANGE. `hashes`: of the `count` pieces from `first` on, one after the other, which
    `proof` proves. The body is these pieces, maybe fewer than were asked for, but one at least.
    """

    __slots__ = ("count", "first", "hashes", "proof", "size")

    def __init__(self, size: int, first: int, hashes: bytes, proof: bytes) -> None:
        self.size = size
        self.first = first
        self.count = len(hashes) // HASH
        self.hashes = hashes
        self.proof = proof

    @property
    def length(self) -> int:
        """Bytes of the body."""
        last = self.first + self.count - 1
        return (self.count - 1) * piece_length(self.size, self.first) + piece_length(
            self.size, last
        )

    def encode(self) -> bytes:
        """With its length in front; the body follows."""
        return _answer(self, ("size", "first", "hashes", "proof"))

    @classmethod
    def of(cls, fields: "dict[Any, Any]", request: Request) -> "Self":
        """The answer to `request`, for a file that has such a piece. Raises RemoteProtocolError."""
        size = _number(fields, "size", MAX_SIZE)
        hashes = _bytes(fields, "hashes", MAX_PIECES * HASH, HASH)
        answer = cls(size, request.first, hashes, _bytes(fields, "proof", MAX_PROOF))
        _same(fields, "first", request.first)
        within = request.first + answer.count <= pieces(size)
        if len(hashes) % HASH or answer.count > request.count or not within:
            raise RemoteProtocolError("not the pieces that were asked for")
        _same(fields, "length", answer.length)
        return answer

    def hash_of(self, piece: int) -> bytes:
        """The hash of one of them."""
        at = (piece - self.first) * HASH
        return self.hashes[at : at + HASH]

    def proven(self, root: bytes, size: int) -> bool:
        """Whether these are pieces of the file of `size` bytes with this root."""
        known = size == self.size
        return known and proves(root, pieces(size), self.first, split(self.hashes), self.proof)


_ANSWERS: "dict[str, Callable[[dict[Any, Any], Request], Answer]]" = {
    HAVE: Have.of,
    ROW: Row.of,
    RANGE: Range.of,
    MANIFEST: Manifest.of,
    ATTESTATIONS: Attestations.of,
}


def decode_answer(data: bytes, request: Request) -> "Answer | Refusal":
    """The answer to `request`, at most MAX_ANSWER bytes. Raises RemoteProtocolError."""
    fields = _fields(data, MAX_ANSWER)
    if "error" in fields:
        return Refusal.of(fields)
    return _ANSWERS[request.operation](fields, request)


def bitmap(count: int, runs: "list[tuple[int, int]]") -> bytes:
    """Bits 0 to `count`, of which those in the ranges `runs` are set."""
    bits = bytearray((count + 7) // 8)
    for start, end in runs:
        for at in range(start, end):
            bits[at // 8] |= 0x80 >> at % 8
    return bytes(bits)


def runs(bits: bytes, count: int) -> "list[tuple[int, int]]":
    """The ranges of bits that are set, of the first `count`."""
    found: list[tuple[int, int]] = []
    start = -1
    for at in range(count + 1):
        is_set = at < count and bits[at // 8] & 0x80 >> at % 8
        if is_set and start < 0:
            start = at
        elif not is_set and start >= 0:
            found.append((start, at))
            start = -1
    return found


def _answer(answer: "Any", keys: "tuple[str, ...]") -> bytes:
    fields = {key: getattr(answer, key) for key in keys}
    return delimited(packed.dumps({**fields, "length": answer.length}))


def _fields(data: bytes, most: int) -> "dict[Any, Any]":
    if len(data) > most:
        raise RemoteProtocolError(f"fragment message longer than {most} bytes")
    fields = packed.loads(data, _MAX_ITEMS, _MAX_DEPTH)
    if not isinstance(fields, dict):
        raise RemoteProtocolError("fragment message is no map")
    return fields


def _number(fields: "dict[Any, Any]", key: str, most: int) -> int:
    value = fields.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise RemoteProtocolError(f"fragment message: {key} is no number up to {most}")
    return value


def _bytes(fields: "dict[Any, Any]", key: str, most: int, least: int = 0) -> bytes:
    value = fields.get(key)
    if not isinstance(value, bytes) or not least <= len(value) <= most:
        raise RemoteProtocolError(f"fragment message: {key} is not up to {most} bytes")
    return value


def _same(fields: "dict[Any, Any]", key: str, expected: int) -> None:
    if fields.get(key) != expected or expected < 0:
        raise RemoteProtocolError(f"fragment message: {key} is not {expected}")

"""KwaaiNet's requests to a peer that serves a whole model, and the leases that admit them.

Three ways carry an HTTP request and its answer: the unary calls `/kwaai/ollama-proxy/1.0.0` and
`/kwaai/shard-proxy/1.0.0`, and frames on one stream, `/kwaai/inference-mux/1.0.0`. A lease comes by
frames or by the unary call `/kwaai/capacity-lease/1.0.0`. All are MessagePack maps of named fields;
of an enum, the variant's name with its fields, or the name alone where it has none.

Source: ollama_proxy.rs, inference_mux.rs and capacity_lease.rs of KwaaiNet's kwaai-cli
"""

from edge.wire import packed
from edge.wire.errors import RemoteProtocolError
from edge.wire.named import U16, U32, U64, number, octets, text
from edge.wire.octets import folded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

OLLAMA_PROXY_ID = "/kwaai/ollama-proxy/1.0.0"
SHARD_PROXY_ID = "/kwaai/shard-proxy/1.0.0"
CAPACITY_LEASE_ID = "/kwaai/capacity-lease/1.0.0"
MUX_ID = "/kwaai/inference-mux/1.0.0"

PREFIX = 4  # bytes of a frame's length, little-endian, in front of it
MAX_FRAME = 4 << 20  # bytes that are taken; KwaaiNet sends up to 64 MiB
LEASE_TIME = 30  # seconds from the grant, or from the last request
LEASE_EXPIRED = 409  # the status of a request under a lease that is over or unknown

MAX_PATH = 1024  # characters
MAX_METHOD = 16
MAX_MODEL = 256
MAX_RETRY = 3600  # seconds
_MAX_ITEMS = 64
_MAX_DEPTH = 6


class HttpRequest:
    """`request`: its number on its stream, None in a unary call. `lease`: its id, if it has one."""

    __slots__ = ("body", "lease", "method", "path", "request")

    def __init__(
        self,
        method: str,
        path: str,
        body: bytes,
        lease: int | None = None,
        request: int | None = None,
    ) -> None:
        self.method = method
        self.path = path
        self.body = body
        self.lease = lease
        self.request = request

    def fields(self) -> "dict[str, Any]":
        return {
            **_numbered(self.request),
            "method": self.method,
            "path": self.path,
            "body": self.body,
            "lease_id": self.lease,
        }

    @classmethod
    def of(cls, fields: "dict[Any, Any]", numbered: bool) -> "Self":
        """Raises RemoteProtocolError."""
        request = _request(fields) if numbered else None
        lease = fields.get("lease_id")
        if lease is not None:
            lease = number(fields, "lease_id", U64)
        method, path = text(fields, "method", MAX_METHOD), text(fields, "path", MAX_PATH)
        return cls(method, path, octets(fields, "body"), lease, request)


class HttpResponse:
    """`request`: the number of the one that it answers."""

    __slots__ = ("body", "request", "status")

    def __init__(self, status: int, body: bytes, request: int | None = None) -> None:
        self.status = status
        self.body = body
        self.request = request

    def fields(self) -> "dict[str, Any]":
        return {**_numbered(self.request), "status": self.status, "body": self.body}

    @classmethod
    def of(cls, fields: "dict[Any, Any]", numbered: bool) -> "Self":
        """Raises RemoteProtocolError."""
        request = _request(fields) if numbered else None
        return cls(number(fields, "status", U16), octets(fields, "body"), request)


class Granted:
    """A lease of that id, for so many seconds from the last request on."""

    __slots__ = ("lease", "seconds")

    def __init__(self, lease: int, seconds: int = LEASE_TIME) -> None:
        self.lease = lease
        self.seconds = seconds

    def value(self) -> "Any":
        return {"Granted": {"lease_id": self.lease, "ttl_secs": self.seconds}}


class AtCapacity:
    """No lease now; in `retry_after` seconds maybe."""

    __slots__ = ("retry_after",)

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after

    def value(self) -> "Any":
        return {"DeniedAtCapacity": {"retry_after_secs": self.retry_after}}


class Denied:
    """No lease, whenever it is asked for; `reason` as KwaaiNet calls it."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def value(self) -> "Any":
        return self.reason


WRONG_MODEL = "DeniedWrongModel"
_REASONS = (
    WRONG_MODEL,
    "DeniedLeaseUnknown",
    "DeniedProtocolUnsupported",
    "PeerUnreachable",
)

if TYPE_CHECKING:
    Outcome = Granted | AtCapacity | Denied


class AskLease:
    """`model`: its name; None for whichever is served. `request`: as in HttpRequest."""

    __slots__ = ("model", "request")

    def __init__(self, model: str | None, request: int | None = None) -> None:
        self.model = model
        self.request = request

    def fields(self) -> "dict[str, Any]":
        return {**_numbered(self.request), "model": self.model}

    @classmethod
    def of(cls, fields: "dict[Any, Any]", numbered: bool) -> "Self":
        """Raises RemoteProtocolError."""
        request = _request(fields) if numbered else None
        absent = fields.get("model") is None
        return cls(None if absent else text(fields, "model", MAX_MODEL), request)


class AnswerLease:
    """What became of AskLease."""

    __slots__ = ("outcome", "request")

    def __init__(self, outcome: "Outcome", request: int) -> None:
        self.outcome = outcome
        self.request = request

    def fields(self) -> "dict[str, Any]":
        return {**_numbered(self.request), "outcome": self.outcome.value()}

    @classmethod
    def of(cls, fields: "dict[Any, Any]", _: bool) -> "Self":
        """Raises RemoteProtocolError."""
        request = _request(fields)
        return cls(_outcome(fields.get("outcome")), request)


class _OfLease:
    __slots__ = ("lease",)

    def __init__(self, lease: int) -> None:
        self.lease = lease

    def fields(self) -> "dict[str, Any]":
        return {"lease_id": self.lease}

    @classmethod
    def of(cls, fields: "dict[Any, Any]", _: bool) -> "Self":
        """Raises RemoteProtocolError."""
        return cls(number(fields, "lease_id", U64))


class ReleaseLease(_OfLease):
    """The lease is not needed any more; nothing is answered."""


class KeepLease(_OfLease):
    """The lease is still needed; nothing is answered."""


if TYPE_CHECKING:
    Frame = HttpRequest | HttpResponse | AskLease | AnswerLease | ReleaseLease | KeepLease

_FRAMES: "dict[str, type[Frame]]" = {
    "Request": HttpRequest,
    "Response": HttpResponse,
    "LeaseRequest": AskLease,
    "LeaseResponse": AnswerLease,
    "LeaseRelease": ReleaseLease,
    "LeaseKeepalive": KeepLease,
}
_NAMES = {kind: name for name, kind in _FRAMES.items()}


def encode_frame(frame: "Frame") -> bytes:
    """For a stream of MUX_ID, with its length in front."""
    body = packed.dumps({_NAMES[type(frame)]: frame.fields()})
    return len(body).to_bytes(PREFIX, "little") + body


def decode_frame(data: bytes) -> "Frame":
    """Decode a frame without its length, at most MAX_FRAME bytes. Raises RemoteProtocolError."""
    variant = _map(data)
    if len(variant) != 1:
        raise RemoteProtocolError("mux frame is not one variant")
    ((name, fields),) = variant.items()
    kind = _FRAMES.get(name)
    if kind is None or not isinstance(fields, dict):
        raise RemoteProtocolError("unknown mux frame")
    return kind.of(fields, True)


def encode(message: "HttpRequest | HttpResponse | AskLease") -> bytes:
    """For a unary call."""
    return packed.dumps(message.fields())


def decode_http(data: bytes) -> HttpRequest:
    """Decode a proxy's request. Raises RemoteProtocolError."""
    return HttpRequest.of(_map(data), False)


def decode_answer(data: bytes) -> HttpResponse:
    """Decode a proxy's answer. Raises RemoteProtocolError."""
    return HttpResponse.of(_map(data), False)


def decode_ask(data: bytes) -> AskLease:
    """Decode a request for a lease. Raises RemoteProtocolError."""
    return AskLease.of(_map(data), False)


def encode_outcome(outcome: "Outcome") -> bytes:
    """What a request for a lease is answered."""
    return packed.dumps(outcome.value())


def decode_outcome(data: bytes) -> "Outcome":
    """Raises RemoteProtocolError."""
    _bounded(data)
    return _outcome(packed.loads(data, _MAX_ITEMS, _MAX_DEPTH))


def _outcome(value: "Any") -> "Outcome":
    if isinstance(value, str) and value in _REASONS:
        return Denied(value)
    if isinstance(value, dict) and len(value) == 1:
        ((name, fields),) = value.items()
        if name == "Granted" and isinstance(fields, dict):
            lease, seconds = number(fields, "lease_id", U64), number(fields, "ttl_secs", U32)
            return Granted(lease, seconds)
        if name == "DeniedAtCapacity" and isinstance(fields, dict):
            return AtCapacity(min(number(fields, "retry_after_secs", U32), MAX_RETRY))
    raise RemoteProtocolError("unknown answer to a request for a lease")


def _bounded(data: bytes) -> None:
    if len(data) > MAX_FRAME:
        raise RemoteProtocolError(f"message longer than {MAX_FRAME} bytes")


def _map(data: bytes) -> "dict[Any, Any]":
    _bounded(data)
    fields = packed.loads(folded(data, _MAX_ITEMS), _MAX_ITEMS, _MAX_DEPTH)
    if not isinstance(fields, dict):
        raise RemoteProtocolError("message is no map")
    return fields


def _request(fields: "dict[Any, Any]") -> int:
    return number(fields, "request_id", U64)


def _numbered(request: int | None) -> "dict[str, Any]":
    return {} if request is None else {"request_id": request}

"""AutoNAT: the messages by which a node asks another to dial it back, versions 1 and 2.

In version 1 the answer is all there is. In version 2 the server repeats the client's nonce on a
stream of the connection that it has made, so that the client sees it arrive; a server may ask for
data first, so that to dial costs the client more than the server. Messages are length-delimited, at
most MAX_MESSAGE bytes.

Sources: libp2p/specs autonat/autonat-v1.md and autonat-v2.md
Portable: runs under CPython and MicroPython.
"""

from edge.wire.errors import RemoteProtocolError
from edge.wire.multiaddr import MAX_BYTES
from edge.wire.protobuf import BYTES, FIXED64, MESSAGE, STRING, UINT, Field, Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from edge.wire.types import Buffer

V1_ID = "/libp2p/autonat/1.0.0"
DIAL_REQUEST_ID = "/libp2p/autonat/2/dial-request"
DIAL_BACK_ID = "/libp2p/autonat/2/dial-back"

MAX_MESSAGE = 8192  # go-libp2p's maxMsgSize of version 2; it has 4096 in version 1
MAX_DIAL_BACK = 64
MAX_ADDRESSES = 16  # of version 1 that are looked at, as in go-libp2p
MAX_ADDRESSES2 = 50  # of version 2, likewise
MAX_DATA = 100_000  # bytes that a server may ask for, by the specification
MAX_DATA_MESSAGE = 1024  # of these in a message: rust-libp2p takes no more than 4096
_MAX_TEXT = 512  # bytes of an error's text

# Statuses of version 1.
OK = 0
E_DIAL_ERROR = 100
E_DIAL_REFUSED = 101
E_BAD_REQUEST = 200
E_INTERNAL_ERROR = 300

# Statuses of version 2: of the answer, and of the dial that an answer with OK2 tells of.
E_REQUEST_REJECTED = 100
E_REFUSED2 = 101
OK2 = 200
DIAL_FAILED = 100
DIAL_BACK_FAILED = 101
DIAL_OK = 200


class PeerInfo(Message):
    """Addresses beyond the bounds are left out."""

    TOLERANT = True

    __slots__ = ("addrs", "id")
    FIELDS = (
        Field(1, "id", BYTES, limit=64),
        Field(2, "addrs", BYTES, limit=MAX_BYTES, many=MAX_ADDRESSES),
    )
    id: "bytes | None"
    addrs: "list[bytes]"


class Dial(Message):
    __slots__ = ("peer",)
    FIELDS = (Field(1, "peer", MESSAGE, limit=MAX_MESSAGE, message=PeerInfo),)
    peer: "PeerInfo | None"


class DialAnswer(Message):
    """`addr`: the address that was reached, with OK."""

    __slots__ = ("addr", "status", "text")
    FIELDS = (
        Field(1, "status", UINT),
        Field(2, "text", STRING, limit=_MAX_TEXT),
        Field(3, "addr", BYTES, limit=MAX_BYTES),
    )
    status: "int | None"
    text: "str | None"
    addr: "bytes | None"


class _Bounded(Message):
    """A message whose length is looked at first."""

    __slots__ = ()

    @classmethod
    def decode(cls, data: "Buffer") -> "Self":
        if len(data) > MAX_MESSAGE:
            raise RemoteProtocolError(f"AutoNAT message longer than {MAX_MESSAGE} bytes")
        return super().decode(data)


class Message1(_Bounded):
    """All of version 1: `type` is DIAL (with `dial`) or ANSWER (with `answer`)."""

    DIAL = 0
    ANSWER = 1

    __slots__ = ("answer", "dial", "type")
    FIELDS = (
        Field(1, "type", UINT),
        Field(2, "dial", MESSAGE, limit=MAX_MESSAGE, message=Dial),
        Field(3, "answer", MESSAGE, limit=MAX_MESSAGE, message=DialAnswer),
    )
    type: "int | None"
    dial: "Dial | None"
    answer: "DialAnswer | None"


class DialRequest(Message):
    """`addrs`: in the order of preference; the answer names one by its index."""

    __slots__ = ("addrs", "nonce")
    FIELDS = (
        Field(1, "addrs", BYTES, limit=MAX_MESSAGE, many=MAX_ADDRESSES2),
        Field(2, "nonce", FIXED64),
    )
    addrs: "list[bytes]"
    nonce: "int | None"


class DialResponse(Message):
    """`status`: of the request. With OK2, `dial_status` tells of the address at `index`."""

    __slots__ = ("dial_status", "index", "status")
    FIELDS = (
        Field(1, "status", UINT),
        Field(2, "index", UINT),
        Field(3, "dial_status", UINT),
    )
    status: "int | None"
    index: "int | None"
    dial_status: "int | None"


class DataRequest(Message):
    """The server wants `length` bytes before it dials the address at `index`."""

    __slots__ = ("index", "length")
    FIELDS = (Field(1, "index", UINT), Field(2, "length", UINT))
    index: "int | None"
    length: "int | None"


class DataResponse(Message):
    """A part of that, of any content."""

    __slots__ = ("data",)
    FIELDS = (Field(1, "data", BYTES, limit=MAX_MESSAGE),)
    data: "bytes | None"


class Message2(_Bounded):
    """What the two say on the stream of a request in version 2: one of these."""

    __slots__ = ("data", "data_request", "request", "response")
    FIELDS = (
        Field(1, "request", MESSAGE, limit=MAX_MESSAGE, message=DialRequest),
        Field(2, "response", MESSAGE, limit=MAX_MESSAGE, message=DialResponse),
        Field(3, "data_request", MESSAGE, limit=64, message=DataRequest),
        Field(4, "data", MESSAGE, limit=MAX_MESSAGE, message=DataResponse),
    )
    request: "DialRequest | None"
    response: "DialResponse | None"
    data_request: "DataRequest | None"
    data: "DataResponse | None"


class DialBack(Message):
    """The first and only message of the server on the connection that it has made."""

    __slots__ = ("nonce",)
    FIELDS = (Field(1, "nonce", FIXED64),)
    nonce: "int | None"


class DialBackResponse(Message):
    """The client's answer to it; `status` is 0, OK."""

    __slots__ = ("status",)
    FIELDS = (Field(1, "status", UINT),)
    status: "int | None"

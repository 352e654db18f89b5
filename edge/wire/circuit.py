"""Circuit relay v2: the messages of hop (client to relay) and stop (relay to target).

Messages are length-delimited (edge.wire.delimited, at most MAX_MESSAGE bytes). After a STATUS with
OK in answer to a CONNECT, the stream belongs to the circuit.

Source: https://github.com/libp2p/specs/blob/master/relay/circuit-v2.md
Portable: runs under CPython and MicroPython.
"""

from edge.wire.errors import RemoteProtocolError
from edge.wire.peerid import PeerId
from edge.wire.protobuf import BYTES, MESSAGE, UINT, Field, Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from edge.wire.types import Buffer

HOP_ID = "/libp2p/circuit/relay/0.2.0/hop"
STOP_ID = "/libp2p/circuit/relay/0.2.0/stop"

MAX_MESSAGE = 4096  # go-libp2p's maxMessageSize
MAX_ADDRESSES = 64

OK = 100
RESERVATION_REFUSED = 200
RESOURCE_LIMIT_EXCEEDED = 201
PERMISSION_DENIED = 202
CONNECTION_FAILED = 203
NO_RESERVATION = 204
MALFORMED_MESSAGE = 400
UNEXPECTED_MESSAGE = 401

STATUS_NAMES = {
    OK: "OK",
    RESERVATION_REFUSED: "RESERVATION_REFUSED",
    RESOURCE_LIMIT_EXCEEDED: "RESOURCE_LIMIT_EXCEEDED",
    PERMISSION_DENIED: "PERMISSION_DENIED",
    CONNECTION_FAILED: "CONNECTION_FAILED",
    NO_RESERVATION: "NO_RESERVATION",
    MALFORMED_MESSAGE: "MALFORMED_MESSAGE",
    UNEXPECTED_MESSAGE: "UNEXPECTED_MESSAGE",
}


class Peer(Message):
    """The peer of a message. `addrs` is for active relays and is ignored here."""

    __slots__ = ("addrs", "id")
    FIELDS = (
        Field(1, "id", BYTES, limit=64),
        Field(2, "addrs", BYTES, limit=1024, many=MAX_ADDRESSES),
    )
    id: "bytes | None"
    addrs: "list[bytes]"

    def peer_id(self) -> PeerId:
        """The peer id in `id`. Raises RemoteProtocolError if it is malformed."""
        return PeerId.from_bytes(self.id or b"")


class Reservation(Message):
    """`expire`: UNIX seconds. `addrs`: the relay's, with its peer id, without p2p-circuit."""

    TOLERANT = True

    __slots__ = ("addrs", "expire", "voucher")
    FIELDS = (
        Field(1, "expire", UINT),
        Field(2, "addrs", BYTES, limit=1024, many=MAX_ADDRESSES),
        Field(3, "voucher", BYTES, limit=MAX_MESSAGE),
    )
    expire: "int | None"
    addrs: "list[bytes]"
    voucher: "bytes | None"


class Limit(Message):
    """Limits of a circuit: seconds, and bytes per direction. None or 0: unlimited."""

    __slots__ = ("data", "duration")
    FIELDS = (Field(1, "duration", UINT), Field(2, "data", UINT))
    duration: "int | None"
    data: "int | None"


class _Typed(Message):
    """A message whose absent `type` is 0, because proto3 writers omit zeros."""

    __slots__ = ()
    type: int

    @classmethod
    def decode(cls, data: "Buffer") -> "Self":
        if len(data) > MAX_MESSAGE:
            raise RemoteProtocolError(f"circuit message longer than {MAX_MESSAGE} bytes")
        message = super().decode(data)
        if message.type is None:
            message.type = 0
        return message


class HopMessage(_Typed):
    """`type` is RESERVE, CONNECT (with `peer`) or STATUS (with `status`)."""

    RESERVE = 0
    CONNECT = 1
    STATUS = 2

    __slots__ = ("limit", "peer", "reservation", "status", "type")
    FIELDS = (
        Field(1, "type", UINT),
        Field(2, "peer", MESSAGE, limit=MAX_MESSAGE, message=Peer),
        Field(3, "reservation", MESSAGE, limit=MAX_MESSAGE, message=Reservation),
        Field(4, "limit", MESSAGE, limit=64, message=Limit),
        Field(5, "status", UINT),
    )
    peer: "Peer | None"
    reservation: "Reservation | None"
    limit: "Limit | None"
    status: "int | None"


class StopMessage(_Typed):
    """`type` is CONNECT (with the initiator as `peer`) or STATUS (with `status`)."""

    CONNECT = 0
    STATUS = 1

    __slots__ = ("limit", "peer", "status", "type")
    FIELDS = (
        Field(1, "type", UINT),
        Field(2, "peer", MESSAGE, limit=MAX_MESSAGE, message=Peer),
        Field(3, "limit", MESSAGE, limit=64, message=Limit),
        Field(4, "status", UINT),
    )
    peer: "Peer | None"
    limit: "Limit | None"
    status: "int | None"

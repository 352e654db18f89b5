"""DCUtR: how two peers agree, over a circuit, on when to dial each other directly.

The one that the circuit leads to sends CONNECT with its addresses, the other one answers with its
own, and SYNC tells when. Messages are length-delimited (edge.wire.delimited).

Source: https://github.com/libp2p/specs/blob/master/relay/DCUtR.md
Portable: runs under CPython and MicroPython.
"""

from edge.wire.errors import RemoteProtocolError
from edge.wire.protobuf import BYTES, UINT, Field, Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from edge.wire.types import Buffer

PROTOCOL_ID = "/libp2p/dcutr"

MAX_MESSAGE = 4096  # bytes, as the specification has it
MAX_ADDRESSES = 32  # rust-libp2p sends up to 20; what is beyond is not read


class HolePunch(Message):
    """`type` is CONNECT (with the sender's `addresses`, as multiaddrs) or SYNC."""

    TOLERANT = True

    CONNECT = 100
    SYNC = 300

    __slots__ = ("addresses", "type")
    FIELDS = (
        Field(1, "type", UINT),
        Field(2, "addresses", BYTES, limit=1024, many=MAX_ADDRESSES),
    )
    type: "int | None"
    addresses: "list[bytes]"

    @classmethod
    def decode(cls, data: "Buffer") -> "Self":
        if len(data) > MAX_MESSAGE:
            raise RemoteProtocolError(f"DCUtR message longer than {MAX_MESSAGE} bytes")
        return super().decode(data)

    def expect(self, kind: int) -> None:
        """Raises RemoteProtocolError if this is not of the `kind` whose turn it is."""
        if self.type != kind:
            raise RemoteProtocolError(f"DCUtR message of type {self.type}, {kind} expected")

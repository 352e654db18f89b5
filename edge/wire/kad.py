"""The DHT's messages: libp2p's kad-dht, of which peer routing and provider records are used.

Requests and answers are the same message, length-delimited. A stream takes any number of requests,
one after the other; ADD_PROVIDER has no answer. Values (PUT_VALUE, GET_VALUE) are not kept here, so
that the record of a message is skipped.

Of what exceeds the bounds of a field the first values are kept, as in identify: an answer with a
peer that makes no sense is still an answer.

Source: https://github.com/libp2p/specs/blob/master/kad-dht/README.md
Portable: runs under CPython and MicroPython.
"""

from edge.wire.errors import RemoteProtocolError
from edge.wire.multiaddr import MAX_BYTES, parse_many
from edge.wire.peerid import PeerId
from edge.wire.protobuf import BYTES, MESSAGE, UINT, Field, Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from edge.wire.multiaddr import Multiaddr
    from edge.wire.types import Buffer

PROTOCOL_ID = "/kwaai/kad/1.0.0"
IPFS_ID = "/ipfs/kad/1.0.0"

K = 20  # peers of an answer; and of a bucket
MAX_REQUEST = 16384  # bytes, as of an answer of ours: rust-libp2p takes no more
MAX_ANSWER = 32768
MAX_KEY = 128  # bytes; a peer id has 42 at most, a provider key 80
MAX_PROVIDER_KEY = 80  # as in go-libp2p
MAX_PEERS = 24  # of each kind in an answer
MAX_ADDRESSES = 16  # of a peer

PUT_VALUE = 0
GET_VALUE = 1
ADD_PROVIDER = 2
GET_PROVIDERS = 3
FIND_NODE = 4
PING = 5

TYPE_NAMES = {
    PUT_VALUE: "put_value",
    GET_VALUE: "get_value",
    ADD_PROVIDER: "add_provider",
    GET_PROVIDERS: "get_providers",
    FIND_NODE: "find_node",
    PING: "ping",
}

NOT_CONNECTED = 0
CONNECTED = 1


class Peer(Message):
    """A peer, where it may be dialled, and whether the sender is connected to it."""

    TOLERANT = True

    __slots__ = ("addrs", "connection", "id")
    FIELDS = (
        Field(1, "id", BYTES, limit=64),
        Field(2, "addrs", BYTES, limit=MAX_BYTES, many=MAX_ADDRESSES),
        Field(3, "connection", UINT),
    )
    id: "bytes | None"
    addrs: "list[bytes]"
    connection: "int | None"

    def peer_id(self) -> PeerId:
        """The peer id in `id`. Raises RemoteProtocolError if it is malformed."""
        return PeerId.from_bytes(self.id or b"")


class KadMessage(Message):
    """A request or its answer. `type`: one of the constants above; absent, it is PUT_VALUE."""

    TOLERANT = True

    __slots__ = ("closer", "key", "providers", "type")
    FIELDS = (
        Field(1, "type", UINT),
        Field(2, "key", BYTES, limit=MAX_KEY),
        Field(8, "closer", MESSAGE, limit=MAX_ANSWER, many=MAX_PEERS, message=Peer),
        Field(9, "providers", MESSAGE, limit=MAX_ANSWER, many=MAX_PEERS, message=Peer),
    )
    type: int
    key: "bytes | None"
    closer: "list[Peer]"
    providers: "list[Peer]"

    @classmethod
    def decode(cls, data: "Buffer") -> "Self":
        """Decode a message of at most MAX_ANSWER bytes. Raises RemoteProtocolError."""
        if len(data) > MAX_ANSWER:
            raise RemoteProtocolError(f"kad message longer than {MAX_ANSWER} bytes")
        message = super().decode(data)
        if message.type is None:
            message.type = PUT_VALUE
        return message


def read_peers(peers: "list[Peer]") -> "list[tuple[PeerId, list[Multiaddr]]]":
    """Those of `peers` that have a valid id, each with its valid addresses that lead to it."""
    found = []
    for peer in peers:
        try:
            name = peer.peer_id()
        except RemoteProtocolError:
            continue
        addresses = parse_many(peer.addrs, MAX_ADDRESSES)
        found.append((name, [a for a in addresses if a.peer_id() in (None, name)]))
    return found

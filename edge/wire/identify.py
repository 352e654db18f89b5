"""Identify and identify push: what two peers tell each other about themselves.

A sender writes one message, or several that are to be merged: protobuf messages merge by being
read one after the other, so the bodies are joined before they are decoded.

Bounds: a message has at most 8 KiB (go-libp2p's signedIDSize), all of a stream 16 KiB. Our own
stay below 4 KiB, which is what rust-libp2p accepts.

Sources: https://github.com/libp2p/specs/blob/master/identify/README.md; field 8 and the merging
are go-libp2p's.
Portable: runs under CPython and MicroPython.
"""

from edge.wire.delimited import DelimitedReader
from edge.wire.envelope import MAX_ADDRESSES, MAX_ENVELOPE, open_peer_record
from edge.wire.errors import RemoteProtocolError
from edge.wire.multiaddr import Multiaddr, parse_many
from edge.wire.peerid import MAX_KEY, PublicKey
from edge.wire.protobuf import BYTES, STRING, Field, Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.wire.peerid import PeerId
    from edge.wire.types import Buffer

PROTOCOL_ID = "/ipfs/id/1.0.0"
PUSH_ID = "/ipfs/id/push/1.0.0"

MAX_MESSAGE = 8192
MAX_STREAM = 2 * MAX_MESSAGE
MAX_OWN_MESSAGE = 4096
MAX_PROTOCOLS = 128  # kept of what a peer lists, as MAX_ADDRESSES of its addresses
MAX_AGENT = 128  # characters kept
_OBJECT = 64  # bytes of an object around its own, and of the reference to it


class Identify(Message):
    """The message; only Info is worth believing."""

    __slots__ = (
        "agent_version",
        "listen_addrs",
        "observed_addr",
        "protocol_version",
        "protocols",
        "public_key",
        "signed_peer_record",
    )
    FIELDS = (
        Field(1, "public_key", BYTES, limit=MAX_KEY),
        Field(2, "listen_addrs", BYTES, limit=1024, many=256),
        Field(3, "protocols", STRING, limit=1024, many=512),
        Field(4, "observed_addr", BYTES, limit=1024),
        Field(5, "protocol_version", STRING, limit=1024),
        Field(6, "agent_version", STRING, limit=1024),
        Field(8, "signed_peer_record", BYTES, limit=MAX_ENVELOPE),
    )
    public_key: "bytes | None"
    listen_addrs: "list[bytes]"
    protocols: "list[str]"
    observed_addr: "bytes | None"
    protocol_version: "str | None"
    agent_version: "str | None"
    signed_peer_record: "bytes | None"


class IdentifyReader:
    """Collects the messages of one identify stream until its end."""

    __slots__ = ("_bodies", "_reader", "_seen")

    def __init__(self) -> None:
        self._reader = DelimitedReader(MAX_MESSAGE)
        self._bodies = bytearray()
        self._seen = False

    def feed(self, data: "Buffer") -> None:
        """Raises RemoteProtocolError on a message, or on messages in all, over the bounds."""
        view = memoryview(data)
        while view:
            body, taken = self._reader.feed(view)
            view = view[taken:]
            if body is None:
                return
            self._seen = True
            if len(self._bodies) + len(body) > MAX_STREAM:
                raise RemoteProtocolError(f"identify of more than {MAX_STREAM} bytes")
            self._bodies += body

    def finish(self) -> Identify:
        """The merged message at the stream's end; RemoteProtocolError if there is none."""
        if self._reader.partial or not self._seen:
            raise RemoteProtocolError("identify stream ended without a whole message")
        return Identify.decode(self._bodies)


class IdentifyInfo:
    """What is known of a peer.

    `agent` is printable ASCII. `addresses` come from the newest valid signed record, of which
    `seq` is the number, or are merely claimed where `seq` is -1. `observed` is where the peer
    sees us.
    """

    __slots__ = ("addresses", "agent", "observed", "protocol_version", "protocols", "seq")

    def __init__(self) -> None:
        self.agent = ""
        self.protocol_version = ""
        self.protocols: tuple[str, ...] = ()
        self.addresses: tuple[Multiaddr, ...] = ()
        self.observed: Multiaddr | None = None
        self.seq = -1

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes."""
        texts = sum([len(text) + _OBJECT for text in self.protocols])
        return texts + sum([len(address.bytes) + 2 * _OBJECT for address in self.addresses])


def read_identify(
    message: Identify, peer: "PeerId", known: "IdentifyInfo | None" = None
) -> IdentifyInfo:
    """What `message` says about `peer`, whose id the connection has authenticated.

    What it leaves out (a push may be partial) is taken from `known`. A signed record that is not
    valid, not the peer's or not newer than `known`'s is not used.
    Raises RemoteProtocolError if the message names another public key than the peer's.
    """
    if message.public_key and PublicKey.decode(message.public_key).peer_id() != peer:
        raise RemoteProtocolError("identify with a public key that is not the peer's")
    known = known or IdentifyInfo()
    info = IdentifyInfo()
    info.agent = _printable(message.agent_version) or known.agent
    info.protocol_version = _printable(message.protocol_version) or known.protocol_version
    info.protocols = tuple(message.protocols[:MAX_PROTOCOLS]) or known.protocols
    observed = [message.observed_addr] if message.observed_addr else []
    info.observed = next(iter(parse_many(observed, 1)), known.observed)
    _read_addresses(message, peer, known, info)
    return info


def _read_addresses(
    message: Identify, peer: "PeerId", known: IdentifyInfo, info: IdentifyInfo
) -> None:
    info.seq = known.seq
    info.addresses = known.addresses
    record = _signed_addresses(message, peer)
    if record is not None:
        if record[0] > known.seq:
            info.seq, info.addresses = record
    elif known.seq < 0 and message.listen_addrs:
        info.addresses = tuple(parse_many(message.listen_addrs, MAX_ADDRESSES))


def _signed_addresses(
    message: Identify, peer: "PeerId"
) -> "tuple[int, tuple[Multiaddr, ...]] | None":
    if not message.signed_peer_record:
        return None
    try:
        signer, seq, addresses = open_peer_record(message.signed_peer_record)
    except RemoteProtocolError:
        return None  # as go-libp2p does: the connection vouches for the unsigned ones
    return (seq, tuple(addresses)) if signer == peer else None


def _printable(text: "str | None") -> str:
    return "".join([c if " " <= c <= "~" else "?" for c in (text or "")[:MAX_AGENT]])

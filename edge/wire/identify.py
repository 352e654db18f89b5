"""Identify and identify push: peers exchange their key, addresses and protocols.

A sender writes one message, or several to be merged. Protobuf messages merge by concatenation, so
the bodies are joined before they are decoded.

Bounds: a message has at most 8 KiB (go-libp2p's signedIDSize), all messages on a stream 16 KiB. In
these, what is too long or too many is left out, and the rest is kept. Own messages stay below
4 KiB, the limit of rust-libp2p.

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
MAX_PROTOCOLS = 128  # stored from a peer's list, as MAX_ADDRESSES of its addresses
MAX_AGENT = 128  # characters stored
_MICROCONTROLLER = "kwaainet-esp32/"  # the agent of such a relay begins so
_OBJECT = 64  # overhead in bytes of an object and of the reference to it


class Identify(Message):
    """The message, unverified; IdentifyInfo has the verified content.

    Of too much the first is kept: a peer with hundreds of addresses is still one that has an agent.
    """

    TOLERANT = True

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
        Field(5, "protocol_version", STRING, limit=MAX_MESSAGE),
        Field(6, "agent_version", STRING, limit=MAX_MESSAGE),
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
        """Raises RemoteProtocolError if a message, or all together, exceed the bounds."""
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
        """The merged message at the stream's end. Raises RemoteProtocolError if there is none."""
        if self._reader.partial or not self._seen:
            raise RemoteProtocolError("identify stream ended without a whole message")
        return Identify.decode(self._bodies)


class IdentifyInfo:
    """The verified content of a peer's identify messages.

    `agent`: printable ASCII. `addresses`: from the newest valid signed record, with its sequence
    number `seq`, or merely claimed if `seq` is -1. `observed`: this node's address as seen by the
    peer.
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
    def is_slow_relay(self) -> bool:
        """Whether it is a microcontroller: a relay for few peers, of 100 KB a second or so."""
        return self.agent.startswith(_MICROCONTROLLER)

    @property
    def size(self) -> int:
        """The approximate size in bytes of memory."""
        texts = sum([len(text) + _OBJECT for text in self.protocols])
        return texts + sum([len(address.bytes) + 2 * _OBJECT for address in self.addresses])


def read_identify(
    message: Identify, peer: "PeerId", known: "IdentifyInfo | None" = None
) -> IdentifyInfo:
    """Evaluate `message` of `peer`, whose id the connection has authenticated.

    Missing fields (a push may be partial) are taken from `known`. A signed record that is invalid,
    another peer's or not newer than that of `known` is ignored.
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
    record = _signed_addresses(message, peer, known.seq)
    if record is not None:
        info.seq, info.addresses = record
    elif known.seq < 0 and message.listen_addrs:
        info.addresses = tuple(parse_many(message.listen_addrs, MAX_ADDRESSES))


def _signed_addresses(
    message: Identify, peer: "PeerId", after: int
) -> "tuple[int, tuple[Multiaddr, ...]] | None":
    if not message.signed_peer_record:
        return None
    try:
        _, seq, addresses = open_peer_record(message.signed_peer_record, peer, after)
    except RemoteProtocolError:
        return None  # as in go-libp2p: the connection authenticates unsigned addresses
    return seq, tuple(addresses)


def _printable(text: "str | None") -> str:
    return "".join([c if " " <= c <= "~" else "?" for c in (text or "")[:MAX_AGENT]])

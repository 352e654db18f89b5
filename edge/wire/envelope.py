"""Signed envelopes and their two kinds of payload in libp2p: peer records and vouchers.

An envelope contains a payload, its type and the signer's key. The signature also covers a domain,
so that an envelope cannot be used in place of another kind.

Sources: https://github.com/libp2p/specs/blob/master/RFC/0002-signed-envelopes.md,
https://github.com/libp2p/specs/blob/master/RFC/0003-routing-records.md,
https://github.com/libp2p/specs/blob/master/relay/circuit-v2.md#reservation-vouchers
go-libp2p's domain and payload types are used where RFC 0003 proposes others.
Portable: runs under CPython and MicroPython.
"""

from edge.wire import varint
from edge.wire.errors import LocalProtocolError, RemoteProtocolError
from edge.wire.multiaddr import Multiaddr, parse_many
from edge.wire.peerid import ED25519, MAX_KEY, PeerId, PublicKey
from edge.wire.protobuf import BYTES, MESSAGE, UINT, Field, Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.crypto.interface import Ed25519Key
    from edge.wire.types import Buffer

MAX_PAYLOAD = 8192
MAX_SIGNATURE = 512  # RSA with 4096 bits
MAX_ENVELOPE = MAX_KEY + MAX_PAYLOAD + MAX_SIGNATURE + 128
MAX_ADDRESSES = 64  # stored from a record; the rest is ignored

PEER_RECORD_DOMAIN = "libp2p-peer-record"
PEER_RECORD_TYPE = b"\x03\x01"
VOUCHER_DOMAIN = "libp2p-relay-rsvp"
VOUCHER_TYPE = b"\x03\x02"


class Envelope(Message):
    """Untrusted until open_envelope() has verified it."""

    __slots__ = ("payload", "payload_type", "public_key", "signature")
    FIELDS = (
        Field(1, "public_key", MESSAGE, limit=MAX_KEY, message=PublicKey),
        Field(2, "payload_type", BYTES, limit=64),
        Field(3, "payload", BYTES, limit=MAX_PAYLOAD),
        Field(5, "signature", BYTES, limit=MAX_SIGNATURE),
    )
    public_key: "PublicKey | None"
    payload_type: "bytes | None"
    payload: "bytes | None"
    signature: "bytes | None"


def seal(key: "Ed25519Key", domain: str, payload_type: bytes, payload: bytes) -> bytes:
    """Encode an envelope around `payload`, signed for `domain`."""
    if not domain or not payload_type or len(payload) > MAX_PAYLOAD:
        raise LocalProtocolError("an envelope needs a domain, a type and a bounded payload")
    return Envelope(
        public_key=PublicKey(type=ED25519, data=key.public),
        payload_type=payload_type,
        payload=payload,
        signature=key.sign(_signed(domain, payload_type, payload)),
    ).encode()


def open_envelope(data: "Buffer", domain: str, payload_type: bytes) -> "tuple[PublicKey, bytes]":
    """The (signer, payload) of an envelope of at most MAX_ENVELOPE bytes.

    Raises RemoteProtocolError unless it has this type and is signed for this domain.
    """
    key, payload, signature = _unverified(data, payload_type)
    _verify(key, payload, signature, domain, payload_type)
    return key, payload


def _unverified(data: "Buffer", payload_type: bytes) -> "tuple[PublicKey, bytes, bytes]":
    """The (alleged signer, payload, signature) of an envelope of this type.

    What can be compared is compared before the signature is verified: whoever sends it chooses the
    kind of key, and so the time that this takes.
    """
    if len(data) > MAX_ENVELOPE:
        raise RemoteProtocolError(f"envelope longer than {MAX_ENVELOPE} bytes")
    envelope = Envelope.decode(data)
    if envelope.public_key is None or envelope.signature is None:
        raise RemoteProtocolError("envelope without key or signature")
    if envelope.payload_type != payload_type:
        raise RemoteProtocolError("envelope of another type")
    return envelope.public_key, envelope.payload or b"", envelope.signature


def _verify(
    key: PublicKey, payload: bytes, signature: bytes, domain: str, payload_type: bytes
) -> None:
    if not key.verify(_signed(domain, payload_type, payload), signature):
        raise RemoteProtocolError("envelope with a wrong signature")


def _signed(domain: str, payload_type: bytes, payload: bytes) -> bytes:
    parts = (domain.encode("utf-8"), payload_type, payload)
    return b"".join([varint.encode(len(part)) + part for part in parts])


class AddressInfo(Message):
    """One address of a PeerRecord."""

    __slots__ = ("multiaddr",)
    FIELDS = (Field(1, "multiaddr", BYTES, limit=1024),)
    multiaddr: "bytes | None"


class PeerRecord(Message):
    """A peer's signed statement of its addresses. `seq` only grows; it need not be a time."""

    TOLERANT = True

    __slots__ = ("addresses", "peer_id", "seq")
    FIELDS = (
        Field(1, "peer_id", BYTES, limit=64),
        Field(2, "seq", UINT),
        Field(3, "addresses", MESSAGE, limit=1040, many=256, message=AddressInfo),
    )
    peer_id: "bytes | None"
    seq: "int | None"
    addresses: "list[AddressInfo]"


def seal_peer_record(key: "Ed25519Key", seq: int, addresses: "list[Multiaddr]") -> bytes:
    """Seal an envelope in which `key`'s peer certifies its own addresses."""
    record = PeerRecord(
        peer_id=PublicKey(type=ED25519, data=key.public).peer_id().bytes,
        seq=seq,
        addresses=[AddressInfo(multiaddr=address.bytes) for address in addresses],
    )
    return seal(key, PEER_RECORD_DOMAIN, PEER_RECORD_TYPE, record.encode())


def open_peer_record(
    data: "Buffer", expected: "PeerId | None" = None, after: int = -1
) -> "tuple[PeerId, int, list[Multiaddr]]":
    """The (peer, seq, readable addresses) of a verified record.

    Raises RemoteProtocolError unless the peer itself has signed it; if another one than `expected`
    has, or its number is not above `after`, its signature is not looked at.
    """
    key, payload, signature = _unverified(data, PEER_RECORD_TYPE)
    record = PeerRecord.decode(payload)
    peer, seq = key.peer_id(), record.seq or 0
    if record.peer_id != peer.bytes or (expected is not None and peer != expected):
        raise RemoteProtocolError("peer record signed by another peer")
    if seq <= after:
        raise RemoteProtocolError("peer record not newer than the last one")
    _verify(key, payload, signature, PEER_RECORD_DOMAIN, PEER_RECORD_TYPE)
    addresses = parse_many([info.multiaddr or b"" for info in record.addresses], MAX_ADDRESSES)
    return peer, seq, addresses


class Voucher(Message):
    """A relay's confirmation of a reservation for `peer` until `expiration` (UNIX seconds)."""

    __slots__ = ("expiration", "peer", "relay")
    FIELDS = (
        Field(1, "relay", BYTES, limit=64),
        Field(2, "peer", BYTES, limit=64),
        Field(3, "expiration", UINT),
    )
    relay: "bytes | None"
    peer: "bytes | None"
    expiration: "int | None"


def seal_voucher(key: "Ed25519Key", peer: PeerId, expiration: int) -> bytes:
    """Seal an envelope in which the relay with `key` confirms `peer`'s reservation."""
    relay = PublicKey(type=ED25519, data=key.public).peer_id()
    voucher = Voucher(relay=relay.bytes, peer=peer.bytes, expiration=expiration)
    return seal(key, VOUCHER_DOMAIN, VOUCHER_TYPE, voucher.encode())


def open_voucher(data: "Buffer") -> "tuple[PeerId, PeerId, int]":
    """The (relay, peer, expiration in UNIX seconds) of a voucher signed by that relay.

    Raises RemoteProtocolError. The caller checks the expiration.
    """
    key, payload, signature = _unverified(data, VOUCHER_TYPE)
    voucher = Voucher.decode(payload)
    relay = key.peer_id()
    if voucher.relay != relay.bytes:
        raise RemoteProtocolError("voucher signed by another peer than its relay")
    if voucher.expiration is None:
        raise RemoteProtocolError("voucher without expiration")
    peer = PeerId.from_bytes(voucher.peer or b"")
    _verify(key, payload, signature, VOUCHER_DOMAIN, VOUCHER_TYPE)
    return relay, peer, voucher.expiration

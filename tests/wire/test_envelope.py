"""Signed envelopes, peer records and vouchers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.crypto import Ed25519Key
from edge.wire.envelope import (
    MAX_ADDRESSES,
    MAX_PAYLOAD,
    PEER_RECORD_DOMAIN,
    PEER_RECORD_TYPE,
    VOUCHER_DOMAIN,
    VOUCHER_TYPE,
    AddressInfo,
    Envelope,
    PeerRecord,
    Voucher,
    open_envelope,
    open_peer_record,
    open_voucher,
    seal,
    seal_peer_record,
    seal_voucher,
)
from edge.wire.errors import LocalProtocolError, RemoteProtocolError
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import ED25519, PeerId, PublicKey

# A record made by go-libp2p and the seed of its key, as js-libp2p's suite keeps them
# (packages/peer-record/test/peer-record.spec.ts).
GO_SEED = bytes.fromhex("85fbe72b6064289004a531f967898df5319ee02992fdd84021fa5052434bf6ee")
GO_PEER = "002408011220" + "11bba3ed1721948cefb4e50b0a0bb5cad8a6b52dc7b1a40f4f6652105c91e2c4"
GO_SEQ = 1598453001624231000
GO_RECORD = bytes.fromhex(
    "0a24"
    + GO_PEER[4:]
    + "120203011aaa010a26"
    + GO_PEER
    + "10d8b8e0bf9391b69716"
    + "".join(f"1a0a0a080401020304060{port:03x}" for port in range(10))
    + "2a40b197f76b9f288af2b467fe666f774476287049b424b73975c8860efb02372d026a799584541ad72f26543464"
    "85bca3ece36462b7d1b1391c8d276dc4ab8bca0b"
)
GO_ADDRESSES = [Multiaddr.from_string(f"/ip4/1.2.3.4/tcp/{port}") for port in range(10)]

KEY = Ed25519Key.from_seed(bytes(range(32)))
OTHER = Ed25519Key.from_seed(bytes(32))


def peer_of(key: Ed25519Key) -> PeerId:
    return PublicKey(type=ED25519, data=key.public).peer_id()


def test_a_record_of_go_libp2p_is_opened() -> None:
    peer, seq, addresses = open_peer_record(GO_RECORD)
    assert peer.bytes.hex() == GO_PEER
    assert seq == GO_SEQ
    assert addresses == GO_ADDRESSES


def test_the_same_record_of_ours_is_byte_for_byte_gos() -> None:
    key = Ed25519Key.from_seed(GO_SEED)
    assert seal_peer_record(key, GO_SEQ, GO_ADDRESSES) == GO_RECORD


def test_every_byte_of_gos_record_is_covered() -> None:
    for index in range(len(GO_RECORD)):
        spoilt = bytearray(GO_RECORD)
        spoilt[index] ^= 1
        with pytest.raises(RemoteProtocolError):
            open_peer_record(spoilt)


def test_an_envelope_holds_for_one_domain_and_one_type() -> None:
    data = seal(KEY, "domain", b"/type", b"payload")
    key, payload = open_envelope(data, "domain", b"/type")
    assert payload == b"payload"
    assert key.peer_id() == peer_of(KEY)
    with pytest.raises(RemoteProtocolError, match="wrong signature"):
        open_envelope(data, "another", b"/type")
    with pytest.raises(RemoteProtocolError, match="another type"):
        open_envelope(data, "domain", b"/another")


def test_an_empty_payload_may_be_left_out() -> None:
    data = seal(KEY, "domain", b"t", b"")
    assert open_envelope(data.replace(b"\x1a\x00", b""), "domain", b"t")[1] == b""


def test_an_envelope_needs_a_domain_and_a_type_and_bounds() -> None:
    for domain, payload_type, size in (("", b"t", 0), ("d", b"", 0), ("d", b"t", MAX_PAYLOAD + 1)):
        with pytest.raises(LocalProtocolError):
            seal(KEY, domain, payload_type, bytes(size))
    largest = seal(KEY, "d", b"t", bytes(MAX_PAYLOAD))
    assert open_envelope(largest, "d", b"t")[1] == bytes(MAX_PAYLOAD)


def test_a_record_about_another_peer_is_refused() -> None:
    record = PeerRecord(peer_id=peer_of(OTHER).bytes, seq=1)
    data = seal(KEY, PEER_RECORD_DOMAIN, PEER_RECORD_TYPE, record.encode())
    with pytest.raises(RemoteProtocolError, match="another peer"):
        open_peer_record(data)


def test_of_a_record_only_so_many_readable_addresses_are_kept() -> None:
    many = [Multiaddr.from_ip(bytes((1, 2, 3, 4)), port).bytes for port in range(100)]
    record = PeerRecord(
        peer_id=peer_of(KEY).bytes,
        seq=1,
        addresses=[AddressInfo(multiaddr=data) for data in (b"\xff", *many)],
    )
    data = seal(KEY, PEER_RECORD_DOMAIN, PEER_RECORD_TYPE, record.encode())
    _, _, addresses = open_peer_record(data)
    assert [address.bytes for address in addresses] == many[:MAX_ADDRESSES]


def test_a_voucher_comes_back() -> None:
    data = seal_voucher(KEY, peer_of(OTHER), 1_700_000_000)
    assert open_voucher(data) == (peer_of(KEY), peer_of(OTHER), 1_700_000_000)
    envelope = Envelope.decode(data)
    assert envelope.payload_type == b"\x03\x02"  # 0x0302, as go-libp2p writes it
    assert Voucher.decode(envelope.payload or b"").expiration == 1_700_000_000


@pytest.mark.parametrize(
    "voucher",
    [
        Voucher(relay=peer_of(OTHER).bytes, peer=peer_of(OTHER).bytes, expiration=1),
        Voucher(relay=peer_of(KEY).bytes, peer=b"x", expiration=1),
        Voucher(relay=peer_of(KEY).bytes, expiration=1),
        Voucher(relay=peer_of(KEY).bytes, peer=peer_of(OTHER).bytes),
        Voucher(),
    ],
)
def test_a_voucher_that_is_not_its_relays_or_not_whole_is_refused(voucher: Voucher) -> None:
    data = seal(KEY, VOUCHER_DOMAIN, VOUCHER_TYPE, voucher.encode())
    with pytest.raises(RemoteProtocolError):
        open_voucher(data)


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The signatures that are verified from now on."""
    seen: list[bytes] = []

    def note(_self: PublicKey, _message: bytes, signature: bytes) -> bool:
        seen.append(signature)
        return True

    monkeypatch.setattr(PublicKey, "verify", note)
    return seen


def test_a_record_that_cannot_count_is_not_worth_its_signature(verified: list[bytes]) -> None:
    """A stranger chooses the kind of key: a P-521 of its own took 20 ms of the processor."""
    data = seal_peer_record(OTHER, 7, [])
    for expected, after in ((peer_of(KEY), -1), (peer_of(OTHER), 7), (peer_of(OTHER), 8)):
        with pytest.raises(RemoteProtocolError):
            open_peer_record(data, expected, after)
    about_another = PeerRecord(peer_id=peer_of(KEY).bytes, seq=1)
    data = seal(OTHER, PEER_RECORD_DOMAIN, PEER_RECORD_TYPE, about_another.encode())
    with pytest.raises(RemoteProtocolError):
        open_peer_record(data)
    vouched = Voucher(relay=peer_of(KEY).bytes, peer=peer_of(KEY).bytes, expiration=1)
    with pytest.raises(RemoteProtocolError):
        open_voucher(seal(OTHER, VOUCHER_DOMAIN, VOUCHER_TYPE, vouched.encode()))
    assert not verified
    assert open_peer_record(seal_peer_record(OTHER, 7, []), peer_of(OTHER), 6)[1] == 7
    assert len(verified) == 1


def test_a_record_is_no_voucher() -> None:
    with pytest.raises(RemoteProtocolError):
        open_voucher(GO_RECORD)
    with pytest.raises(RemoteProtocolError):
        open_peer_record(seal_voucher(KEY, peer_of(OTHER), 1))


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(data: bytes) -> None:
    for read in (open_peer_record, open_voucher):
        with pytest.raises(RemoteProtocolError):
            read(data)


@given(st.binary(max_size=200))
def test_any_payload_that_is_signed_is_read_or_refused(payload: bytes) -> None:
    own = Voucher(relay=peer_of(KEY).bytes).encode()
    for read, domain, kind in (
        (open_voucher, VOUCHER_DOMAIN, VOUCHER_TYPE),
        (open_peer_record, PEER_RECORD_DOMAIN, PEER_RECORD_TYPE),
    ):
        try:
            signer = read(seal(KEY, domain, kind, own + payload))[0]
        except RemoteProtocolError:
            continue
        assert signer == peer_of(KEY)

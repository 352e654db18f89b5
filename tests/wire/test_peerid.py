"""Peer ids and keys. Most vectors are in portable/, these need cryptography or are long."""

import hashlib

import base58 as oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.crypto import Ed25519Key
from edge.wire.errors import AddressError, RemoteProtocolError
from edge.wire.peerid import ED25519, RSA, SECP256K1, PeerId, PublicKey

# libp2p/specs peer-ids/peer-ids.md, "Test vectors"
ED25519_PRIVATE = bytes.fromhex(
    "080112407e0830617c4a7de83925dfb2694556b12936c477a0e1feb2e148ec9da60fee7d"
    "1ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e"
)
RSA_PUBLIC = bytes.fromhex(
    "080012a60430820222300d06092a864886f70d01010105000382020f003082020a0282020100e1beab071d08200b"
    "de24eef00d049449b07770ff9910257b2d7d5dda242ce8f0e2f12e1af4b32d9efd2c090f66b0f29986dbb645dae9"
    "880089704a94e5066d594162ae6ee8892e6ec70701db0a6c445c04778eb3de1293aa1a23c3825b85c6620a2bc3f8"
    "2f9b0c309bc0ab3aeb1873282bebd3da03c33e76c21e9beb172fd44c9e43be32e2c99827033cf8d0f0c606f45793"
    "26c930eb4e854395ad941256542c793902185153c474bed109d6ff5141ebf9cd256cf58893a37f83729f97e7cb43"
    "5ec679d2e33901d27bb35aa0d7e20561da08885ef0abbf8e2fb48d6a5487047a9ecb1ad41fa7ed84f6e3e8ecd5d9"
    "8b3982d2a901b4454991766da295ab78822add5612a2df83bcee814cf50973e80d7ef38111b1bd87da2ae92438a2"
    "c8cbcc70b31ee319939a3b9c761dbc13b5c086d6b64bf7ae7dacc14622375d92a8ff9af7eb962162bbddebf90acb"
    "32adb5e4e4029f1c96019949ecfbfeffd7ac1e3fbcc6b6168c34be3d5a2e5999fcbb39bba7adbca78eab09b9bc39"
    "f7fa4b93411f4cc175e70c0a083e96bfaefb04a9580b4753c1738a6a760ae1afd851a1a4bdad231cf56e9284d832"
    "483df215a46c1c21bdf0c6cfe951c18f1ee4078c79c13d63edb6e14feaeffabc90ad317e4875fe648101b0864097"
    "e998f0ca3025ef9638cd2b0caecd3770ab54a1d9c6ca959b0f5dcbc90caeefc4135baca6fd475224269bbe1b0203"
    "010001"
)


def test_the_specifications_rsa_key_is_hashed() -> None:
    key = PublicKey.decode(RSA_PUBLIC)
    assert key.type == RSA
    assert key.encode() == RSA_PUBLIC
    peer = key.peer_id()
    assert peer.bytes == b"\x12\x20" + hashlib.sha256(RSA_PUBLIC).digest()
    assert str(peer) == oracle.b58encode(peer.bytes).decode()
    assert str(peer).startswith("Qm")


def test_the_specifications_ed25519_key_signs_and_its_peer_id_verifies() -> None:
    key = Ed25519Key.from_seed(ED25519_PRIVATE[4:36])
    assert key.public == ED25519_PRIVATE[36:]
    public = PublicKey(type=ED25519, data=key.public)
    inside = PeerId.from_string(str(public.peer_id())).public_key()
    assert inside is not None
    signature = key.sign(b"message")
    assert inside.verify(b"message", signature)
    assert not inside.verify(b"massage", signature)
    assert not inside.verify(b"message", signature[:-1])
    assert not PublicKey(type=SECP256K1, data=key.public).verify(b"message", signature)


def test_a_peer_id_takes_no_new_attributes() -> None:
    peer = PeerId(b"")
    with pytest.raises(AttributeError):
        peer.name = "x"


peer_bytes = st.binary(min_size=32, max_size=32).map(b"\x12\x20".__add__) | st.binary(
    min_size=1, max_size=42
).map(lambda key: bytes((0, len(key))) + key)


@given(peer_bytes)
def test_a_peer_id_comes_back_from_text_and_bytes(data: bytes) -> None:
    peer = PeerId.from_bytes(data)
    assert str(peer) == oracle.b58encode(data).decode()
    assert PeerId.from_bytes(bytearray(data)) == peer
    try:
        assert PeerId.from_string(str(peer)) == peer
    except AddressError:
        # Only hashes and keys begin as the text of a peer id does.
        assert not str(peer).startswith(("1", "Qm"))


@given(st.lists(peer_bytes))
def test_peer_ids_are_ordered_by_bytes(many: list[bytes]) -> None:
    assert [peer.bytes for peer in sorted(map(PeerId, many))] == sorted(many)


@given(st.binary(max_size=50) | peer_bytes)
def test_any_bytes_are_a_peer_id_or_refused(data: bytes) -> None:
    try:
        peer = PeerId.from_bytes(data)
        key = peer.public_key()
    except RemoteProtocolError:
        return
    assert peer.bytes == data
    assert key is None or key.encode()


base32_text = st.text("abcdefghijklmnopqrstuvwxyz234567", max_size=80)


@given(st.text() | st.sampled_from(["1", "Qm", "b"]).flatmap(lambda p: base32_text.map(p.__add__)))
def test_any_text_is_a_peer_id_or_refused(text: str) -> None:
    try:
        peer = PeerId.from_string(text)
    except AddressError:
        return
    assert PeerId.from_bytes(peer.bytes) == peer

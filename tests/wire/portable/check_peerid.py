# Keys and ids from https://github.com/libp2p/specs/blob/master/peer-ids/peer-ids.md
from raises import raises

from edge.wire.errors import AddressError, RemoteProtocolError
from edge.wire.peerid import ECDSA, ED25519, MAX_KEY, SECP256K1, PeerId, PublicKey

HASHED = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"
HASHED_CID = "bafzbeie5745rpv2m6tjyuugywy4d5ewrqgqqhfnf445he3omzpjbx5xqxe"
INLINED = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"

ED25519_KEY = bytes.fromhex(
    "080112201ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e"
)
SECP256K1_KEY = bytes.fromhex(
    "08021221037777e994e452c21604f91de093ce415f5432f701dd8cd1a7a6fea0e630bfca99"
)
ECDSA_KEY = bytes.fromhex(
    "0803125b3059301306072a8648ce3d020106082a8648ce3d03010703420004de3d300fa36ae0e8f5d530899d83"
    "abab44abf3161f162a4bc901d8e6ecda020e8b6d5f8da30525e71d6851510c098e5c47c646a597fb4dcec034e9f7"
    "7c409e62"
)

hashed = PeerId.from_string(HASHED)
assert str(hashed) == HASHED
assert PeerId.from_string(HASHED_CID) == hashed
assert hashed.bytes[:2] == b"\x12\x20" and len(hashed.bytes) == 34
assert hashed.public_key() is None

inlined = PeerId.from_string(INLINED)
assert str(inlined) == INLINED and repr(inlined) == f"PeerId({INLINED})"
assert inlined.bytes[:6] == bytes.fromhex("002408011220")
key = inlined.public_key()
assert key.type == ED25519 and len(key.data) == 32
assert key.peer_id() == inlined

assert PeerId.from_bytes(memoryview(inlined.bytes)) == inlined
assert {inlined: 1}[PeerId.from_bytes(inlined.bytes)] == 1
assert inlined != hashed and inlined != INLINED and inlined < hashed

for encoded, kind in ((ED25519_KEY, ED25519), (SECP256K1_KEY, SECP256K1)):
    key = PublicKey.decode(encoded)
    assert key.type == kind and key.encode() == encoded
    assert key.peer_id().bytes == bytes((0, len(encoded))) + encoded
    assert key.peer_id().public_key() == key
key = PublicKey.decode(ECDSA_KEY)
assert key.type == ECDSA and key.encode() == ECDSA_KEY
assert key.peer_id().bytes[:2] == b"\x12\x20" and key.peer_id().public_key() is None

# A key of exactly 42 bytes is inlined, one of 43 is hashed.
assert len(PublicKey(type=SECP256K1, data=b"\x02" * 38).peer_id().bytes) == 44
assert len(PublicKey(type=SECP256K1, data=b"\x02" * 39).peer_id().bytes) == 34

# An id is of the encoding written by the book, in whatever way the key was encoded.
assert PublicKey.decode(ED25519_KEY[2:] + ED25519_KEY[:2]).peer_id().bytes[2:] == ED25519_KEY

for bad in (
    b"",
    b"\x00\x00",
    b"\x00\x25" + ED25519_KEY,
    b"\x00\x2b" + b"\x01" * 43,
    b"\x12\x1f" + b"\x01" * 31,
    b"\x12\x20" + b"\x01" * 31,
    b"\x12\x20" + b"\x01" * 33,
    b"\x11\x14" + b"\x01" * 20,
):
    raises(RemoteProtocolError, PeerId.from_bytes, bad)
raises(RemoteProtocolError, PeerId.from_bytes(b"\x00\x02ab").public_key)

for text in (
    "",
    "x",
    "Qm",
    "1",
    INLINED[:-1],
    INLINED + "1",
    "12D3Koo0" + INLINED[8:],
    HASHED_CID[:-1],
    "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy",  # a CID of another codec
    HASHED_CID.upper(),
    "Qm" + "1" * 1000,
    "Qm\x00" + HASHED[3:],
):
    raises(AddressError, PeerId.from_string, text)

for bad in (
    b"",
    b"\x08\x01",
    b"\x12\x01a",
    b"\x08\x01\x12\x00",
    b"\x08\x04\x12\x01a",
    b"\x08\x00" * (MAX_KEY // 2 + 1) + b"\x12\x01a",
):
    raises(RemoteProtocolError, PublicKey.decode, bad)

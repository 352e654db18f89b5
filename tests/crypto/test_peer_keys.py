"""All backends judge the same of peers' RSA, ECDSA and secp256k1 keys, and of anything else."""

import peer_id_vectors as peer_ids
import pytest
from backends import verify
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.crypto import ECDSA, RSA, SECP256K1, publickeys
from edge.crypto.pure import ecdsa

MESSAGE = b"a message of some length"


# RSA


def spki(key):
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


@pytest.fixture(scope="module")
def rsa_2048():
    return rsa.generate_private_key(65537, 2048)


def test_rsa_2048(rsa_2048):
    signature = rsa_2048.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    der = spki(rsa_2048)
    assert verify(RSA, der, MESSAGE, signature)
    assert not verify(RSA, der, MESSAGE + b"x", signature)
    for bad in (b"", signature[1:], signature[:-1], b"\0" + signature, signature + b"\0"):
        assert not verify(RSA, der, MESSAGE, bad)
    for i in (0, 100, 255):
        forged = bytearray(signature)
        forged[i] ^= 1
        assert not verify(RSA, der, MESSAGE, bytes(forged))


def test_rsa_signature_not_reduced():
    """The same signature plus the modulus, where that still fits into its bytes."""
    key = serialization.load_der_private_key(peer_ids.data(peer_ids.PRIVATE["rsa"]), None)
    n = key.public_key().public_numbers().n
    for number in range(1000):
        message = bytes([number & 0xFF, number >> 8])
        signature = key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        larger = int.from_bytes(signature, "big") + n
        if larger < 1 << 4096:
            break
    assert verify(RSA, spki(key), message, signature)
    assert not verify(RSA, spki(key), message, larger.to_bytes(512, "big"))


def test_rsa_other_hash_or_padding(rsa_2048):
    der = spki(rsa_2048)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    assert not verify(RSA, der, MESSAGE, rsa_2048.sign(MESSAGE, pss, hashes.SHA256()))
    sha512 = rsa_2048.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA512())
    assert not verify(RSA, der, MESSAGE, sha512)


def test_rsa_too_small():
    key = rsa.generate_private_key(65537, 1024)
    signature = key.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    assert not verify(RSA, spki(key), MESSAGE, signature)


def rsa_der(n, e):
    """A SubjectPublicKeyInfo of any numbers, also of such as PyCA would not take."""

    def element(tag, body):
        length = len(body)
        if length < 0x80:
            return bytes([tag, length]) + body
        octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
        return bytes([tag, 0x80 | len(octets)]) + octets + body

    numbers = [element(2, v.to_bytes(v.bit_length() // 8 + 1, "big")) for v in (n, e)]
    key = element(3, b"\0" + element(0x30, b"".join(numbers)))
    return element(0x30, publickeys._RSA_ALGORITHM + key)


def test_rsa_der_of_this_test_is_der(rsa_2048):
    numbers = rsa_2048.public_key().public_numbers()
    assert rsa_der(numbers.n, numbers.e) == spki(rsa_2048)


@pytest.mark.parametrize(
    ("n", "e"),
    [
        ((1 << 2047) - 1, 65537),
        ((1 << 4097) - 1, 65537),
        ((1 << 65536) - 1, 65537),
        ((1 << 2048) - 2, 65537),
        ((1 << 2048) - 1, 1),
        ((1 << 2048) - 1, 3),
        ((1 << 2048) - 1, 65539),
        ((1 << 2048) - 1, 65536),
        ((1 << 2048) - 1, (1 << 31) + 1),
        ((1 << 2048) - 1, (1 << 2047) + 1),
        ((1 << 2048) - 1, 0),
    ],
    ids=str.split("short long huge even e=1 e=3 e-other e-even e-long e-huge e=0"),
)
def test_rsa_out_of_bounds(n, e):
    with pytest.raises(publickeys.MalformedKey):
        publickeys.parse_rsa(rsa_der(n, e))
    assert not verify(RSA, rsa_der(n, e), MESSAGE, bytes(256))


@pytest.mark.parametrize("n", [(1 << 2047) + 1, (1 << 4096) - 1], ids=["short", "long"])
def test_rsa_in_bounds(n):
    assert publickeys.parse_rsa(rsa_der(n, 65537)) == (n, 65537, n.bit_length() // 8)
    assert not verify(RSA, rsa_der(n, 65537), MESSAGE, bytes(n.bit_length() // 8))


def test_rsa_with_another_exponent_is_refused_though_its_signature_is_right():
    key = rsa.generate_private_key(3, 2048)
    signature = key.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    assert not verify(RSA, spki(key), MESSAGE, signature)


def test_rsa_key_in_ber(rsa_2048):
    der = spki(rsa_2048)
    signature = rsa_2048.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    assert verify(RSA, der, MESSAGE, signature)
    length = len(der) - 4
    for bad in (
        der + b"\0",
        der[:-1],
        b"\x30\x83\0" + length.to_bytes(2, "big") + der[4:],
        b"\x30\x80" + der[4:] + b"\0\0",
        b"\x31" + der[1:],
        der.replace(b"\x05\x00", b"\x05\x01", 1),
        der.replace(b"\x03\x82\x01\x0f\x00", b"\x03\x82\x01\x0f\x01", 1),
        der.replace(b"\x02\x82\x01\x01\x00", b"\x02\x82\x01\x01\x01", 1),
    ):
        assert bad != der
        assert not verify(RSA, bad, MESSAGE, signature)


# Elliptic curves

CURVES = {
    "secp256k1": ec.SECP256K1(),
    "P-256": ec.SECP256R1(),
}


@pytest.mark.parametrize("curve", [ec.SECP384R1(), ec.SECP521R1(), ec.SECP224R1()])
def test_other_curves_are_refused_though_their_signature_is_right(curve):
    key = ec.generate_private_key(curve)
    signature = key.sign(MESSAGE, ec.ECDSA(hashes.SHA256()))
    assert not verify(ECDSA, spki(key), MESSAGE, signature)
    with pytest.raises(publickeys.MalformedKey):
        publickeys.parse_ecdsa(spki(key))


def ec_public(name, key):
    """(key type, Data) of `key`."""
    if name != "secp256k1":
        return ECDSA, spki(key)
    point = key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint
    )
    return SECP256K1, point


@pytest.mark.parametrize("name", CURVES)
def test_ecdsa(name):
    order = ecdsa._CURVES[name].n
    for _ in range(4):  # both parities of y, r and s with and without a leading zero
        key = ec.generate_private_key(CURVES[name])
        key_type, public = ec_public(name, key)
        signature = key.sign(MESSAGE, ec.ECDSA(hashes.SHA256()))
        r, s = decode_dss_signature(signature)
        assert verify(key_type, public, MESSAGE, signature)
        assert verify(key_type, public, MESSAGE, encode_dss_signature(r, order - s))
        assert not verify(key_type, public, MESSAGE + b"x", signature)
        assert not verify(key_type, public, MESSAGE, encode_dss_signature(s, r))


@pytest.mark.parametrize("name", CURVES)
def test_ecdsa_small_keys(name):
    """Keys 1 and 2 make the base point meet itself, its double and its negative in an addition."""
    order = ecdsa._CURVES[name].n
    for secret in (1, 2, order - 1, order - 2):
        key = ec.derive_private_key(secret, CURVES[name])
        key_type, public = ec_public(name, key)
        signature = key.sign(MESSAGE, ec.ECDSA(hashes.SHA256()))
        assert verify(key_type, public, MESSAGE, signature)


@pytest.mark.parametrize("name", CURVES)
def test_ecdsa_sum_at_infinity(name):
    """u1*G + u2*Q = 0: Q = -(z/r)*G, whatever s is."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(MESSAGE)
    z, order = int.from_bytes(digest.finalize(), "big"), ecdsa._CURVES[name].n
    r = 12345
    key = ec.derive_private_key(-z * pow(r, -1, order) % order, CURVES[name])
    key_type, public = ec_public(name, key)
    assert not verify(key_type, public, MESSAGE, encode_dss_signature(r, 67890))


@pytest.mark.parametrize("name", CURVES)
def test_ecdsa_malformed_signatures(name):
    key = ec.generate_private_key(CURVES[name])
    key_type, public = ec_public(name, key)
    order = ecdsa._CURVES[name].n
    good = key.sign(MESSAGE, ec.ECDSA(hashes.SHA256()))
    r, s = decode_dss_signature(good)
    out_of_range = [(0, s), (r, 0), (0, 0), (order, s), (r, order), (r + order, s), (r, s + order)]
    bad = [encode_dss_signature(*pair) for pair in out_of_range]
    bad += [good[:i] for i in range(len(good))]
    bad += [good + b"\0", b"\x30\x80" + good[2:] + b"\0\0", b"\x31" + good[1:], bytes(10_000)]
    for signature in bad:
        assert not verify(key_type, public, MESSAGE, signature)


def test_ecdsa_integers_negative_or_padded():
    key = ec.derive_private_key(7, ec.SECP256R1())
    r, s = decode_dss_signature(key.sign(MESSAGE, ec.ECDSA(hashes.SHA256())))
    order = ecdsa._CURVES["P-256"].n
    while r >> 255 == 0 or s >> 255 == 0:  # until both need their leading zero
        r, s = decode_dss_signature(key.sign(MESSAGE, ec.ECDSA(hashes.SHA256())))
        s = max(s, order - s)
    for zeros, good in ((0, False), (1, True), (2, False)):
        body = b"".join(
            [bytes([2, 32 + zeros]) + bytes(zeros) + v.to_bytes(32, "big") for v in (r, s)]
        )
        signature = bytes([0x30, len(body)]) + body
        assert verify(ECDSA, spki(key), MESSAGE, signature) is good
    long_length = [bytes([0x30, 0x81, 70]), bytes([0x30, 0x82, 0, 70])]
    body = b"".join([bytes([2, 33, 0]) + v.to_bytes(32, "big") for v in (r, s)])
    for header in long_length:
        assert not verify(ECDSA, spki(key), MESSAGE, header + body)


@pytest.mark.parametrize(
    ("curve", "encoded"),
    [
        ("secp256k1", b"\2" + (ecdsa._CURVES["secp256k1"].p + 1).to_bytes(32, "big")),  # x = 1
        ("secp256k1", b"\2" + (5).to_bytes(32, "big")),  # no such point
        ("P-256", b"\4" + (5).to_bytes(32, "big") + (5).to_bytes(32, "big")),
        ("P-256", b"\4" + b"\xff" * 64),
    ],
)
def test_points_that_are_none(curve, encoded):
    """No signature can show this: nobody knows such points' private keys."""
    assert ecdsa._decode(ecdsa._CURVES[curve], encoded) is None
    with pytest.raises(ValueError):
        ec.EllipticCurvePublicKey.from_encoded_point(CURVES[curve], encoded)


def test_point_compressed_and_not():
    for secret in range(1, 9):
        point = ec.derive_private_key(secret, ec.SECP256K1()).public_key()
        numbers = point.public_numbers()
        for form in ("CompressedPoint", "UncompressedPoint"):
            encoded = point.public_bytes(
                serialization.Encoding.X962, getattr(serialization.PublicFormat, form)
            )
            assert ecdsa._decode(ecdsa._CURVES["secp256k1"], encoded) == (numbers.x, numbers.y, 1)


@pytest.mark.parametrize("name", CURVES)
def test_ec_malformed_keys(name):
    key = ec.generate_private_key(CURVES[name])
    key_type, public = ec_public(name, key)
    signature = key.sign(MESSAGE, ec.ECDSA(hashes.SHA256()))
    assert verify(key_type, public, MESSAGE, signature)
    bad = [public[:i] for i in range(len(public))]
    bad += [public + b"\0", bytes(len(public)), b"\xff" * len(public), bytes(10_000)]
    altered = [bytearray(public) for _ in range(3)]
    altered[0][-1] ^= 1  # off the curve, or another point
    altered[1][0] ^= 4
    altered[2][-20] ^= 0x40
    bad += [bytes(key) for key in altered]
    if key_type == SECP256K1:
        p = ecdsa._CURVES[name].p
        uncompressed = key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        bad += [uncompressed, b"\2" + (p + 1).to_bytes(32, "big"), b"\2" + b"\xff" * 32]
    else:
        compressed = key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint
        )
        bad.append(public[: public.index(b"\x04" + compressed[1:])] + compressed)
    for data in bad:
        assert not verify(key_type, data, MESSAGE, signature)


@pytest.mark.parametrize("name", CURVES)
def test_curve_constants(name):
    curve = ecdsa._CURVES[name]
    x, y, _ = curve.g
    assert (y * y - x * x * x - curve.a * x - curve.b) % curve.p == 0
    assert curve.p % 4 == 3
    assert ecdsa._double_multiply(curve, curve.n - 1, 1, curve.g)[2] == 0  # the order's multiple


def test_secp256k1_in_a_pkix_key_is_no_ecdsa_key():
    key = ec.generate_private_key(ec.SECP256K1())
    signature = key.sign(MESSAGE, ec.ECDSA(hashes.SHA256()))
    assert not verify(ECDSA, spki(key), MESSAGE, signature)


# Anything at all

KEYS = [peer_ids.data(peer_ids.PUBLIC[name]) for name in ("rsa", "ed25519", "secp256k1", "ecdsa")]
SIGNATURES = [peer_ids.SIGNATURES[name] for name in ("rsa", "ed25519", "secp256k1", "ecdsa")]


@settings(deadline=None, max_examples=300)
@given(
    key_type=st.integers(-1, 5),
    key=st.binary(max_size=200),
    signature=st.binary(max_size=200),
)
@example(key_type=3, key=b"\x30\x82", signature=b"")
def test_verify_never_raises(key_type, key, signature):
    assert not verify(key_type, key, MESSAGE, signature)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_verify_never_raises_near_good_input(data):
    key_type = data.draw(st.integers(0, 3))
    parts = [bytearray(KEYS[key_type]), bytearray(SIGNATURES[key_type])]
    part = parts[data.draw(st.integers(0, 1))]
    position = data.draw(st.integers(0, min(40, len(part) - 1)))
    change = data.draw(st.integers(1, 255))
    part[position] ^= change
    assert not verify(key_type, bytes(parts[0]), peer_ids.MESSAGE, bytes(parts[1]))

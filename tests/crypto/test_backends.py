"""All backends say the same, on good input and on anything else; and one of them is picked."""

import os
import subprocess
import sys

import peer_id_vectors as peer_ids
import pytest
from backends import BACKENDS as NAMED
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.crypto import ECDSA, ED25519, RSA, SECP256K1, native, publickeys, pure
from edge.crypto.errors import CryptoError, DecryptError, NonceExhausted
from edge.crypto.pure import curve25519, ecdsa

MESSAGE = b"a message of some length"
BACKENDS = tuple(NAMED.values())


def verify(key_type, key, message, signature):
    """The verdict of all, which must be the same."""
    verdicts = {backend.verify(key_type, key, message, signature) for backend in BACKENDS}
    assert len(verdicts) == 1
    return verdicts.pop()


# AEAD

SIZES = st.one_of(
    st.binary(max_size=300),
    st.integers(4000, 4400).map(lambda size: b"\xa5" * size),  # about one batch of lanes
    st.sampled_from([8128, 8192, 65519, 65520]).map(bytes),
)


@settings(deadline=None, max_examples=60)
@given(
    key=st.binary(min_size=32, max_size=32),
    counter=st.one_of(st.integers(0, 2**64 - 2), st.just(0)),
    plaintext=SIZES,
    aad=st.binary(max_size=40),
    spare=st.integers(0, 3),
)
def test_backends_seal_alike_and_open_each_other(key, counter, plaintext, aad, spare):
    sealed = []
    for backend in BACKENDS:
        state = backend.CipherState(key)
        state._counter = counter
        out = bytearray(len(plaintext) + 16 + spare)
        size = state.seal_into(memoryview(plaintext), memoryview(out), aad)
        assert size == len(plaintext) + 16
        assert out[size:] == bytes(spare)
        sealed.append(bytes(out[:size]))
    assert len(set(sealed)) == 1
    for backend in BACKENDS:
        state = backend.CipherState(key)
        state._counter = counter
        out = bytearray(len(plaintext) + spare)
        assert state.open_into(sealed[0], out, aad) == len(plaintext)
        assert out == plaintext + bytes(spare)


@settings(deadline=None, max_examples=60)
@given(plaintext=SIZES, before=st.integers(0, 3), after=st.integers(0, 3))
def test_in_place(plaintext, before, after):
    """Where a frame lies in the middle of a buffer, nothing around it is touched."""
    size = len(plaintext)
    sealed = []
    for backend in BACKENDS:
        buffer = bytearray(b"<" * before + plaintext + bytes(16) + b">" * after)
        frame = memoryview(buffer)[before : before + size + 16]
        backend.CipherState(bytes(32)).seal_into(frame[:size], frame)
        sealed.append(bytes(buffer))
        backend.CipherState(bytes(32)).open_into(frame, frame[:size])
        assert frame[:size] == plaintext
        assert buffer[:before] + buffer[len(buffer) - after :] == b"<" * before + b">" * after
    assert len(set(sealed)) == 1


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_garbage_never_opens(garbage):
    for backend in BACKENDS:
        out = bytearray(200)
        with pytest.raises(DecryptError):
            backend.CipherState(bytes(32)).open_into(garbage, out)
        assert out == bytes(200)


@settings(deadline=None, max_examples=60)
@given(plaintext=st.binary(max_size=200), aad=st.binary(max_size=20), data=st.data())
def test_what_was_altered_leaves_no_plaintext_in_place(plaintext, aad, data):
    sealed = bytearray(len(plaintext) + 16)
    BACKENDS[0].CipherState(bytes(32)).seal_into(plaintext, sealed, aad)
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    for backend in BACKENDS:
        state, buffer = backend.CipherState(bytes(32)), bytearray(sealed)
        with pytest.raises(DecryptError):
            state.open_into(buffer, buffer, aad)
        left = buffer[: len(plaintext)]
        assert left in (bytes(len(left)), sealed[: len(left)])
        assert state._counter == 0


@settings(deadline=None, max_examples=100)
@given(
    key=st.sampled_from([0, 31, 32, 32, 32, 33]),
    counter=st.sampled_from([0, 1, 2**64 - 2, 2**64 - 1]),
    size=st.integers(0, 40),
    room=st.integers(0, 60),
    call=st.sampled_from(["seal_into", "open_into"]),
)
def test_wrong_lengths_are_refused_alike(key, counter, size, room, call):
    """By the same error, and what is refused takes no counter and writes nothing."""

    def outcome(backend):
        try:
            state = backend.CipherState(bytes(key))
        except CryptoError as error:
            return str(error)
        state._counter, out = counter, bytearray(room)
        try:
            return getattr(state, call)(bytes(size), out), state._counter, bytes(out)
        except (CryptoError, ValueError) as error:
            return type(error), state._counter, bytes(out)

    outcomes = [outcome(backend) for backend in BACKENDS]
    assert len(set(outcomes)) == 1, outcomes


def test_the_last_counter_is_for_rekeying():
    for backend in BACKENDS:
        state = backend.CipherState(bytes(32))
        state._counter = 2**64 - 2
        state.seal_into(b"", bytearray(16))
        for call in (state.seal_into, state.open_into):
            with pytest.raises(NonceExhausted):
                call(bytes(16), bytearray(32))


def test_buffers_that_cannot_be_written_or_are_no_buffers():
    for backend in BACKENDS:
        for wrong in (bytes(40), "a text longer than a tag", None):
            with pytest.raises((TypeError, BufferError)):
                backend.CipherState(bytes(32)).seal_into(b"abc", wrong)
        for wrong in ("text longer than a tag", None, 3):
            with pytest.raises((TypeError, BufferError)):
                backend.CipherState(bytes(32)).open_into(wrong, bytearray(40))


@settings(deadline=None, max_examples=50)
@given(key=st.binary(max_size=100), ikm=st.binary(max_size=100))
def test_hkdf2_and_sha256_alike(key, ikm):
    assert len({backend.hkdf2(key, ikm) for backend in BACKENDS}) == 1
    assert len({backend.sha256(ikm) for backend in BACKENDS}) == 1


# X25519 and Ed25519


@settings(deadline=None, max_examples=30)
@given(seed=st.binary(min_size=32, max_size=32), remote=st.binary(min_size=32, max_size=32))
def test_x25519_alike(seed, remote):
    results = []
    for backend in BACKENDS:
        private, public = backend.x25519_from_seed(seed)
        try:
            results.append((public, backend.x25519_shared(private, remote)))
        except CryptoError as error:
            results.append((public, str(error)))
    assert len(set(results)) == 1


P = curve25519._P
ORDER_8_U = 0xB8495F16056286FDB1329CEB8D09DA6AC49FF1FAE35616AEB8413B7C7AEBE0
OTHER_8_U = 0x57119FD0DD4E22D8868E1C58C45C44045BEF839C55B1D0B1248C50A3BC959C5F


@pytest.mark.parametrize("u", [0, 1, P - 1, ORDER_8_U, OTHER_8_U, P, P + 1])
@pytest.mark.parametrize("high", [0, 1])
def test_x25519_refuses_small_orders(u, high):
    """All of them, and their second encodings (RFC 7748, 5: the highest bit is not looked at)."""
    remote = (u | high << 255).to_bytes(32, "little")
    for backend in BACKENDS:
        private, _ = backend.x25519_from_seed(b"\x77" * 32)
        with pytest.raises(CryptoError, match="small order"):
            backend.x25519_shared(private, remote)


@settings(deadline=None, max_examples=20)
@given(u=st.integers(2, 18), high=st.integers(0, 1))
def test_x25519_takes_second_encodings(u, high):
    remotes = [(u + more | high << 255).to_bytes(32, "little") for more in (0, P)]
    shared = set()
    for backend in BACKENDS:
        private, _ = backend.x25519_from_seed(b"\x77" * 32)
        shared |= {backend.x25519_shared(private, remote) for remote in remotes}
    assert len(shared) == 1


@settings(deadline=None, max_examples=40)
@given(data=st.binary(max_size=70))
def test_key_lengths_are_refused_alike(data):
    def outcome(call, *args):
        try:
            return call(*args)[1]
        except CryptoError as error:
            return str(error)

    def outcomes(backend):
        private, _ = backend.x25519_from_seed(bytes(32))
        shared = outcome(backend.x25519_shared, private, data)
        return (
            outcome(backend.x25519_from_seed, data),
            outcome(lambda: (0, backend.Ed25519Key.from_seed(data).public)),
            shared,
        )

    assert len({outcomes(backend) for backend in BACKENDS}) == 1


@settings(deadline=None, max_examples=20)
@given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=300))
def test_ed25519_alike(seed, message):
    keys = [backend.Ed25519Key.from_seed(seed) for backend in BACKENDS]
    (public,) = {key.public for key in keys}
    (signature,) = {key.sign(message) for key in keys}
    assert verify(ED25519, public, message, signature)
    assert not verify(ED25519, public, message + b"x", signature)


@settings(deadline=None, max_examples=40)
@given(
    y=st.sampled_from([0, 1, 2, 3, P - 1, P, P + 1, P + 3, (1 << 255) - 1]),
    sign=st.integers(0, 1),
    s=st.one_of(st.just(0), st.integers(0, (1 << 256) - 1), st.just(curve25519._L)),
    as_key=st.booleans(),
)
def test_ed25519_strange_points_and_scalars_judged_alike(y, sign, s, as_key):
    public = native.Ed25519Key.from_seed(bytes(32)).public
    point = (y | sign << 255).to_bytes(32, "little")
    key, big_r = (point, public) if as_key else (public, point)
    assert not verify(ED25519, key, MESSAGE, big_r + s.to_bytes(32, "little"))


@settings(deadline=None, max_examples=40)
@given(message=st.binary(max_size=40), multiple=st.integers(0, 15))
def test_ed25519_scalar_not_reduced(message, multiple):
    key = native.Ed25519Key.from_seed(b"\5" * 32)
    signature = key.sign(message)
    s = int.from_bytes(signature[32:], "little") + multiple * curve25519._L
    again = signature[:32] + (s & (1 << 256) - 1).to_bytes(32, "little")
    assert verify(ED25519, key.public, message, again) is (multiple == 0)


@pytest.mark.parametrize("big_r", [1, P - 1, 0, P + 1])
def test_ed25519_small_points_in_signatures(big_r):
    """What the holder of a key can make up so that the equation alone would let it pass."""
    key, point = pure.Ed25519Key.from_seed(bytes(32)), big_r.to_bytes(32, "little")
    for number in range(16):  # an R of another order than 1 fits some messages only
        message = bytes([number])
        s = curve25519._scalar(point, key.public, message) * key._scalar % curve25519._L
        assert not verify(ED25519, key.public, message, point + s.to_bytes(32, "little"))


@settings(deadline=None, max_examples=30)
@given(key=st.binary(min_size=32, max_size=32), signature=st.binary(min_size=64, max_size=64))
def test_ed25519_random_keys_judged_alike(key, signature):
    assert not verify(ED25519, key, MESSAGE, signature)


def test_ed25519_key_off_the_curve():
    key = (2).to_bytes(32, "little")
    assert curve25519._decompress(key) is None
    assert not verify(ED25519, key, MESSAGE, bytes(64))


def test_small_order_table_is_of_small_order_and_whole():
    """Eight points, by multiplying all candidates with 8; the neutral element is (0, 1)."""
    points = 0
    for y in publickeys._ED25519_SMALL_ORDER_Y:
        for sign in (0, 1):
            point = curve25519._decompress((y | sign << 255).to_bytes(32, "little"))
            assert point is not None
            x, _, z, _ = curve25519._multiply(8, point)
            assert x == 0
            assert curve25519._compress(curve25519._multiply(8, point)) == b"\1" + bytes(31)
            assert z != 0
            points += 1 if point[0] else sign  # where x is 0 the sign changes nothing
    assert points == 8


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
        ((1 << 8193) - 1, 65537),
        ((1 << 65536) - 1, 65537),
        ((1 << 2048) - 2, 65537),
        ((1 << 2048) - 1, 1),
        ((1 << 2048) - 1, 65536),
        ((1 << 2048) - 1, (1 << 31) + 1),
        ((1 << 2048) - 1, (1 << 2047) + 1),
        ((1 << 2048) - 1, 0),
    ],
    ids=str.split("short long huge even e=1 e-even e-long e-huge e=0"),
)
def test_rsa_out_of_bounds(n, e):
    with pytest.raises(publickeys.MalformedKey):
        publickeys.parse_rsa(rsa_der(n, e))
    assert not verify(RSA, rsa_der(n, e), MESSAGE, bytes(256))


@pytest.mark.parametrize("n", [(1 << 2047) + 1, (1 << 8192) - 1], ids=["short", "long"])
def test_rsa_in_bounds(n):
    assert publickeys.parse_rsa(rsa_der(n, (1 << 31) - 1)) == (
        n,
        (1 << 31) - 1,
        n.bit_length() // 8,
    )
    assert not verify(RSA, rsa_der(n, (1 << 31) - 1), MESSAGE, bytes(n.bit_length() // 8))


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
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}


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
        ("P-521", b"\4" + b"\xff" * 132),
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


# Which backend


def run(code, **environment):
    names = {k: v for k, v in os.environ.items() if k != "KWAAINET_CRYPTO"}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**names, **environment},
        capture_output=True,
        text=True,
        timeout=20,
    )


SHOW = "from edge import crypto; print(crypto.BACKEND, crypto.CipherState.__module__)"
BLOCK = "import sys; sys.modules['cryptography'] = None; "


def test_native_is_the_default():
    shown = run(SHOW).stdout
    assert shown.startswith("cryptography ")
    assert "(OpenSSL " in shown
    assert shown.endswith(") edge.crypto.native\n")


def test_pure_where_cryptography_is_missing():
    assert run(BLOCK + SHOW).stdout == "pure Python edge.crypto.pure.chacha20poly1305\n"


def test_environment_decides():
    assert run(SHOW, KWAAINET_CRYPTO="pure").stdout.startswith("pure Python")
    assert run(SHOW, KWAAINET_CRYPTO="native").stdout.startswith("cryptography ")


def test_environment_wants_what_is_missing():
    failed = run(BLOCK + SHOW, KWAAINET_CRYPTO="native")
    assert failed.returncode == 1
    last = failed.stderr.splitlines()[-1]
    assert last.startswith("edge.crypto.errors.CryptoError: KWAAINET_CRYPTO is native, but ")
    assert last.endswith("install cryptography 50 or newer")


def test_environment_is_wrong():
    last = run(SHOW, KWAAINET_CRYPTO="fast").stderr.splitlines()[-1]
    assert last == (
        "edge.crypto.errors.CryptoError: KWAAINET_CRYPTO is 'fast'; it may be native or pure"
    )


def test_start_up_imports_little_of_cryptography():
    code = """if True:
        import sys
        from edge import crypto
        private, public = crypto.x25519_keypair()
        crypto.x25519_shared(private, public)
        key = crypto.Ed25519Key.generate()
        assert crypto.verify(crypto.ED25519, key.public, b"", key.sign(b""))
        print(*sorted(name for name in sys.modules if name.startswith("cryptography.")))
    """
    assert run(code).stdout.split() == [
        "cryptography.__about__",
        "cryptography.exceptions",
        "cryptography.hazmat",
        "cryptography.hazmat.bindings",
        "cryptography.hazmat.bindings._rust",
    ]

"""All backends say the same, on good input and on what breaks the terms: AEAD, X25519, Ed25519."""

import pytest
from backends import BACKENDS as NAMED
from backends import verify
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.crypto import ED25519, native, publickeys, pure
from edge.crypto.errors import CryptoError, DecryptError, NonceExhausted
from edge.crypto.pure import curve25519

MESSAGE = b"a message of some length"
BACKENDS = tuple(NAMED.values())


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

"""What every backend must compute, as functions that take the backend and assert.

pytest runs them against all backends; run as a script, also under MicroPython, they check the
pure one. Portable.
"""

import hashlib

import peer_id_vectors as peer_ids

from edge.crypto.errors import CryptoError, DecryptError, NonceExhausted

unhex = bytes.fromhex


def raises(error, call, *args):
    try:
        call(*args)
    except error:
        return
    raise AssertionError("nothing was raised")


# RFC 8439, A.5: the one of its AEAD vectors whose nonce begins with four zero bytes.
AEAD_KEY = unhex("1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0")
AEAD_COUNTER = 0x0807060504030201
AEAD_AAD = unhex("f33388860000000000004e91")
AEAD_PLAINTEXT = (
    b"Internet-Drafts are draft documents valid for a maximum of six months and may be updated, "
    b"replaced, or obsoleted by other documents at any time. It is inappropriate to use Internet-"
    b"Drafts as reference material or to cite them other than as /\xe2\x80\x9cwork in progress."
    b"/\xe2\x80\x9d"
)
AEAD_SEALED = unhex(
    "64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb2"
    "4c6cfc18755d43eea09ee94e382d26b0bdb7b73c321b0100d4f03b7f355894cf"
    "332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f982b1ff37c855"
    "9797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0f9f6157b53c867e4"
    "b9166c767b804d46a59b5216cde7a4e99040c5a40433225ee282a1b0a06c523e"
    "af4534d7f83fa1155b0047718cbc546a0d072b04b3564eea1b422273f548271a"
    "0bb2316053fa76991955ebd63159434ecebb4e466dae5a1073a6727627097a10"
    "49e617d91d361094fa68f0ff77987130305beaba2eda04df997b714d6c6f2c29"
    "a6ad5cb4022b02709b"
    "eead9d67890cbb22392336fea1851f38"
)


def _aead_state(backend):
    state = backend.CipherState(AEAD_KEY)
    state._counter = AEAD_COUNTER
    return state


def check_aead_seals_rfc8439_a5(backend):
    out = bytearray(len(AEAD_SEALED) + 7)
    size = _aead_state(backend).seal_into(AEAD_PLAINTEXT, out, AEAD_AAD)
    assert size == len(AEAD_SEALED)
    assert out[:size] == AEAD_SEALED
    assert out[size:] == bytes(7)


def check_aead_opens_rfc8439_a5(backend):
    out = bytearray(len(AEAD_PLAINTEXT) + 7)
    size = _aead_state(backend).open_into(AEAD_SEALED, out, AEAD_AAD)
    assert size == len(AEAD_PLAINTEXT)
    assert out[:size] == AEAD_PLAINTEXT
    assert out[size:] == bytes(7)


# Lengths around what implementations do at once, each sealed with the next counter of one key.
AEAD_LENGTHS = list(range(68)) + [64 * i + j for i in range(2, 13) for j in (-17, -1, 0, 1, 15, 16)]
AEAD_ALL_LENGTHS = unhex("09f18e3a1527287b60196d7e50fecc6a46710287fafc7c8bb7a8cde0ab921192")


def check_aead_seals_and_opens_all_lengths(backend):
    sender, receiver = backend.CipherState(AEAD_KEY), backend.CipherState(AEAD_KEY)
    digest = hashlib.sha256()
    for size in AEAD_LENGTHS:
        plaintext, aad = bytes(range(256)) * 4, AEAD_AAD * (size % 3)
        sealed, out = bytearray(size + 16), bytearray(size)
        sender.seal_into(plaintext[:size], sealed, aad)
        digest.update(sealed)
        assert receiver.open_into(sealed, out, aad) == size
        assert out == plaintext[:size]
    assert digest.digest() == AEAD_ALL_LENGTHS


def check_aead_counts_and_survives_a_forgery(backend):
    sender, receiver = backend.CipherState(bytes(32)), backend.CipherState(bytes(32))
    sealed = bytearray(21)
    assert sender.seal_into(b"first", sealed) == 21
    first = bytes(sealed)
    sender.seal_into(b"first", sealed)
    assert bytes(sealed) != first
    out = bytearray(5)
    raises(DecryptError, receiver.open_into, sealed, out)  # the second before the first
    assert receiver.open_into(first, out) == 5
    assert receiver.open_into(sealed, out) == 5
    assert out == b"first"
    raises(DecryptError, receiver.open_into, sealed, out)  # replayed


def check_aead_works_in_place(backend):
    buffer = bytearray(b"x" * 5000 + bytes(16))
    view = memoryview(buffer)
    assert backend.CipherState(bytes(32)).seal_into(view[:5000], buffer) == 5016
    assert buffer[:5000] != b"x" * 5000
    assert backend.CipherState(bytes(32)).open_into(buffer, view) == 5000
    assert buffer[:5000] == b"x" * 5000


def check_aead_refuses_what_was_altered(backend):
    sealed = bytearray(19)
    backend.CipherState(bytes(32)).seal_into(b"abc", sealed, b"aad")
    for i in range(19):
        forged = bytearray(sealed)
        forged[i] ^= 1
        out = bytearray(3)
        raises(DecryptError, backend.CipherState(bytes(32)).open_into, forged, out, b"aad")
        assert out == bytes(3)  # nothing unverified is handed out
    for size in range(19):
        short = bytes(sealed[:size])
        raises(DecryptError, backend.CipherState(bytes(32)).open_into, short, bytearray(3), b"aad")
    whole = bytes(sealed)
    for aad in (b"", b"aae", b"aad\0"):
        raises(DecryptError, backend.CipherState(bytes(32)).open_into, whole, bytearray(3), aad)


def check_aead_stops_before_the_last_counter(backend):
    state = backend.CipherState(bytes(32))
    state._counter = 2**64 - 2
    sealed = bytearray(16)
    assert state.seal_into(b"", sealed) == 16
    raises(NonceExhausted, state.seal_into, b"", sealed)
    raises(NonceExhausted, state.open_into, sealed, bytearray())
    opener = backend.CipherState(bytes(32))
    opener._counter = 2**64 - 2
    assert opener.open_into(sealed, bytearray()) == 0


def check_aead_wants_a_key_and_room(backend):
    raises(CryptoError, backend.CipherState, bytes(31))
    state = backend.CipherState(bytes(32))
    raises(ValueError, state.seal_into, b"abc", bytearray(18))
    sealed = bytearray(19)
    assert state.seal_into(b"abc", sealed) == 19  # the failed call has used no counter
    raises(ValueError, backend.CipherState(bytes(32)).open_into, sealed, bytearray(2))
    assert backend.CipherState(bytes(32)).open_into(sealed, bytearray(3)) == 3


# RFC 7748, 5.2 and 6.1. The second has the bit set that must be ignored.
X25519 = (
    (
        "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
        "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
        "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
    ),
    (
        "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
        "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
        "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
    ),
    (
        "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
        "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
        "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
    ),
)
X25519_ITERATED = {
    1: "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079",
    1000: "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51",
}
# The points of order 1, 2, 4 and 8, on the curve and its twist, and what is not reduced of them.
X25519_SMALL_ORDER = (
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080",
)


def check_x25519_rfc7748(backend):
    for seed, remote, shared in X25519:
        private, _ = backend.x25519_from_seed(unhex(seed))
        assert backend.x25519_shared(private, unhex(remote)) == unhex(shared)
        assert backend.x25519_shared(private, unhex(remote)) == unhex(shared)  # reusable
    _, public = backend.x25519_from_seed(unhex(X25519[2][0]))
    assert public == unhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")


def x25519_iterated(backend, times):
    k = u = b"\x09" + bytes(31)
    for _ in range(times):
        private, _ = backend.x25519_from_seed(k)
        k, u = backend.x25519_shared(private, u), k
    return k


def check_x25519_iterated_once(backend):
    assert x25519_iterated(backend, 1) == unhex(X25519_ITERATED[1])


def check_x25519_keypairs_agree(backend):
    a, a_public = backend.x25519_keypair()
    b, b_public = backend.x25519_keypair()
    assert a_public != b_public
    assert backend.x25519_shared(a, b_public) == backend.x25519_shared(b, a_public)


def check_x25519_refuses_small_order_and_wrong_length(backend):
    private, _ = backend.x25519_keypair()
    for point in X25519_SMALL_ORDER:
        raises(CryptoError, backend.x25519_shared, private, unhex(point))
    for size in (0, 31, 33):
        raises(CryptoError, backend.x25519_shared, private, b"\x09" * size)
        raises(CryptoError, backend.x25519_from_seed, b"\x09" * size)


# RFC 8032, 7.1: seed, public key, message, signature
ED25519 = (
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
        "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
)
ED25519_ORDER = (1 << 252) + 27742317777372353535851937790883648493
ED25519_P = (1 << 255) - 19
ED25519_Y_OF_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7


def check_ed25519_rfc8032(backend):
    for seed, public, message, signature in ED25519:
        key = backend.Ed25519Key.from_seed(unhex(seed))
        assert key.seed == unhex(seed)
        assert key.public == unhex(public)
        assert key.sign(unhex(message)) == unhex(signature)
        assert backend.verify(1, unhex(public), unhex(message), unhex(signature)) is True


def check_ed25519_generates_fresh_keys(backend):
    key, other = backend.Ed25519Key.generate(), backend.Ed25519Key.generate()
    assert key.seed != other.seed
    assert backend.Ed25519Key.from_seed(key.seed).public == key.public
    assert backend.verify(1, key.public, b"message", key.sign(b"message"))
    assert not backend.verify(1, other.public, b"message", key.sign(b"message"))
    raises(CryptoError, backend.Ed25519Key.from_seed, bytes(31))


def check_ed25519_refuses_what_was_altered(backend):
    _, public, message, signature = [unhex(part) for part in ED25519[1]]
    for i in (0, 31, 32, 63):
        forged = bytearray(signature)
        forged[i] ^= 1
        assert backend.verify(1, public, message, bytes(forged)) is False
    assert not backend.verify(1, public, message + b"\0", signature)
    for size in (0, 32, 63, 65):
        assert not backend.verify(1, public, message, (signature + b"\0")[:size])
    for size in (0, 31, 33):
        assert not backend.verify(1, (public + b"\0")[:size], message, signature)
    malleable = int.from_bytes(signature[32:], "little") + ED25519_ORDER
    assert not backend.verify(1, public, message, signature[:32] + malleable.to_bytes(32, "little"))


def check_ed25519_refuses_keys_anyone_can_sign_for(backend):
    p, eight = ED25519_P, ED25519_Y_OF_ORDER_8
    for y in (0, 1, p - 1, eight, p - eight, p, p + 1, (1 << 255) - 1):
        for sign in (0, 1):
            public = (y | sign << 255).to_bytes(32, "little")
            for big_r in (b"\1" + bytes(31), public):
                for message in (b"a", b"b", b"c", b"d"):
                    assert not backend.verify(1, public, message, big_r + bytes(32))


# By the key of the seed of zeros, with the neutral element for R: good by the equation alone.
SMALL_R_PUBLIC = unhex("3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29")
SMALL_R_S = unhex("f9f66522dece0e9826001c8598bb7edacecc5bf0331cdb50144d5c393a76720e")


def check_ed25519_refuses_small_points_in_signatures(backend):
    assert backend.Ed25519Key.from_seed(bytes(32)).public == SMALL_R_PUBLIC
    for big_r in (b"\1" + bytes(31), (ED25519_P + 1).to_bytes(32, "little")):
        assert not backend.verify(1, SMALL_R_PUBLIC, b"message 0", big_r + SMALL_R_S)


# RFC 5869, A.3 has no salt and no info: the first 32 bytes of its output come of the same PRK.
def check_hkdf2(backend):
    prk = unhex("19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04")
    first, second = backend.hkdf2(bytes(32), b"\x0b" * 22)
    assert (first, second) == (hmac_sha256(prk, b"\1"), hmac_sha256(prk, first + b"\2"))
    assert backend.hkdf2(b"k" * 32, b"") != (first, second)


def hmac_sha256(key, message):
    """RFC 2104 once more, in the long way, to check against."""
    key = key + bytes(64 - len(key))
    inner = hashlib.sha256(bytes([b ^ 0x36 for b in key]) + message).digest()
    return hashlib.sha256(bytes([b ^ 0x5C for b in key]) + inner).digest()


def check_sha256(backend):
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert backend.sha256(memoryview(b"abc")) == unhex(digest)


KEY_TYPES = {"rsa": 0, "ed25519": 1, "secp256k1": 2, "ecdsa": 3}


def check_peer_id_keys(backend):
    for name, key_type in KEY_TYPES.items():
        public, signature = peer_ids.data(peer_ids.PUBLIC[name]), peer_ids.SIGNATURES[name]
        assert peer_ids.PUBLIC[name][1] == key_type
        assert backend.verify(key_type, public, peer_ids.MESSAGE, signature) is True
        assert not backend.verify(key_type, public, peer_ids.MESSAGE + b"\0", signature)
        for other in (-1, 0, 1, 2, 3, 4, 1 << 64):
            if other != key_type:
                assert not backend.verify(other, public, peer_ids.MESSAGE, signature)


def check_peer_id_private_key(backend):
    data = peer_ids.data(peer_ids.PRIVATE["ed25519"])
    key = backend.Ed25519Key.from_seed(data[:32])
    assert key.public == data[32:] == peer_ids.data(peer_ids.PUBLIC["ed25519"])
    assert key.sign(peer_ids.MESSAGE) == peer_ids.SIGNATURES["ed25519"]


CHECKS = [value for name, value in sorted(globals().items()) if name.startswith("check_")]

if __name__ == "__main__":
    import sys

    from edge.crypto import pure

    for check in CHECKS:
        check(pure)
    print(sys.implementation.name, len(CHECKS), "checks passed")

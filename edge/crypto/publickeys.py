"""Checks of libp2p public keys and signatures that precede any arithmetic.

All backends call these first, so that they accept the same keys, and so that a stranger cannot
cause much CPU time with a key of an expensive kind. Nobody's identity is of such a kind: libp2p's
implementations make RSA keys with the exponent 65537 and ECDSA keys on P-256. Encodings: libp2p's
peer-ids specification; RFC 5280 and RFC 8017 (RSA), RFC 5480 and SEC 1 (elliptic curves), all in
strict DER (X.690): one encoding for one value. Portable: runs under CPython and MicroPython.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.crypto.interface import Buffer

# KeyType of libp2p's PublicKey message
RSA, ED25519, SECP256K1, ECDSA = 0, 1, 2, 3

RSA_MIN_BITS, RSA_MAX_BITS = 2048, 4096
RSA_EXPONENT = 65537
_RSA_MAX_KEY = 560  # bytes of DER for 4096 bits, with some reserve
_P256_KEY = 91
_EC_MAX_SIGNATURE = 72  # 2 + 2 * (2 + 33)

_INTEGER, _BIT_STRING, _SEQUENCE = 0x02, 0x03, 0x30

# Complete AlgorithmIdentifiers: strict DER has one encoding of each
_RSA_ALGORITHM = bytes.fromhex("300d06092a864886f70d0101010500")
_P256_ALGORITHM = bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107")

_ED25519_P = (1 << 255) - 19
# The y of all points of order 1, 2, 4 and 8. Signatures under such a key can be forged.
_ED25519_SMALL_ORDER_Y = (
    0,  # order 4
    1,  # order 1
    _ED25519_P - 1,  # order 2
    0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,  # order 8
    0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,  # order 8
)


class MalformedKey(ValueError):
    """Not a valid key or signature of the expected kind, or out of bounds."""


def check_ed25519(key: bytes, signature: bytes) -> None:
    """Check the lengths (`key` 32 bytes, `signature` 64) and both points. Raises MalformedKey.

    The points (the key, and R, the first half of the signature) must be canonical and not of small
    order: the rule of libsodium, as RFC 8032 leaves small orders open.
    """
    if len(key) != 32 or len(signature) != 64:
        raise MalformedKey("an Ed25519 key is 32 bytes, a signature 64")
    for point in (key, signature[:32]):
        y = int.from_bytes(point, "little") & ((1 << 255) - 1)
        if y >= _ED25519_P or y in _ED25519_SMALL_ORDER_Y:
            raise MalformedKey("Ed25519 point not canonical or of small order")


def check_secp256k1(key: bytes) -> None:
    """Check that `key` has the form of a compressed point. Raises MalformedKey."""
    if len(key) != 33 or key[0] not in (2, 3):
        raise MalformedKey("a secp256k1 key is a compressed point of 33 bytes")


def parse_rsa(der: "Buffer") -> "tuple[int, int, int]":
    """The (modulus, public exponent, modulus length in bytes) of a SubjectPublicKeyInfo."""
    n_bytes, e_bytes = _integers(_public_key(der, _RSA_MAX_KEY, _RSA_ALGORITHM))
    bits = len(n_bytes) * 8 - 8 + len(bin(n_bytes[0])) - 2
    if not RSA_MIN_BITS <= bits <= RSA_MAX_BITS or len(e_bytes) > 4:
        raise MalformedKey("RSA key out of bounds")
    n, e = int.from_bytes(n_bytes, "big"), int.from_bytes(e_bytes, "big")
    if e != RSA_EXPONENT or not n & 1:
        raise MalformedKey("RSA key out of bounds")
    return n, e, len(n_bytes)


def parse_ecdsa(der: "Buffer") -> bytes:
    """The uncompressed point on P-256 of a SubjectPublicKeyInfo; it may be off the curve."""
    point = _public_key(der, _P256_KEY, _P256_ALGORITHM)
    if len(point) != 65 or point[0] != 4:
        raise MalformedKey("not an uncompressed point")
    return point


def parse_ecdsa_signature(der: "Buffer") -> "tuple[int, int]":
    """The (r, s) of an ECDSA signature; the caller compares them with the curve's order."""
    if len(der) > _EC_MAX_SIGNATURE:
        raise MalformedKey("signature too long")
    r, s = _integers(bytes(der))
    return int.from_bytes(r, "big"), int.from_bytes(s, "big")


def _public_key(der: "Buffer", limit: int, algorithm: bytes) -> bytes:
    # SubjectPublicKeyInfo ::= SEQUENCE { algorithm, subjectPublicKey BIT STRING }
    if len(der) > limit:
        raise MalformedKey("public key too long")
    data = bytes(der)
    pos, end = _element(data, 0, _SEQUENCE)
    if end != len(data) or data[pos : pos + len(algorithm)] != algorithm:
        raise MalformedKey("public key of another algorithm")
    pos, stop = _element(data, pos + len(algorithm), _BIT_STRING)
    if stop != end or pos == stop or data[pos] != 0:
        raise MalformedKey("public key is not a string of whole bytes")
    return data[pos + 1 :]


def _integers(data: bytes) -> "tuple[bytes, bytes]":
    """The two positive integers, without leading zeros, of a SEQUENCE with no other elements."""
    pos, end = _element(data, 0, _SEQUENCE)
    first, pos = _integer(data, pos)
    second, pos = _integer(data, pos)
    if pos != end or end != len(data):
        raise MalformedKey("not a sequence of two integers")
    return first, second


def _integer(data: bytes, pos: int) -> "tuple[bytes, int]":
    start, stop = _element(data, pos, _INTEGER)
    value = data[start:stop]
    if not value or value[0] > 0x7F or value == b"\0":
        raise MalformedKey("integer not positive")
    if value[0] == 0:
        value = value[1:]
        if value[0] < 0x80:
            raise MalformedKey("integer not minimal")
    return value, stop


def _element(data: bytes, pos: int, tag: int) -> "tuple[int, int]":
    """The start and end of the contents of the element at `pos`."""
    if len(data) < pos + 2 or data[pos] != tag:
        raise MalformedKey("DER cut short or of another type")
    length, pos = data[pos + 1], pos + 2
    if length > 0x7F:
        octets = length & 0x7F
        length = int.from_bytes(data[pos : pos + octets], "big")
        if not 1 <= octets <= 2 or length < (0x80, 0x100)[octets - 1]:
            raise MalformedKey("DER length not minimal or too long")
        pos += octets
    if pos + length > len(data):
        raise MalformedKey("DER cut short")
    return pos, pos + length

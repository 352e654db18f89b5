"""Private keys of every type that libp2p names, as files that the counterparts read.

Format: https://github.com/libp2p/specs/blob/master/peer-ids/peer-ids.md#keys
"""

from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from edge.wire.protobuf import BYTES, UINT, Field, Message

_RSA, _ED25519, _SECP256K1, _ECDSA = range(4)  # KeyType


class PrivateKey(Message):
    FIELDS = (Field(1, "type", UINT), Field(2, "data", BYTES))


def _ed25519() -> PrivateKey:
    key = ed25519.Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    private = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    return PrivateKey(type=_ED25519, data=private + public)


def rsa_key(bits: int = 2048) -> PrivateKey:
    key = rsa.generate_private_key(65537, bits)
    der = key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return PrivateKey(type=_RSA, data=der)


def _secp256k1() -> PrivateKey:
    number = ec.generate_private_key(ec.SECP256K1()).private_numbers().private_value
    return PrivateKey(type=_SECP256K1, data=number.to_bytes(32, "big"))


def _ecdsa() -> PrivateKey:
    key = ec.generate_private_key(ec.SECP256R1())
    der = key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return PrivateKey(type=_ECDSA, data=der)


KEY_TYPES: dict[str, Callable[[], PrivateKey]] = {
    "ed25519": _ed25519,
    "rsa": rsa_key,
    "secp256k1": _secp256k1,
    "ecdsa": _ecdsa,
}


def write_key(path: Path, key_type: str = "ed25519") -> Path:
    """A new key of one of KEY_TYPES in `path`, for Setup.identity."""
    return written(path, KEY_TYPES[key_type]())


def written(path: Path, key: PrivateKey) -> Path:
    """`path`, with `key` in it."""
    path.write_bytes(key.encode())
    path.chmod(0o600)
    return path

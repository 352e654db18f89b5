"""The vectors of every backend of edge.crypto, against the device's. Runs under MicroPython."""

import crypto_vectors
import peer_id_vectors

from edge import crypto
from edge.wire.errors import RemoteProtocolError

ALL_KINDS = "check_peer_id_keys"  # of keys: two are not served

count = 0
for check in crypto_vectors.CHECKS:
    if check.__name__ != ALL_KINDS:
        check(crypto)
        count += 1


def verify(name, message):
    kind, data = peer_id_vectors.PUBLIC[name][1], peer_id_vectors.data(peer_id_vectors.PUBLIC[name])
    return crypto.verify(kind, data, message, peer_id_vectors.SIGNATURES[name])


for name in ("ed25519", "rsa"):
    assert verify(name, peer_id_vectors.MESSAGE) is True
    assert verify(name, peer_id_vectors.MESSAGE + b"\0") is False
for name in ("secp256k1", "ecdsa"):
    try:
        verify(name, peer_id_vectors.MESSAGE)
    except RemoteProtocolError as error:
        assert name in str(error).lower()
    else:
        raise AssertionError(name)
assert crypto.verify(4, b"key", b"message", b"signature") is False

# What takes long lets others go on meanwhile.
turns = []
crypto.pause = lambda: turns.append(1)
private, public = crypto.x25519_keypair()
assert len(turns) > 60
verify("rsa", peer_id_vectors.MESSAGE)
print(crypto.BACKEND, count)

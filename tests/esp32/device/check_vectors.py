"""The vectors of every backend of edge.crypto, against the device's. Runs under MicroPython."""

import crypto_vectors

from edge import crypto

OTHER_KINDS = "check_peer_id_keys"  # of keys than Ed25519

count = 0
for check in crypto_vectors.CHECKS:
    if check.__name__ != OTHER_KINDS:
        check(crypto)
        count += 1
print(crypto.BACKEND, count)

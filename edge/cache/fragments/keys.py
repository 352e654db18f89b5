"""Under which keys of the DHT peers say that they provide a file."""

from __future__ import annotations

import hashlib

_DOMAIN = b"/kwaainet/fragment/provider/"
_SHA256_MULTIHASH = b"\x12\x20"


def provider_key(name: bytes) -> bytes:
    """The key of the file called `name` (edge.cache.names): a multihash, as kad-dht has them.

    It is a hash of the name, so that who keeps a record does not learn from it what to ask for.
    """
    return _SHA256_MULTIHASH + hashlib.sha256(_DOMAIN + name).digest()

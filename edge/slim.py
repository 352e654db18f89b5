"""Keeps modules out of the process which the standard library loads if it can and nobody here uses.

asyncio imports ssl, and hashlib OpenSSL's digests: 7 MB of resident memory on CPython for a node
that speaks no TLS and hashes a few kilobytes. To be called before either is first imported.
"""

import sys


def trim(keep_ssl: bool) -> None:
    """`keep_ssl`: for uvloop, which cannot be imported without."""
    if not keep_ssl:
        sys.modules.setdefault("ssl", None)  # type: ignore[arg-type]
    sys.modules.setdefault("_hashlib", None)  # type: ignore[arg-type]


def allow_ssl() -> None:
    """Let ssl be imported from now on, though asyncio goes on without."""
    if sys.modules.get("ssl", sys) is None:
        del sys.modules["ssl"]

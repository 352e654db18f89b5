"""Keeps modules out of the process which the standard library loads if it can and nobody here uses.

asyncio imports ssl, and hashlib OpenSSL's digests: 7 MB of resident memory on CPython for a node
that speaks no TLS and hashes a few kilobytes. To be called before either is first imported.
"""

import sys


def trim() -> None:
    """Without ssl uvloop cannot be imported, so where that is installed ssl stays."""
    try:
        import uvloop  # noqa: F401 - whether it is there
    except ImportError:
        sys.modules.setdefault("ssl", None)  # type: ignore[arg-type]
    sys.modules.setdefault("_hashlib", None)  # type: ignore[arg-type]

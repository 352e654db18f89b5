"""TLS in the static binary: mbedTLS behind a small C extension.

`_tls.c` is built into the binary by cross/, of mbedTLS as much as `_mbedtls.h` says.
"""

import os

from edge.http.small import _tls
from edge.http.tls import ROOTS
from edge.http.verdict import failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.http.tls import TlsError, TlsSession


def session(host: str, roots: str = "") -> "TlsSession":
    """See edge.http.secure.session."""
    path = roots or os.environ.get("SSL_CERT_FILE") or ROOTS

    def error(kind: str, number: int) -> "TlsError":
        return failure(host, path, kind, _said(kind, number))

    if not os.access(path, os.R_OK):
        raise error("roots", 0)
    return _tls.Session(host, path, error)


def _said(kind: str, number: int) -> str:
    return str(number) if kind == "alert" else f"mbedTLS {number:#x}"

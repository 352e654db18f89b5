"""Chooses what does TLS, when the first origin is asked by https: ssl takes 7 MB on CPython."""

from __future__ import annotations

from edge import slim

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.http.tls import TlsSession


def session(host: str, roots: str = "") -> TlsSession:
    """A session with `host`, a name or an IP address without brackets, of TLS 1.2 or newer.

    `roots`: the file of certificates that are trusted; "": that in SSL_CERT_FILE, edge.http.tls's
    ROOTS, or the system's own. Raises TlsError if there are none.
    """
    slim.allow_ssl()
    try:
        from edge.http import openssl
    except ImportError:
        from edge.http import small

        return small.session(host, roots)
    return openssl.session(host, roots)

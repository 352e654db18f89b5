"""TLS sessions by the interpreter's ssl module, without a socket."""

from __future__ import annotations

import os
import ssl

from edge.http.tls import ROOTS
from edge.http.verdict import failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.http.tls import TlsError

_NOT_YET_VALID, _EXPIRED = 9, 10  # X509_V_ERR_CERT_*, of OpenSSL's x509_vfy.h
_UNKNOWN_ISSUERS = (2, 18, 19, 20, 21)
_WRONG_NAMES = (62, 64)


class OpensslSession:
    """See edge.http.tls.TlsSession."""

    def __init__(self, host: str, roots: str, context: ssl.SSLContext) -> None:
        self._host = host
        self._roots = roots
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._in, self._out, server_hostname=host)

    def handshake(self) -> bool:
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            raise self._failure(error) from None
        return True

    def feed(self, data: bytes | memoryview) -> None:
        if data:
            self._in.write(data)
        else:
            self._in.write_eof()

    def read(self, size: int) -> bytes | None:
        try:
            return self._object.read(size)
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLZeroReturnError:
            return b""
        except ssl.SSLError as error:
            raise self._failure(error) from None

    def write(self, data: bytes | memoryview) -> None:
        try:
            self._object.write(data)
        except ssl.SSLError as error:
            raise self._failure(error) from None

    def outgoing(self) -> bytes:
        return self._out.read()

    def _failure(self, error: ssl.SSLError) -> TlsError:
        kind, said = _kind(error), (error.reason or "closed").replace("_", " ").lower()
        if isinstance(error, ssl.SSLCertVerificationError):
            said = error.verify_message
        return failure(self._host, self._roots, kind, said)


def session(host: str, roots: str = "") -> OpensslSession:
    """See edge.http.secure.session."""
    path = roots or os.environ.get("SSL_CERT_FILE") or ROOTS
    if not os.path.exists(path):
        path = (None if roots else ssl.get_default_verify_paths().cafile) or path
    try:
        return OpensslSession(host, path, _context(path))
    except OSError:  # ssl.SSLError is one
        raise failure(host, path, "roots", "") from None
    except ValueError:
        raise failure(host, path, "protocol", "not a name") from None


class _Last:
    """The context that was made last: reading the roots takes a tenth of a second."""

    made: tuple[tuple[str, float], ssl.SSLContext] | None = None


def _context(path: str) -> ssl.SSLContext:
    """Raises OSError."""
    key = (path, os.stat(path).st_mtime)
    if _Last.made is not None and _Last.made[0] == key:
        return _Last.made[1]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies, and checks the name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_verify_locations(path)
    _Last.made = (key, context)
    return context


def _kind(error: ssl.SSLError) -> str:
    """One of edge.http.verdict's."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        if isinstance(error, ssl.SSLEOFError) or "EOF" in (error.reason or ""):
            return "truncated"
        return "alert" if "ALERT" in (error.reason or "") else "protocol"
    code = error.verify_code
    if code in (_NOT_YET_VALID, _EXPIRED):
        return "future" if code == _NOT_YET_VALID else "expired"
    if code in _UNKNOWN_ISSUERS:
        return "issuer"
    return "name" if code in _WRONG_NAMES else "certificate"

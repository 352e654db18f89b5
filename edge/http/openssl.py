"""TLS sessions by the interpreter's ssl module, without a socket."""

from __future__ import annotations

import os
import time

from edge import clock, slim
from edge.http.tls import ROOTS, TlsError

slim.allow_ssl()
import ssl

_NOT_YET_VALID, _EXPIRED = 9, 10  # X509_V_ERR_CERT_*, of OpenSSL's x509_vfy.h
_UNKNOWN_ISSUERS = (2, 18, 19, 20, 21)
_WRONG_NAMES = (62, 64)


def session(host: str, roots: str) -> OpensslSession:
    """See edge.http.tls.session."""
    return OpensslSession(host, _context(roots))


class OpensslSession:
    """See edge.http.tls.TlsSession."""

    def __init__(self, host: str, context: ssl.SSLContext) -> None:
        self._host = host
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._in, self._out, server_hostname=host)

    def handshake(self) -> bool:
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLCertVerificationError as error:
            raise TlsError(f"{self._host}: {_cause(error)}") from None
        except ssl.SSLError as error:
            raise TlsError(f"{self._host}: no TLS: {_reason(error)}") from None
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
            raise TlsError(f"{self._host}: TLS was broken off: {_reason(error)}") from None

    def write(self, data: bytes | memoryview) -> None:
        try:
            self._object.write(data)
        except ssl.SSLError as error:
            raise TlsError(f"{self._host}: TLS was broken off: {_reason(error)}") from None

    def outgoing(self) -> bytes:
        return self._out.read()


class _Contexts:
    """The last one made: reading the roots takes a tenth of a second."""

    made: tuple[tuple[str, float], ssl.SSLContext] | None = None


def _context(roots: str) -> ssl.SSLContext:
    path = roots or os.environ.get("SSL_CERT_FILE") or ""
    if not path:
        found = ssl.get_default_verify_paths().cafile
        path = ROOTS if os.path.exists(ROOTS) or found is None else found
    try:
        key = (path, os.stat(path).st_mtime)
        if _Contexts.made is None or _Contexts.made[0] != key:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies, and checks the name
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.set_alpn_protocols(["http/1.1"])
            context.load_verify_locations(path)
            _Contexts.made = (key, context)
    except OSError as error:  # ssl.SSLError is one
        why = error.strerror if not isinstance(error, ssl.SSLError) else "no certificates in it"
        raise TlsError(f"no https without a ca-bundle: {path}: {why}") from None
    return _Contexts.made[1]


def _cause(error: ssl.SSLCertVerificationError) -> str:
    """Why a certificate is not accepted, and what to do about it."""
    now = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    if error.verify_code in (_NOT_YET_VALID, _EXPIRED):
        what = "is not yet valid" if error.verify_code == _NOT_YET_VALID else "has expired"
        wrong = clock.now_if_plausible(clock.build_time()) is None
        hint = "which is wrong" if wrong else "if that is right"
        return f"its certificate {what}, by this machine's clock of {now}, {hint}"
    if error.verify_code in _UNKNOWN_ISSUERS:
        return "its certificate is of an issuer that the ca-bundle does not have"
    if error.verify_code in _WRONG_NAMES:
        return "its certificate is for another name"
    return f"its certificate is refused: {error.verify_message}"


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or "closed").replace("_", " ").lower()

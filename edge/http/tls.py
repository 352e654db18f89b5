"""TLS for the client's connections to origins, as a value: bytes in, bytes out, no socket.

The interpreter's ssl module does the work (openssl.py), or mbedTLS in the static binary (small);
secure.py chooses. Certificates are verified and the name is checked; neither can be turned off.
"""

from __future__ import annotations

from typing import Protocol

from edge.http.errors import OriginError

ROOTS = "/etc/ssl/certs/ca-certificates.crt"


class TlsError(OriginError):
    """No TLS with that host; one line that names the cause: the clock, the ca-bundle, the issuer,
    the name, or what the peer said. `kind`: that cause in one word (edge/http/verdict.py).
    """

    def __init__(self, text: str, kind: str = "protocol") -> None:
        super().__init__(text)
        self.kind = kind


class TlsSession(Protocol):
    """The client's side of one connection. All may raise TlsError."""

    def handshake(self) -> bool:
        """Go on with the handshake as far as what was fed allows; True once it is done.

        What is to be sent then waits in `outgoing`.
        """

    def feed(self, data: bytes | memoryview) -> None:
        """Take what the socket brought; b"": it was closed."""

    def read(self, size: int) -> bytes | None:
        """At most `size` bytes of what the peer sent; None: feed more. b"": it has ended, properly.

        Raises TlsError if the connection was closed without saying so in TLS.
        """

    def write(self, data: bytes | memoryview) -> None:
        """Encrypt all of `data`, which is small; it then waits in `outgoing`."""

    def outgoing(self) -> bytes:
        """What is to be sent now; b"" if nothing is. To be asked after each of the other calls."""

"""Hears a gateway say that it has started, so that what it has lost is asked for again at once.

Source: RFC 6887 section 14.1.3, RFC 6886 section 3.2.1
"""

from __future__ import annotations

import asyncio
import socket

from edge.wire import pcp
from edge.wire.ip import format_ip4

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.portmap.gateway import Gateway


class Announcements:
    """Those of `gateway`. Where there is no socket for them, or no such port, nothing is heard."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._loop = asyncio.get_running_loop()
        try:
            self._sock: socket.socket | None = _bound()
        except OSError:
            self._sock = None
            return
        self._loop.add_reader(self._sock, self._readable, self._sock)

    def close(self) -> None:
        """Hear nothing more."""
        if self._sock is not None:
            self._loop.remove_reader(self._sock)
            self._sock.close()
            self._sock = None

    def _readable(self, sock: socket.socket) -> None:
        try:
            data, sender = sock.recvfrom(pcp.MAX_MESSAGE + 1)
        except OSError:
            return  # of a datagram that was damaged
        if sender == (format_ip4(self._gateway.ip), pcp.PORT):
            self._gateway.announced(data)


def _bound() -> socket.socket:
    """Raises OSError."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("", pcp.ANNOUNCEMENTS))
    except OSError:
        sock.close()
        raise
    return sock

"""Marks of the node's sockets for the kernel and the network: DSCP, priority and mark.

A connection that carries work for others is marked as lower effort, so that it takes what others
leave; every other one, on which peers reserve and identify, a step above, so that a full line does
not cost them their reservations. A connection changes its code point once, when its first work
begins.

Each of the three is permitted or not by itself: DSCP and priorities up to 6 to everyone, SO_MARK to
CAP_NET_ADMIN (from Linux 5.17 on also CAP_NET_RAW). What is refused is left off, once for all.

Source: RFC 2474, RFC 2597, RFC 8622 (LE); RFC 7657 section 5.1; socket(7), ip(7), ipv6(7)
"""

from __future__ import annotations

import socket
import weakref

from edge import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Settings(Protocol):
        """The part of the configuration's section [qos] that is about marks."""

        @property
        def dscp_relay(self) -> str: ...
        @property
        def dscp_control(self) -> str: ...
        @property
        def priority(self) -> int: ...
        @property
        def mark(self) -> int: ...


NONE = "none"  # the system's own code point
CODE_POINTS = {
    "le": 1,
    "cs0": 0,
    "cs1": 8,
    "af11": 10,
    "af12": 12,
    "af13": 14,
}
_ECN_BITS = 2  # below the code point in the same byte (RFC 3168)


class Marks:
    """Puts the marks of `settings` on sockets. `refused`: names of those that are not permitted."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.refused: set[str] = set()
        self._working: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def new_socket(self, sock: socket.socket) -> None:
        """A socket of the node that listens, was accepted or is about to connect."""
        self._put(sock, self.settings.dscp_control)

    def carries_work(self, sock: socket.socket) -> None:
        """From now on `sock` carries work for others."""
        if sock not in self._working:
            self._working.add(sock)
            self._put(sock, self.settings.dscp_relay)

    def again(self, sock: socket.socket) -> None:
        """The settings have changed."""
        working = sock in self._working
        self._put(sock, self.settings.dscp_relay if working else self.settings.dscp_control)

    @property
    def mark(self) -> int:
        """The mark that sockets bear; 0: none."""
        return 0 if "mark" in self.refused else self.settings.mark

    def _put(self, sock: socket.socket, code_point: str) -> None:
        byte = CODE_POINTS.get(code_point, 0) << _ECN_BITS
        if sock.family == socket.AF_INET6:
            self._set(sock, "dscp", socket.IPPROTO_IPV6, socket.IPV6_TCLASS, byte)
        else:
            self._set(sock, "dscp", socket.IPPROTO_IP, socket.IP_TOS, byte)
        # After IP_TOS, which sets a priority of its own.
        self._set(sock, "priority", socket.SOL_SOCKET, socket.SO_PRIORITY, self.settings.priority)
        if self.settings.mark:
            self._set(sock, "mark", socket.SOL_SOCKET, socket.SO_MARK, self.settings.mark)

    def _set(self, sock: socket.socket, name: str, level: int, option: int, value: int) -> None:
        if name in self.refused:
            return
        try:
            sock.setsockopt(level, option, value)
        except OSError as error:
            self.refused.add(name)
            log.info("qos-mark-refused", mark=name, error=error.strerror)

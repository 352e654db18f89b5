"""How long the way to the gateway takes just now: one ICMP echo, without privileges.

Linux gives "ping sockets" to the groups in net.ipv4.ping_group_range. Where the node's is not among
them a TCP connection to a port nobody serves is as good: its refusal took the same way.

Source: icmp(7), RFC 792, RFC 4443
"""

from __future__ import annotations

import asyncio
import socket
import struct

TIMEOUT = 1.0  # seconds; a way that takes longer is as bad as none
_DISCARD = 9  # a port that nobody serves
_ECHO, _ECHO6 = 8, 128  # types
_HEADER = struct.Struct("!BBHHH")  # type, code, checksum (the kernel's), identifier, sequence


class Probe:
    """Asks gateways, one at a time. `method`: "icmp", or "tcp" where that is not permitted."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.method = "icmp"
        self._loop = loop
        self._sequence = 0

    async def measure(self, ip: bytes, interface: str) -> float | None:
        """Seconds there and back to `ip` (4 or 16 bytes) on `interface`; None: no answer."""
        began = self._loop.time()
        try:
            async with asyncio.timeout(TIMEOUT):
                if self.method == "icmp":
                    try:
                        await self._echo(ip, interface)
                        return self._loop.time() - began
                    except PermissionError:
                        self.method = "tcp"
                await self._refusal(ip, interface)
        except (TimeoutError, OSError):
            return None
        return self._loop.time() - began

    async def _echo(self, ip: bytes, interface: str) -> None:
        family, target = _target(ip, interface, 0)
        protocol = socket.IPPROTO_ICMP if len(ip) == 4 else socket.IPPROTO_ICMPV6
        self._sequence = (self._sequence + 1) & 0xFFFF
        with socket.socket(family, socket.SOCK_DGRAM, protocol) as sock:
            sock.setblocking(False)
            sock.connect(target)
            kind = _ECHO if len(ip) == 4 else _ECHO6
            sock.send(_HEADER.pack(kind, 0, 0, 0, self._sequence))
            while True:
                answer = await self._loop.sock_recv(sock, 128)
                if len(answer) >= _HEADER.size:
                    *_, sequence = _HEADER.unpack_from(answer)
                    if sequence == self._sequence:
                        return

    async def _refusal(self, ip: bytes, interface: str) -> None:
        family, target = _target(ip, interface, _DISCARD)
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.setblocking(False)
            try:
                await self._loop.sock_connect(sock, target)
            except ConnectionRefusedError:
                return


def _target(
    ip: bytes, interface: str, port: int
) -> tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int]]:
    if len(ip) == 4:
        return socket.AF_INET, (socket.inet_ntop(socket.AF_INET, ip), port)
    scope = socket.if_nametoindex(interface)  # of a link-local address
    return socket.AF_INET6, (socket.inet_ntop(socket.AF_INET6, ip), port, 0, scope)

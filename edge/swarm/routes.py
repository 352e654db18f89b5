"""The ways to the internet: the default routes of this machine, and the gateways on them.

All of it is readable by everyone.

Source: proc_net(5); linux/route.h; netdevice(7)
"""

from __future__ import annotations

import fcntl
import socket
import struct
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_ROUTES = "/proc/net/route"
_ROUTES6 = "/proc/net/ipv6_route"
_MOST = 256 * 1024  # bytes read of a file
_RTF_UP, _RTF_REJECT = 0x1, 0x200
_SIOCGIFADDR, _SIOCGIFDSTADDR = 0x8915, 0x8917
_WORST = 1 << 32  # beyond any metric


class Route(NamedTuple):
    """The way to the internet. `gateway`: 4 or 16 bytes, None where there is none to ask.

    `number`: another one than before means that the interface was made anew.
    """

    interface: str
    gateway: bytes | None
    number: int = 0


def find(interface: str = "") -> Route | None:
    """The default route, or the one of `interface`; IPv4 before IPv6. None: there is no way."""
    for candidates in (_ipv4(read(_ROUTES)), _ipv6(read(_ROUTES6))):
        ways = [way for way in candidates if interface in ("", way[1].interface)]
        if ways:
            route = min(ways, key=lambda way: way[0])[1]
            return _whole(route.interface, route.gateway)
    return _whole(interface, None) if interface else None


def ways() -> set[str]:
    """The interfaces of all default routes, of which there may be one of each family and uplink."""
    candidates = [*_ipv4(read(_ROUTES)), *_ipv6(read(_ROUTES6))]
    return {route.interface for _, route in candidates}


def _whole(interface: str, gateway: bytes | None) -> Route | None:
    try:
        number = socket.if_nametoindex(interface)
    except OSError:
        return None  # gone since, or never there
    return Route(interface, gateway or _other_end(interface), number)


def _ipv4(text: str) -> Iterator[tuple[int, Route]]:
    """(metric, route) of each default route in the text of /proc/net/route."""
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) < 8 or words[1] != "00000000" or words[7] != "00000000":
            continue
        flags, metric, gateway = int(words[3], 16), int(words[6]), int(words[2], 16)
        if flags & _RTF_UP and not flags & _RTF_REJECT:
            ip = struct.pack("=I", gateway) if gateway else None
            yield metric, Route(words[0], ip)


def _ipv6(text: str) -> Iterator[tuple[int, Route]]:
    """The same of /proc/net/ipv6_route."""
    for line in text.splitlines():
        words = line.split()
        if len(words) < 10 or words[1] != "00" or words[0].strip("0"):
            continue
        flags, metric, gateway = int(words[8], 16), int(words[5], 16), bytes.fromhex(words[4])
        if flags & _RTF_UP and not flags & _RTF_REJECT and metric < _WORST:
            yield metric, Route(words[9], gateway if any(gateway) else None)


def _other_end(interface: str) -> bytes | None:
    """The peer's address where the interface is a line between two, such as PPPoE's."""
    request = struct.pack("16s16x8x", interface.encode())
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            far = fcntl.ioctl(sock, _SIOCGIFDSTADDR, request)[20:24]
            near = fcntl.ioctl(sock, _SIOCGIFADDR, request)[20:24]
    except OSError:
        return None  # also where no file descriptor is left
    return far if far != near and any(far) else None


def read(path: str) -> str:
    """The text of a file of the kernel, "" where it has none such."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read(_MOST)
    except OSError:
        return ""  # no /proc in this jail: the line is unknown

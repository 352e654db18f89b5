"""The links on which peers are sought, and the sockets on them.

By itself a node is on the links of the household: interfaces that carry a private address, are up,
can multicast and do not lead to one other machine. Bridges and VLANs join or part networks for a
reason, so they count only where they carry the default route, as on a host of virtual machines. A
router has its LAN as OpenWrt names it, and never what leads to the internet. What is configured is
taken as it is. Nothing is passed on from one link to another.

A socket is bound to the group, on one interface: what it receives was sent to that group on that
link, so it has come through no router (RFC 6762 section 11). Others on the machine have such a
socket too.

Source: ip(7), ipv6(7), netdevice(7); linux/if.h
"""

from __future__ import annotations

import fcntl
import socket
import struct

from edge.swarm import routes
from edge.wire.ip import PRIVATE, scope
from edge.wire.mdns import GROUP4, GROUP6, PORT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edge.mdns.found import Subnet
    from edge.swarm.interfaces import Network

LAN = "br-lan"  # OpenWrt's
_SYSTEM = "/etc/openwrt_release"
_SIOCGIFFLAGS = 0x8913
_IFF_UP, _IFF_LOOPBACK, _IFF_POINTOPOINT, _IFF_MULTICAST = 0x1, 0x8, 0x10, 0x1000
_IP_MULTICAST_ALL, _IPV6_MULTICAST_ALL = 49, 29
_HOPS = 255  # RFC 6762 section 11
_BUFFER = 32768  # bytes that the kernel keeps of what comes too fast


def is_openwrt() -> bool:
    """Whether this machine runs OpenWrt."""
    return bool(routes.read(_SYSTEM))


def chosen(wanted: Sequence[str], router: bool, networks: Iterable[Network]) -> list[str]:
    """The names of the interfaces to seek on: those `wanted`, else the household's.

    `router`: this machine is one. `networks`: as edge.swarm.interfaces has them.
    """
    if wanted:
        return list(dict.fromkeys(wanted))
    if router and is_openwrt():
        return [LAN]
    private = dict.fromkeys([name for ip, name, _ in networks if scope(ip) == PRIVATE])
    ways = routes.ways()
    if router:
        return [name for name in private if _is_plain(name) and name not in ways]
    return [name for name in private if _is_plain(name, name in ways)]


def subnets(name: str, networks: Iterable[Network]) -> list[Subnet]:
    """The networks that the interface `name` is in."""
    return [(ip, bits) for ip, interface, bits in networks if interface == name]


def open_sockets(index: int, families: Iterable[int]) -> list[socket.socket]:
    """A socket of each of `families` (AF_INET, AF_INET6) on an interface. Raises OSError."""
    opened: list[socket.socket] = []
    try:
        for family in families:
            opened.append(socket.socket(family, socket.SOCK_DGRAM))
            _set_up(opened[-1], index)
    except OSError:
        for sock in opened:
            sock.close()
        raise
    return opened


def send(sock: socket.socket, data: bytes) -> None:
    """To everybody on the link. Raises OSError."""
    sock.sendto(data, (GROUP4 if sock.family == socket.AF_INET else GROUP6, PORT))


def _set_up(sock: socket.socket, index: int) -> None:
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    if sock.family == socket.AF_INET:
        link = struct.pack("=4s4si", socket.inet_aton(GROUP4), bytes(4), index)
        sock.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, _HOPS)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, link)
        sock.bind((GROUP4, PORT))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, link)
        return
    group = socket.inet_pton(socket.AF_INET6, GROUP6) + struct.pack("=i", index)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MULTICAST_ALL, 0)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, _HOPS)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
    sock.bind((GROUP6, PORT, 0, index))
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)


def _is_plain(name: str, bridge: bool = False) -> bool:
    """Whether an interface leads to a network of several machines, by itself or as a `bridge`."""
    flags = _flags(name)
    wanted = _IFF_UP | _IFF_MULTICAST
    if flags & (wanted | _IFF_LOOPBACK | _IFF_POINTOPOINT) != wanted:
        return False
    kinds = routes.read(f"/sys/class/net/{name}/uevent").split()
    return bridge or not {"DEVTYPE=bridge", "DEVTYPE=vlan"}.intersection(kinds)


def _flags(name: str) -> int:
    request = struct.pack("16s24x", name.encode())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            (found,) = struct.unpack_from("=H", fcntl.ioctl(sock, _SIOCGIFFLAGS, request), 16)
        except OSError:
            return 0  # gone since
    return int(found)

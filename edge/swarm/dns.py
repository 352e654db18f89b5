"""Names in addresses resolved: /dns, /dns4 and /dns6 by the system, /dnsaddr by TXT records.

The system's resolver knows /etc/hosts and whatever else the machine is set up for, but has no TXT
records: those are asked of the servers in /etc/resolv.conf. A DNS that is dead, slow or malicious
costs time within limits, and addresses; never an exception.

Source: https://github.com/multiformats/multiaddr/blob/master/protocols/DNSADDR.md
"""

from __future__ import annotations

import asyncio
import os
import socket
from functools import partial

from edge import log
from edge.threads import in_thread, running
from edge.wire import dns
from edge.wire.errors import AddressError, RemoteProtocolError, WireError
from edge.wire.multiaddr import DNS, DNS4, DNS6, DNSADDR, Multiaddr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Server = tuple[str, int]  # IP address and port

MAX_DEPTH = 4  # of /dnsaddr pointing to /dnsaddr
MAX_QUERIES = 32  # for one dial, of either kind
MAX_RESULTS = 16  # for one dial
TIMEOUT = 5.0  # seconds for one name at the system's resolver
TOTAL_TIMEOUT = 10.0  # for one address; what was found until then counts

_MAX_RECORDS = 32  # taken from one answer
_MAX_LOOKUPS = 16  # under way: more means that nobody answers
_MAX_SERVERS = 2
_ROUNDS = 2
_UDP_TIMEOUT = 1.25  # _ROUNDS times _MAX_SERVERS of these are TIMEOUT
_TCP_TIMEOUT = 2.5
_RESOLV_CONF = "/etc/resolv.conf"
_THREAD = "getaddrinfo"
_PREFIX = b"dnsaddr="
_FAMILIES = {0: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}


class Lookups:
    """The lookups of one dial, whatever number of names it comes across: how many are left.

    `queries`: to the DNS. `results`: addresses that names may still yield.
    """

    __slots__ = ("queries", "results")

    def __init__(self, queries: int = MAX_QUERIES, results: int = MAX_RESULTS) -> None:
        self.queries = queries
        self.results = results


async def resolve(
    address: Multiaddr, lookups: Lookups | None = None, servers: Sequence[Server] | None = None
) -> list[Multiaddr]:
    """`address` with its name resolved: addresses that start with an IP.

    A circuit, or an address without a name, comes back as it is. Of a name, only what TCP reaches
    is looked up, and of /dnsaddr/<name>/p2p/<peer> only results that end in that /p2p count.
    `lookups`: what they may cost, else as much as one dial. `servers`: whom to ask for TXT records,
    else those of /etc/resolv.conf. Never raises: what cannot be resolved yields nothing and a line
    in the debug log.
    """
    if not has_name(address):
        return [address]
    found: list[Multiaddr] = []
    try:
        async with asyncio.timeout(TOTAL_TIMEOUT):
            await _resolve(address, found, lookups or Lookups(), servers)
    except TimeoutError:
        log.debug("dns-timeout", address=address, found=len(found))
    return found


def has_name(address: Multiaddr) -> bool:
    """Whether there is a name to resolve before `address` is dialled.

    The relay's name in a circuit is resolved when the relay is dialled.
    """
    return address.protocols[0][0] in (DNS, DNS4, DNS6, DNSADDR) and not address.is_circuit


def is_dialable(address: Multiaddr) -> bool:
    """Whether TCP or a relay reaches `address`, as far as is known without resolving it."""
    if address.relay_part() is not None or address.host_port() is not None:
        return True
    return address.protocols[0][0] == DNSADDR


async def _resolve(
    address: Multiaddr,
    found: list[Multiaddr],
    lookups: Lookups,
    servers: Sequence[Server] | None,
) -> None:
    """Breadth first, so that what is directly named comes before what is named elsewhere."""
    waiting = [(address, 0)]
    seen = {address}
    while waiting and lookups.results:
        current, depth = waiting.pop(0)
        if not has_name(current):
            lookups.results -= 1
            found.append(current)
            continue
        nested = current.protocols[0][0] == DNSADDR
        if not lookups.queries or (nested and depth > MAX_DEPTH):
            log.debug("dns-limit", address=current, queries_left=lookups.queries, depth=depth)
            continue
        lookups.queries -= 1
        if nested:
            results = await _dnsaddr(current, servers if servers is not None else system_servers())
        else:
            results = await _names(current)
        waiting += [(result, depth + 1) for result in results if result not in seen]
        seen.update(results)


def system_servers(path: str = _RESOLV_CONF) -> list[Server]:
    """The first servers in the file `path` (resolv.conf(5)); this machine if there are none."""
    try:
        with open(path, "rb") as file:
            lines = file.read(65536).decode("ascii", "replace").splitlines()
    except OSError as error:
        log.debug("dns-config", path=path, error=error.strerror)
        lines = []
    words = [line.split() for line in lines]
    named = [line[1] for line in words if len(line) > 1 and line[0] == "nameserver"]
    return [(host, 53) for host in named if _is_ip(host)][:_MAX_SERVERS] or [("127.0.0.1", 53)]


def _is_ip(host: str) -> bool:
    try:
        socket.inet_pton(_family(host), host.partition("%")[0])
    except OSError:
        return False
    return True


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


# --- /dns, /dns4, /dns6 ---


async def _names(address: Multiaddr) -> list[Multiaddr]:
    target = address.host_port()
    if target is None:
        log.debug("dns-not-tcp", address=address)
        return []
    host, port, family = target
    try:
        async with asyncio.timeout(TIMEOUT):
            ips = await _look_up(host, family)
    except OSError as error:  # TimeoutError and socket.gaierror are
        log.debug("dns-failed", name=host, error=error.strerror or "no answer")
        return []
    peer = address.peer_id()
    found = [Multiaddr.from_ip(ip, port) for ip in ips[:MAX_RESULTS]]
    return found if peer is None else [one.with_peer(peer) for one in found]


async def _look_up(host: str, family: int) -> list[bytes]:
    """The IP addresses of `host`, in the system's order; OSError."""
    if running(_THREAD) >= _MAX_LOOKUPS:
        raise OSError(0, "too many lookups wait for an answer")
    return await in_thread(_THREAD, partial(_getaddrinfo, host, _FAMILIES[family]))


def _getaddrinfo(host: str, family: int) -> list[bytes]:
    # As bytes: a str would load the IDNA codec with 1 MB of tables, for ASCII too.
    found = socket.getaddrinfo(host.encode(), None, family, socket.SOCK_STREAM)
    return [socket.inet_pton(kind, str(ip[0]).partition("%")[0]) for kind, _, _, _, ip in found]


# --- /dnsaddr ---


async def _dnsaddr(address: Multiaddr, servers: Sequence[Server]) -> list[Multiaddr]:
    (_, name), *rest = address.protocols
    found = []
    for value in await _texts("_dnsaddr." + str(name, "ascii"), servers):
        if not value.startswith(_PREFIX):
            continue
        try:
            result = Multiaddr.from_string(str(value[len(_PREFIX) :], "utf-8"))
        except (AddressError, UnicodeError) as error:
            log.debug("dns-bad-record", address=address, error=error)
            continue
        if rest == result.protocols[len(result.protocols) - len(rest) :] and is_dialable(result):
            found.append(result)
    return found[:_MAX_RECORDS]


async def _texts(name: str, servers: Sequence[Server]) -> list[bytes]:
    """The TXT records of `name` from the first server that answers, [] if none does."""
    for server in list(servers[:_MAX_SERVERS]) * _ROUNDS:
        try:
            asked = dns.query(int.from_bytes(os.urandom(2), "big"), name)
            return await _ask(server, asked)
        except (OSError, WireError) as error:  # TimeoutError is an OSError
            log.debug("dns-failed", name=name, server=server[0], error=str(error) or "no answer")
    return []


async def _ask(server: Server, asked: bytes) -> list[bytes]:
    async with asyncio.timeout(_UDP_TIMEOUT):
        answer = await _ask_udp(server, asked)
    if dns.is_truncated(answer):
        async with asyncio.timeout(_TCP_TIMEOUT):
            answer = await _ask_tcp(server, asked)
    return dns.texts(asked, answer)


async def _ask_udp(server: Server, asked: bytes) -> bytes:
    """The first datagram that answers; forged and late ones are waited past."""
    loop = asyncio.get_running_loop()
    with socket.socket(_family(server[0]), socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect(server)  # a random port, and only this server's datagrams from now on
        sock.send(asked)
        while True:
            answer = await loop.sock_recv(sock, dns.UDP_SIZE)
            if dns.is_answer(asked, answer):
                return answer


async def _ask_tcp(server: Server, asked: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    with socket.socket(_family(server[0])) as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, server)
        await loop.sock_sendall(sock, len(asked).to_bytes(2, "big") + asked)
        length = int.from_bytes(await _read(sock, 2), "big")
        if length > dns.MAX_ANSWER:
            raise RemoteProtocolError(f"DNS answer of {length} bytes, not {dns.MAX_ANSWER}")
        return await _read(sock, length)


async def _read(sock: socket.socket, length: int) -> bytes:
    loop = asyncio.get_running_loop()
    out = bytearray()
    while len(out) < length:
        data = await loop.sock_recv(sock, length - len(out))
        if not data:
            raise RemoteProtocolError("DNS answer cut short")
        out += data
    return bytes(out)

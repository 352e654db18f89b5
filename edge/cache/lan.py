"""Who may use the gateway, by which name, and where the gateway may connect to.

It serves local networks: private, link-local and loopback addresses, the networks of this machine's
own interfaces that do not lead to the internet (which may have public IPv6 addresses), and those
that are configured. A page elsewhere can lead a name of its own here (DNS rebinding), so it answers
to IP addresses, to names that nobody can register, and to configured ones.

It connects to public addresses, and to whatever the owner has written out as an origin; neither a
redirect nor a name server leads it to another machine of the house.

Source: RFC 1918, 3927, 4193 (addresses); 6761, 6762, 8375 (names); ICANN's resolution on .internal
"""

from __future__ import annotations

from edge.swarm import interfaces, routes
from edge.url import Url, host_and_port
from edge.wire.errors import AddressError
from edge.wire.ip import LINK_LOCAL, LOOPBACK, PRIVATE, PUBLIC, parse_ip4, parse_ip6, scope
from edge.wire.network import Network

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from edge.config.schema import Cache
    from edge.config.schema import Origin as OriginSection

_LOCAL = (PRIVATE, LINK_LOCAL, LOOPBACK)
_ZONES = ("lan", "local", "localhost", "internal", "home.arpa")
_AGE = 30.0  # seconds that the networks of the interfaces are believed to be the same


class LocalNames(frozenset[str]):
    """The configured names, and all that cannot be registered: single labels, and local zones."""

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        local = "." not in name or any(name.endswith("." + zone) for zone in _ZONES)
        return local or super().__contains__(name)


class Lan:
    """Whose requests are served. `now()`: seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._configured: list[Network] = []
        self._own: list[Network] = []
        self._read_at = 0.0

    def configure(self, section: Cache) -> None:
        """Follow [cache] gateway_networks."""
        self._configured = list(map(Network.from_string, section.gateway_networks))
        self._own = []

    def admits(self, ip: str) -> bool:
        """Whether the client with this IP address is served."""
        try:
            number = parse_ip6(ip) if ":" in ip else parse_ip4(ip)
        except AddressError:
            return False
        if scope(number) in _LOCAL or any(number in network for network in self._configured):
            return True
        return any(number in network for network in self._interfaces())

    def _interfaces(self) -> list[Network]:
        """The networks of interfaces that do not lead to the internet."""
        if not self._own or self._now() - self._read_at > _AGE:
            wan = routes.ways()
            self._own = [
                Network(ip, bits) for ip, name, bits in interfaces.networks() if name not in wan
            ]
            self._read_at = self._now()
        return self._own


class Reach:
    """Where the gateway may connect to. `refused`: how often it might not."""

    def __init__(self) -> None:
        self.refused = 0
        self._named: frozenset[tuple[str, int]] = frozenset()
        self._ports: frozenset[int] = frozenset()

    def configure(self, section: Cache, origins: Iterable[OriginSection], ports: set[int]) -> None:
        """Follow the configured origins. `ports`: of the gateway, which is no origin of its own."""
        urls = [section.hub, section.registry, *[origin.url for origin in origins]]
        hosts = [*section.storage_hosts, *section.registry_hosts]
        hosts += [host for origin in origins for host in origin.hosts]
        named = {(url.host, url.port) for url in map(Url.parse, urls)}
        named |= {host_and_port(host) for host in hosts if not host.startswith("*")}
        self._named = frozenset(named)
        self._ports = frozenset(ports)

    def allows(self, ip: bytes, host: str, port: int) -> bool:
        """Whether the address `ip` of `host` may be connected to."""
        allowed = scope(ip) == PUBLIC or (host, port) in self._named
        if allowed and port in self._ports:
            allowed = scope(ip) != LOOPBACK and ip not in [own for own, _ in interfaces.addresses()]
        if not allowed:
            self.refused += 1
        return allowed

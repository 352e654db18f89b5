"""The rules for multiaddrs in the configuration: which to listen at, tell, dial, reserve at.

The kinds `Address` and `Addresses` (kinds.py) take one.
"""

from edge.config.errors import RefusedError
from edge.log import escape
from edge.wire.errors import WireError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.wire.multiaddr import Multiaddr

MAX_TEXT = 4096  # characters of an option's value

_HOSTS = ("ip4", "ip6", "dns", "dns4", "dns6")


class AddressRule:
    """The multiaddrs that an option accepts; `allows` gets the components of a valid one.

    `objection`: what else is wrong with one that has the right form, "" for nothing.
    """

    __slots__ = ("allows", "expected", "objection")

    def __init__(
        self,
        expected: str,
        allows: "Callable[[list[str]], bool]",
        objection: "Callable[[Multiaddr], str]" = lambda _: "",
    ) -> None:
        self.expected = expected
        self.allows = allows
        self.objection = objection

    def check(self, value: object) -> str:
        from edge.wire.multiaddr import Multiaddr

        if not isinstance(value, str) or len(value) > MAX_TEXT:
            raise RefusedError(value, self.expected)
        try:
            address = Multiaddr.from_string(value)
        except WireError as error:
            raise RefusedError(value, f"{self.expected} ({escape(str(error), 160)})") from None
        canonical = str(address)
        if not self.allows(canonical.split("/")[1:]):
            raise RefusedError(value, self.expected)
        objection = self.objection(address)
        if objection:
            raise RefusedError(value, f"{self.expected} ({objection})")
        return canonical


def _listens(parts: list[str]) -> bool:
    return len(parts) == 4 and parts[0] in ("ip4", "ip6") and parts[2] == "tcp"


def _reachable(parts: list[str]) -> bool:
    return len(parts) == 4 and parts[0] in _HOSTS and parts[2] == "tcp" and parts[3] != "0"


def _no_way_to_us(address: "Multiaddr") -> str:
    """Why nobody could dial `address`, which has the form of an external one; "" if one may."""
    from edge.wire import ip

    value, scope = address.ip(), address.scope()
    if value is None:
        name = str(address.protocols[0][1], "utf-8").lower().rstrip(".")
        last = name.rpartition(".")[2]
        if last == "localhost":
            return "localhost is another machine to everybody else"
        if last.isdecimal() or last.startswith("0x") or ":" in name:
            return "a number is no name: it belongs behind /ip4 or /ip6"
        return ""
    if ip.unmapped(value) != value:
        return "an IPv4 address belongs behind /ip4"
    if scope == ip.LOOPBACK:
        return "a loopback address is another machine to everybody else"
    if scope == ip.LINK_LOCAL:
        return "a link-local address leads nowhere but on its own link"
    if scope == ip.RESERVED and not ip.is_documentation(value):
        return "not the address of a machine, but unspecified, multicast, broadcast or reserved"
    return ""


def _names_peer(parts: list[str]) -> bool:
    return len(parts) > 2 and parts[-2] == "p2p"


def _names_relay(parts: list[str]) -> bool:
    return _names_peer(parts) and "p2p-circuit" not in parts


LISTEN = AddressRule("/ip4/ADDRESS/tcp/PORT or /ip6/ADDRESS/tcp/PORT", _listens)
EXTERNAL = AddressRule("/ip4|ip6|dns|dns4|dns6/ADDRESS/tcp/PORT", _reachable, _no_way_to_us)
PEER = AddressRule("a multiaddr that ends in /p2p/PEER_ID", _names_peer)
RELAY = AddressRule("a multiaddr that ends in /p2p/PEER_ID, without /p2p-circuit", _names_relay)

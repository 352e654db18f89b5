"""A home without its router: hosts on one bridge, each in a network namespace of its own.

    alice 192.168.9.11, fd09::11 --+
    bob   192.168.9.12, fd09::12 --+-- bridge
    carol 192.168.9.13, fd09::13 --+

Multicast goes to all of them. Needs root and iproute2.
"""

from tests.counterparts.netlab import NetLab

ALICE, BOB, CAROL = HOSTS = ("alice", "bob", "carol")
IP4 = {ALICE: "192.168.9.11", BOB: "192.168.9.12", CAROL: "192.168.9.13"}
IP6 = {host: address.replace("192.168.9.", "fd09::") for host, address in IP4.items()}
INTERFACE = "lan"

_SWITCH = "switch"
_ANYWHERE = ("default", "dev", INTERFACE)  # multicast too, where a program names no interface


class Lan(NetLab):
    """`with Lan() as lan`: the hosts, removed at the end."""

    def _build(self) -> None:
        self._add(_SWITCH)
        self._ip(_SWITCH, "link", "add", "bridge", "type", "bridge", "mcast_snooping", "0")
        self._ip(_SWITCH, "link", "set", "bridge", "up")
        for host in HOSTS:
            self._add(host)
            self.plug(host)

    def plug(self, host: str) -> None:
        """Give `host` a cable to the bridge."""
        self._wire(host, INTERFACE, IP4[host], _SWITCH, host)
        self._ip(host, "address", "add", f"{IP6[host]}/64", "dev", INTERFACE, "nodad")
        self._ip(host, "route", "add", *_ANYWHERE)
        self._ip(_SWITCH, "link", "set", host, "master", "bridge", "up")

    def unplug(self, host: str) -> None:
        """Take it away, with the interface."""
        self._ip(host, "link", "delete", INTERFACE)

    def readdress(self, host: str, address: str) -> None:
        """Give `host` the IPv4 address instead of the one it has."""
        self._ip(host, "address", "delete", f"{IP4[host]}/24", "dev", INTERFACE)
        self._ip(host, "address", "add", f"{address}/24", "dev", INTERFACE)
        self._ip(host, "route", "add", *_ANYWHERE)

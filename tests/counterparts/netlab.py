"""An internet of network namespaces, with public-looking addresses and a home behind real NAT.

    relay   5.1.1.10 ----+
    dialer  5.1.1.20 ----+-- bridge (the internet)
    gateway 5.1.1.30 ----+
            192.168.7.1 ---- peer 192.168.7.2 (the home)

Where a lab has two homes, there are also

    gateway2 5.1.1.40 ---+
            192.168.8.1 ---- peer2 192.168.8.2

A gateway masquerades, keeps ports unless told otherwise, and lets nothing in that was not asked for
from inside. Everything lives in namespaces of its own name, so several labs and the machine's own
network do not meet. Needs root, iproute2 and nftables. There is no delay: kernels without netem
exist; delay.py adds it.
"""

from __future__ import annotations

import itertools
import os
import subprocess
from types import TracebackType
from typing import Self

RELAY, DIALER, GATEWAY, PEER = "relay", "dialer", "gateway", "peer"
GATEWAY2, PEER2 = "gateway2", "peer2"
ADDRESSES = {RELAY: "5.1.1.10", DIALER: "5.1.1.20", GATEWAY: "5.1.1.30", PEER: "192.168.7.2"}
SECOND_HOME = {GATEWAY2: "5.1.1.40", PEER2: "192.168.8.2"}
HOME = "192.168.7.1"  # the gateway as the home sees it
_HOME2 = "192.168.8.1"
FULLY_RANDOM = "fully-random"  # a gateway that gives each connection a port by chance

_INTERNET = "internet"
_NAT = """
table ip home {
  chain out { type nat hook postrouting priority srcnat; oifname "wan" masquerade FLAGS; }
  chain in { type filter hook input priority filter; iifname "wan" ct state new drop; }
  chain pass {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "lan" accept
  }
}
"""
_numbers = itertools.count()


class NetLabError(Exception):
    """A command that builds the lab failed. Carries its output."""


class NetLab:
    """`with NetLab() as lab`: the lab, removed at the end.

    `two_homes`: whether there is a second one. `flags`: of masquerade, at each gateway.
    """

    def __init__(self, two_homes: bool = False, flags: str = "") -> None:
        self._addresses = {**ADDRESSES, **(SECOND_HOME if two_homes else {})}
        self._nat = _NAT.replace("FLAGS", flags)
        self._name = f"kwaainet-{os.getpid()}-{next(_numbers)}"
        self._spaces: list[str] = []

    def __enter__(self) -> Self:
        try:
            self._build()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._remove()

    def within(self, host: str) -> tuple[str, ...]:
        """The command that runs its arguments on `host`: for Setup.within."""
        return ("ip", "netns", "exec", self._space(host))

    def run(self, host: str, *command: str) -> str:
        """Run a command on `host`; its standard output."""
        return _run(*self.within(host), *command)

    def open_port(self, gateway: str, port: int) -> None:
        """Have the firewall of a home let TCP connections in that are for the gateway itself."""
        rule = f'insert rule ip home in iifname "wan" tcp dport {port} accept'
        self.run(gateway, "nft", *rule.split())

    def refuse(self, gateway: str) -> None:
        """Have the firewall of a home refuse what it drops otherwise."""
        rule = 'insert rule ip home in iifname "wan" ct state new reject with tcp reset'
        self.run(gateway, "nft", *rule.split())

    def _space(self, host: str) -> str:
        return f"{self._name}-{host}"

    def _build(self) -> None:
        for host in (_INTERNET, *self._addresses):
            self._add(host)
        self._ip(_INTERNET, "link", "add", "bridge", "type", "bridge")
        self._ip(_INTERNET, "link", "set", "bridge", "up")
        for host in set(self._addresses) - {PEER, PEER2}:
            self._wire(host, "wan", self._addresses[host], _INTERNET, host)
            self._ip(_INTERNET, "link", "set", host, "master", "bridge", "up")
        self._build_home(PEER, GATEWAY, HOME)
        if PEER2 in self._addresses:
            self._build_home(PEER2, GATEWAY2, _HOME2)

    def _build_home(self, peer: str, gateway: str, inside: str) -> None:
        self._wire(peer, "lan", self._addresses[peer], gateway, "lan")
        self._ip(gateway, "address", "add", f"{inside}/24", "dev", "lan")
        self._ip(gateway, "link", "set", "lan", "up")
        self._ip(peer, "route", "add", "default", "via", inside)
        self.run(gateway, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
        _run(*self.within(gateway), "nft", "-f", "-", text=self._nat)

    def _add(self, host: str) -> None:
        _run("ip", "netns", "add", self._space(host))
        self._spaces.append(self._space(host))
        self._ip(host, "link", "set", "lo", "up")

    def _wire(self, host: str, name: str, address: str, other: str, other_name: str) -> None:
        """A cable from `host` to `other`, with `address` on this end."""
        ends = ("type", "veth", "peer", "name", other_name, "netns", self._space(other))
        self._ip(host, "link", "add", name, *ends)
        self._ip(host, "address", "add", f"{address}/24", "dev", name)
        self._ip(host, "link", "set", name, "up")

    def _ip(self, host: str, *words: str) -> None:
        _run("ip", "-n", self._space(host), *words)

    def _remove(self) -> None:
        while self._spaces:
            _run("ip", "netns", "delete", self._spaces.pop())


def _run(*command: str, text: str = "") -> str:
    done = subprocess.run(
        command,
        input=text,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NetLabError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}")
    return done.stdout

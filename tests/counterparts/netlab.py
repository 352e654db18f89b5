"""An internet of network namespaces, with public-looking addresses and a home behind real NAT.

    relay   5.1.1.10 ----+
    dialer  5.1.1.20 ----+-- bridge (the internet)
    gateway 5.1.1.30 ----+
            192.168.7.1 ---- peer 192.168.7.2 (the home)

The gateway masquerades and lets nothing in that was not asked for from inside. Everything lives
in namespaces of its own name, so several labs and the machine's own network do not meet. Needs
root, iproute2 and nftables. There is no delay: kernels without netem exist; delay.py adds it.
"""

from __future__ import annotations

import itertools
import os
import subprocess
from types import TracebackType
from typing import Self

RELAY, DIALER, GATEWAY, PEER = "relay", "dialer", "gateway", "peer"
ADDRESSES = {RELAY: "5.1.1.10", DIALER: "5.1.1.20", GATEWAY: "5.1.1.30", PEER: "192.168.7.2"}
HOME = "192.168.7.1"  # the gateway as the home sees it

_INTERNET = "internet"
_NAT = """
table ip home {
  chain out { type nat hook postrouting priority srcnat; oifname "wan" masquerade; }
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
    """`with NetLab() as lab`: the lab, removed at the end."""

    def __init__(self) -> None:
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

    def _space(self, host: str) -> str:
        return f"{self._name}-{host}"

    def _build(self) -> None:
        for host in (_INTERNET, *ADDRESSES):
            self._add(host)
        self._ip(_INTERNET, "link", "add", "bridge", "type", "bridge")
        self._ip(_INTERNET, "link", "set", "bridge", "up")
        for host in (RELAY, DIALER, GATEWAY):
            self._wire(host, "wan", ADDRESSES[host], _INTERNET, host)
            self._ip(_INTERNET, "link", "set", host, "master", "bridge", "up")
        self._wire(PEER, "lan", ADDRESSES[PEER], GATEWAY, "lan")
        self._ip(GATEWAY, "address", "add", f"{HOME}/24", "dev", "lan")
        self._ip(GATEWAY, "link", "set", "lan", "up")
        self._ip(PEER, "route", "add", "default", "via", HOME)
        self.run(GATEWAY, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
        _run(*self.within(GATEWAY), "nft", "-f", "-", text=_NAT)

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

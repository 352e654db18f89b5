"""A gateway that maps ports: Debian's miniupnpd (nftables), on the gateway of a NetLab.

It speaks PCP, NAT-PMP and UPnP (IGD). `protocols` limits that. The gateway of old that has NAT-PMP
alone, which miniupnpd cannot be told to be, is miniupnpd behind a responder that tells requests of
PCP what RFC 6887, appendix A, has such a gateway say; they are recognised by their first byte.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.counterparts.base import STOP_SECONDS, PeerError
from tests.counterparts.netlab import GATEWAY, HOME, NetLab

PCP, NAT_PMP, UPNP = "PCP", "NAT-PMP", "UPnP"
ALL = (PCP, NAT_PMP, UPNP)

_PROGRAM = "/usr/sbin/miniupnpd"
_TABLE = "upnp"
_OLD = 5399  # where requests of PCP are told that there is none
_RULES = f"""
table inet {_TABLE} {{
  chain miniupnpd {{ }}
  chain forward_before {{ type filter hook forward priority -10; jump miniupnpd; }}
  chain prerouting_miniupnpd {{ }}
  chain in {{ type nat hook prerouting priority dstnat; jump prerouting_miniupnpd; }}
  chain postrouting_miniupnpd {{ }}
  chain out {{ type nat hook postrouting priority srcnat - 1; jump postrouting_miniupnpd; }}
}}
table ip home {{
  chain pass {{ ct status dnat accept; }}
}}
"""
_NO_PCP = f"""
table ip old {{
  chain in {{
    type nat hook prerouting priority dstnat - 1;
    iifname "lan" udp dport 5351 @th,64,8 2 redirect to :{_OLD}
  }}
}}
"""
_RESPONDER = f"""
import socket, struct
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("{HOME}", {_OLD}))
print("ready", flush=True)
while True:
    request, sender = sock.recvfrom(2048)
    sock.sendto(struct.pack(">BBHI", 0, 0x80 | request[1], 1, 7), sender)
"""


class Miniupnpd:
    """`async with Miniupnpd(lab, directory) as gateway`: it runs on the lab's gateway."""

    def __init__(
        self,
        lab: NetLab,
        directory: Path,
        protocols: Collection[str] = ALL,
        external_ip: str = "",
    ) -> None:
        self._lab = lab
        self._directory = directory
        self._protocols = protocols
        self._external_ip = external_ip
        self._processes: list[asyncio.subprocess.Process] = []

    async def __aenter__(self) -> Self:
        try:
            self._load(_RULES)
            if NAT_PMP in self._protocols and PCP not in self._protocols:
                await self._tell_of_no_pcp()
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start, with nothing mapped."""
        for chain in ("miniupnpd", "prerouting_miniupnpd", "postrouting_miniupnpd"):
            self._nft("flush", "chain", "inet", _TABLE, chain)
        path = self._directory / "miniupnpd.conf"
        path.write_text(self._configuration())
        log = (self._directory / "miniupnpd.log").open("ab")
        with log:
            process = await asyncio.create_subprocess_exec(
                *self._lab.within(GATEWAY),
                *(_PROGRAM, "-d", "-f", str(path), "-P", str(self._directory / "pid")),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._processes.append(process)
        while not self._listens():
            if process.returncode is not None:
                raise PeerError(f"miniupnpd did not start\n{self.log()}")
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """End it, and what helps it."""
        while self._processes:
            process = self._processes.pop()
            if process.returncode is None:
                process.terminate()
            await asyncio.wait_for(process.wait(), STOP_SECONDS)

    async def restart(self) -> None:
        """As after a loss of power: it knows of no mapping."""
        process = self._processes.pop()
        process.kill()
        await process.wait()
        await self.start()

    def mapped(self) -> list[str]:
        """The rules by which ports are forwarded."""
        text = self._nft("list", "chain", "inet", _TABLE, "prerouting_miniupnpd")
        return [line.strip() for line in text.splitlines() if "dnat" in line]

    def _listens(self) -> bool:
        udp = PCP in self._protocols or NAT_PMP in self._protocols
        kind, port = ("-lnu", ":5351") if udp else ("-lnt", ":5000")
        return port in self._lab.run(GATEWAY, "ss", kind)

    def log(self) -> str:
        return (self._directory / "miniupnpd.log").read_text(errors="replace")[-4000:]

    def _configuration(self) -> str:
        datagrams = PCP in self._protocols or NAT_PMP in self._protocols
        lines = [
            "ext_ifname=wan",
            *([f"ext_ip={self._external_ip}"] if self._external_ip else []),
            "listening_ip=lan",
            "http_port=5000",
            f"enable_natpmp={'yes' if datagrams else 'no'}",
            f"enable_upnp={'yes' if UPNP in self._protocols else 'no'}",
            "secure_mode=yes",
            "min_lifetime=120",
            "max_lifetime=86400",
            f"upnp_table_name={_TABLE}",
            f"upnp_nat_table_name={_TABLE}",
            "upnp_forward_chain=miniupnpd",
            "upnp_nat_chain=prerouting_miniupnpd",
            "upnp_nat_postrouting_chain=postrouting_miniupnpd",
            "uuid=7a0ef4f6-6b0f-4d2b-9c2c-4f4b3b1f1c11",
            "allow 1024-65535 192.168.7.0/24 1024-65535",
            "deny 0-65535 0.0.0.0/0 0-65535",
        ]
        return "\n".join(lines) + "\n"

    async def _tell_of_no_pcp(self) -> None:
        self._load(_NO_PCP)
        responder = await asyncio.create_subprocess_exec(
            *(*self._lab.within(GATEWAY), sys.executable, "-c", _RESPONDER),
            stdout=asyncio.subprocess.PIPE,
        )
        self._processes.append(responder)
        assert responder.stdout is not None
        if await responder.stdout.readline() != b"ready\n":
            raise PeerError("the responder of the old gateway did not start")

    def _nft(self, *words: str) -> str:
        return self._lab.run(GATEWAY, "nft", *words)

    def _load(self, rules: str) -> None:
        path = self._directory / "rules.nft"
        path.write_text(rules)
        self._nft("-f", str(path))

"""`kwaainet run` as a process: ours, from the outside."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.counterparts.base import PeerError, PeerProcess, Setup, with_port

_CHECKOUT = Path(__file__).parents[2]


class EdgeNode(PeerProcess):
    """Our node, which serves as a relay without limits unless `options` say otherwise.

    It does not step back from a busy machine: the machine that runs tests is one. Nor does it look
    for peers on that machine's network.

    `data_dir`: where it keeps its key and its peers, else a directory that goes with it.
    """

    kind = "edge"
    program: Sequence[str] = (sys.executable, "-m", "edge")
    checkout = _CHECKOUT

    def __init__(
        self,
        setup: Setup | None = None,
        options: Sequence[str] = (),
        data_dir: Path | None = None,
    ) -> None:
        super().__init__(setup)
        self.options = options
        self.data_dir = data_dir or self.directory / "data"
        self._addrs: list[str] = []

    @staticmethod
    def install() -> Path:
        return _CHECKOUT

    async def start(self) -> None:
        listen = [word for addr in self.setup.listen for word in ("--listen", with_port(addr))]
        command = [*self.program, "run", "--data-dir", str(self.data_dir)]
        env = {"PATH": "/usr/sbin:/usr/bin", "PYTHONPATH": str(self.checkout)}
        env["PYTHONSAFEPATH"] = "yes"  # not the working directory first
        env["KWAAINET_ADAPT_ENABLED"] = env["KWAAINET_MDNS_ENABLED"] = "no"
        env["KWAAINET_PORTMAP_ENABLED"] = "no"  # of the machine's own gateway nobody asks anything
        await self._spawn(*command, *listen, *self.options, env=env, pipes=True)
        await self._until_ready()

    async def _until_ready(self) -> None:
        assert self.process is not None and self.process.stdout is not None
        while line := (await self.process.stdout.readline()).decode():
            if line.startswith("ready "):
                fields = dict(word.split("=", 1) for word in line.split()[1:])
                self.peer_id = fields["peer_id"]
                self._addrs = fields["listen"].split(",")
                self._drain = asyncio.create_task(self._read_on())
                return
        raise PeerError(f"kwaainet run ended before it was ready\n{self.log()}")

    async def _read_on(self) -> None:
        """Keep its standard output from filling."""
        assert self.process is not None and self.process.stdout is not None
        while await self.process.stdout.read(4096):
            pass

    async def addrs(self) -> list[str]:
        return [addr.partition("/p2p/")[0] for addr in self._addrs]

    async def status(self, name: str = "status") -> dict[str, Any]:
        """What `kwaainet status --json` says, or another command."""
        return dict(json.loads(await self.run(name, "--json")))

    async def run(self, *words: str) -> str:
        """What the command prints; it asks at a file, so no namespace is in the way."""
        command = [*self.program, *words, "--data-dir", str(self.data_dir)]
        asked = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, cwd=self.checkout
        )
        out, _ = await asked.communicate()
        if asked.returncode != 0:
            raise PeerError(f"kwaainet {words[0]} ended with {asked.returncode}\n{self.log()}")
        return out.decode()

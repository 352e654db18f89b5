"""py-libp2p 0.8.1 from PyPI, in an environment of its own.

py/peer.py is the peer, py/requirements.txt its pins.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from tests.counterparts import cache
from tests.counterparts.lines import LinesPeer

_SOURCE = Path(__file__).parent / "py"
_REQUIREMENTS = _SOURCE / "requirements.txt"
_CHECKOUT = Path(__file__).parents[2]


def _install(target: Path) -> None:
    wheels = ("--only-binary", ":all:", "--no-binary", "varint,python-baseconv")
    cache.pip("install", _REQUIREMENTS.read_text(), *wheels, "--target", target)


class PyPeer(LinesPeer):
    """py-libp2p with TCP, Noise, Yamux, identify, ping and circuit relay v2."""

    kind = "py"

    @staticmethod
    def install() -> Path:
        built_for = f"{sysconfig.get_platform()} {sys.implementation.cache_tag}"
        content = _REQUIREMENTS.read_bytes() + built_for.encode()
        return cache.install("py-libp2p", content, _install)

    def command(self) -> Sequence[str | Path]:
        # -I and the interpreter below our environment: nothing of ours satisfies its imports.
        python = Path(sys.executable).resolve()
        return (python, "-I", _SOURCE / "peer.py", self.install(), _CHECKOUT)

"""hivemind 1.1.12 from PyPI: several nodes of its DHT in one process, each with its own p2pd.

hivemind/peer.py is the process, hivemind/requirements.txt its pins, hivemind/standin.py what stands
in for torch.
"""

from __future__ import annotations

import itertools
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.counterparts import cache
from tests.counterparts.base import Setup
from tests.counterparts.lines import LinesProcess

_SOURCE = Path(__file__).parent / "hivemind"
_REQUIREMENTS = _SOURCE / "requirements.txt"
_SOURCE_ONLY = "varint,python-baseconv"


def _install(target: Path) -> None:
    wheels = ("--only-binary", ":all:", "--no-binary", _SOURCE_ONLY)
    cache.pip("install", _REQUIREMENTS.read_text(), *wheels, "--target", target)


class HivemindPeers(LinesProcess):
    """The process: `node` starts one node in it. All end with it."""

    kind = "hivemind"

    def __init__(self, setup: Setup | None = None) -> None:
        super().__init__(setup)
        self._names = itertools.count()

    @staticmethod
    def install() -> Path:
        built_for = f"{sysconfig.get_platform()} {sys.implementation.cache_tag}"
        content = _REQUIREMENTS.read_bytes() + built_for.encode()
        return cache.install("hivemind", content, _install)

    def command(self) -> Sequence[str | Path]:
        # -I and the interpreter below our environment: nothing of ours satisfies its imports.
        python = Path(sys.executable).resolve()
        return (python, "-I", _SOURCE / "peer.py", self.install(), _SOURCE)

    async def node(
        self, *initial_peers: str, contacts: Sequence[str] = (), strict: bool = True
    ) -> HivemindNode:
        """One more node that has joined; as in hivemind/peer.py."""
        name = f"n{next(self._names)}"
        given = {"initial_peers": list(initial_peers), "contacts": list(contacts)}
        about = await self.ask("start", name=name, strict=strict, **given)
        return HivemindNode(self, name, about)


class HivemindNode:
    """One node; what it is asked is in hivemind/peer.py."""

    def __init__(self, process: HivemindPeers, name: str, about: dict[str, Any]) -> None:
        self.peer_id: str = about["peer_id"]
        self.node_id: str = about["node_id"]
        self.addrs: list[str] = about["addrs"]
        self._process = process
        self._name = name

    async def ask(self, what: str, **arguments: Any) -> Any:
        """Raises PeerError with its own words."""
        return await self._process.ask(what, name=self._name, **arguments)

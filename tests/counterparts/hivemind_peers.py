"""hivemind 1.1.12 from PyPI: several nodes of its DHT in one process, each with its own p2pd.

hivemind/peer.py is the process, hivemind/requirements.txt its pins, hivemind/standin.py what stands
in for torch, which takes seconds and memory in each process. hivemind/dht.py has the real one.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import sysconfig
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.counterparts import cache
from tests.counterparts.base import PeerError, Setup
from tests.counterparts.lines import LinesProcess

_SOURCE = Path(__file__).parent / "hivemind"
_REQUIREMENTS = _SOURCE / "requirements.txt"
_DEBIAN = "/usr/bin/python3"  # has torch and scipy, for which PyPI has no build without CUDA
_SOURCE_ONLY = "varint,python-baseconv,prefetch-generator"


def _install(target: Path) -> None:
    wheels = ("--only-binary", ":all:", "--no-binary", _SOURCE_ONLY)
    cache.pip("install", _REQUIREMENTS.read_text(), *wheels, "--target", target)


async def with_torch(at: str) -> dict[str, Any]:
    """What hivemind/dht.py prints of two `hivemind.DHT` that have joined through the peer `at`.

    Fails unless Debian's Python is of the version that the tests run under.
    """
    command = (_DEBIAN, "-I", _SOURCE / "dht.py", HivemindPeers.install(), at)
    done = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    said, complaints = await done.communicate()
    if done.returncode:
        raise PeerError(f"hivemind.DHT: exit {done.returncode}\n{complaints.decode()[-2000:]}")
    return dict(json.loads(said))


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

    async def node(self, *initial_peers: str, strict: bool = True) -> HivemindNode:
        """One more node that has joined; as in hivemind/peer.py."""
        name = f"n{next(self._names)}"
        peers = list(initial_peers)
        about = await self.ask("start", name=name, initial_peers=peers, strict=strict)
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

"""Our own node as listener and dialer: ours/peer.py, over the node's own rooms."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.counterparts.lines import LinesPeer

_SOURCE = Path(__file__).parent / "ours" / "peer.py"
_CHECKOUT = Path(__file__).parents[2]


class OurPeer(LinesPeer):
    """kwaainet-edge of this checkout."""

    kind = "ours"

    @staticmethod
    def install() -> Path:
        return _CHECKOUT

    def command(self) -> Sequence[str | Path]:
        data = self.directory / "data"
        data.mkdir(mode=0o700, exist_ok=True)
        if self.setup.identity is not None:
            shutil.copy(self.setup.identity, data / "identity.key")
        environment = ("env", f"PYTHONPATH={_CHECKOUT}")
        return (*environment, sys.executable, "-u", _SOURCE, data)

    async def connections(self, peer: str) -> list[str]:
        """The remote addresses of its connections to `peer`."""
        return list(await self.ask("connections", peer=peer))

    async def report(self, name: str) -> Any:
        """What `kwaainet status --json` of it has under `name`."""
        return await self.ask("report", name=name)

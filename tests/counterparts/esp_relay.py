"""A device's relay as a process: esp32/kw under MicroPython, with a device's heap and sockets."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge.wire.peerid import PeerId
from tests.counterparts import micropython
from tests.counterparts.base import Setup, free_port
from tests.counterparts.lines import LinesProcess

_PROGRAM = Path(__file__).parents[1] / "esp32" / "device" / "relay.py"
_TTL = 3600
_OTHERS = 8


class EspRelay(LinesProcess):
    """`async with EspRelay() as relay`: `own` are the peer ids on its owner's list.

    `sleepers`: peer ids of machines that it wakes; the packets are counted, not sent. `address`:
    its IPv4 address, where `within` (as in Setup) has one.
    """

    kind = "esp32"

    def __init__(
        self,
        own: Sequence[str] = (),
        others: int = _OTHERS,
        ttl: int = _TTL,
        heap: int = micropython.HEAP,
        seed: bytes = b"",
        port: int = 0,
        sleepers: Sequence[str] = (),
        address: str = "127.0.0.1",
        within: Sequence[str] = (),
    ) -> None:
        super().__init__(Setup(within=within))
        self._address = address
        self._own = [list(PeerId.from_string(peer).bytes) for peer in own]
        self._sleepers = [list(PeerId.from_string(peer).bytes) for peer in sleepers]
        self._others = others
        self._ttl = ttl
        self._heap = heap
        self.port = port or free_port()
        self.seed = seed or os.urandom(32)

    @staticmethod
    def install() -> Path:
        return micropython.micropython()

    def command(self) -> Sequence[str | Path]:
        return (
            "env",
            f"SETUP={json.dumps(self._told())}",
            *micropython.command(_PROGRAM, self._heap),
        )

    def _told(self) -> dict[str, Any]:
        told: dict[str, Any] = {"port": self.port, "seed": list(self.seed), "own": self._own}
        told |= {"sleepers": self._sleepers, "ip": [int(part) for part in self._address.split(".")]}
        return {**told, "others": self._others, "ttl": self._ttl}

    async def report(self) -> dict[str, Any]:
        """What it has and has done (tests/esp32/device/relay.py), after a collection."""
        return dict(await self.ask("report"))

    async def fail_every(self, count: int) -> int:
        """From now on each `count`-th allocation fails; how many have, so far."""
        return int(await self.ask("fail_every", count=count))

    async def speed(self, times: int) -> None:
        """Let its clock run so many times as fast."""
        await self.ask("speed", times=times)

"""rust-libp2p 0.57 from crates.io, built by cargo: rust/src/main.rs is the peer, rust/Cargo.lock
has its pins. The build takes two to three minutes of two processors, once.

Beside what every counterpart does, it serves what `services` names: "kad" (as /kwaai/kad/1.0.0, a
server), "autonat" (v1, both sides), "autonat2" (v2, both sides), "dcutr". It tells what happens to
it (`events`, `event`): connected, closed, identified, reserved, not-listening, reachability,
autonat2, autonat2-served, dcutr.

What its behaviour asks of a test:
- It dials from its listening port where it listens, and tells DCUtR's other side only addresses
  that identify has observed before the relayed connection came about.
- It knows its reachability by AutoNAT v1 from the first answer on, and asks every 2 s at most.
- It takes no reservation whose answer names no address, as p2pd's does not on a loopback.
- Its relay takes a reservation for each connection and limits circuits to 128 KiB and 2 minutes,
  unless told otherwise (Setup.limited). It says its listening addresses are external.
- A new stream takes any of the connections to the peer, direct or relayed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.counterparts.base import Setup
from tests.counterparts.cargo_tool import crate
from tests.counterparts.lines import LinesPeer

_SOURCE = Path(__file__).parent / "rust"


class RustPeer(LinesPeer):
    """rust-libp2p with TCP, Noise, Yamux, identify, ping, circuit relay v2, and `services`."""

    kind = "rust"

    def __init__(self, setup: Setup | None = None, services: Sequence[str] = ()) -> None:
        super().__init__(setup)
        self.services = services

    @staticmethod
    def install() -> Path:
        return crate("rust-libp2p", _SOURCE, "rust-peer")

    def command(self) -> Sequence[str | Path]:
        return (self.install(),)

    def _arguments(self) -> dict[str, Any]:
        return {**super()._arguments(), "services": list(self.services)}

    async def connections(self, peer: str) -> list[str]:
        """The remote addresses of its connections to `peer`."""
        return list(await self.ask("connections", peer=peer))

    async def reserve(self, relay: str) -> None:
        """Ask for a reservation on `relay`; the event "reserved" tells that it is held."""
        await self.ask("reserve", addr=relay)

    async def know(self, addr: str) -> None:
        """Put the peer that `addr` ends in into kad's routing table."""
        await self.ask("know", addr=addr)

    async def find(self, peer: str) -> list[str]:
        """The addresses of `peer` that a walk by kad finds; none if it finds no such peer."""
        return list(await self.ask("find", peer=peer))

    async def reachability(self) -> str:
        """What AutoNAT v1 says: public, private or unknown."""
        return str(await self.ask("reachability"))

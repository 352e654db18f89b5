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

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.counterparts import cache
from tests.counterparts.base import Setup
from tests.counterparts.lines import LinesPeer

_SOURCE = Path(__file__).parent / "rust"
_FILES = ("Cargo.toml", "Cargo.lock", "src/main.rs")
_OLDEST = (1, 88)  # rust-libp2p 0.57 asks for it
_SECURITY = "cargo-web of bookworm-security"


def cargo() -> tuple[str, str]:
    """The program, and what it says its version is. Raises InstallError."""
    named = os.environ.get("CARGO", "cargo")
    found = shutil.which(named)
    wanted = f"cargo {_OLDEST[0]}.{_OLDEST[1]} or newer ({_SECURITY}; or name it by CARGO=PATH)"
    if found is None:
        raise cache.InstallError(f"{named} is missing; needed: {wanted}")
    version = subprocess.run(
        [found, "--version"], check=True, capture_output=True, text=True
    ).stdout
    numbers = re.match(r"cargo (\d+)\.(\d+)", version)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < _OLDEST:
        raise cache.InstallError(f"{found} is {version.strip()}; needed: {wanted}")
    return found, version


class RustPeer(LinesPeer):
    """rust-libp2p with TCP, Noise, Yamux, identify, ping, circuit relay v2, and `services`."""

    kind = "rust"

    def __init__(self, setup: Setup | None = None, services: Sequence[str] = ()) -> None:
        super().__init__(setup)
        self.services = services

    @staticmethod
    def install() -> Path:
        program, version = cargo()

        def build(target: Path) -> None:
            with cache.scratch() as scratch:
                options = ("--release", "--locked", "-j", "2", "--target-dir", scratch)
                cache.run(program, "build", *options, cwd=_SOURCE)
                shutil.copy(Path(scratch) / "release" / "rust-peer", target)

        content = b"\0".join(
            [version.encode(), *((_SOURCE / name).read_bytes() for name in _FILES)]
        )
        return cache.install("rust-libp2p", content, build) / "rust-peer"

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

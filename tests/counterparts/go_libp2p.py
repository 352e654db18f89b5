"""A current go-libp2p (go/go.mod says which), with what p2pd lacks: AutoNAT v1 and v2, DCUtR and
its DHT under KwaaiNet's name.

go/ is the peer. It is built once for each content, with the Go that bench/ takes too.

What its behaviour asks of a test:
- Its AutoNAT v1 asks for the first time 15 s after its start, v2 as soon as it knows an address.
- It looks for public addresses only, and serves nobody whose address is not public: netlab.
- Its dial-backs come from another peer id than its own.
- It punches no hole, and does not look back, before it knows a public address of its own and serves
  DCUtR: some seconds after a peer has observed one.
- It reserves only once it knows that it is private: told by `reachability`, or found out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.counterparts import cache
from tests.counterparts.base import Setup, until
from tests.counterparts.go_tool import go, version
from tests.counterparts.lines import LinesPeer

_SOURCE = Path(__file__).parent / "go"


class GoLibp2p(LinesPeer):
    """go-libp2p with TCP, Noise and Yamux.

    `features` are added to the setup, by their names in go/main.go: `reachability`,
    `autonat_service`, `autonat_v2`, `hole_punching`, `kad`. With relays and no `reachability` it is
    told that it is private, and start() returns when it holds a reservation on each.
    """

    kind = "go-libp2p"

    def __init__(self, setup: Setup | None = None, **features: Any) -> None:
        super().__init__(setup)
        self.features = features

    @staticmethod
    def install() -> Path:
        program = go()
        files = [path.read_bytes() for path in sorted(_SOURCE.iterdir())]
        content = b"\0".join([version(program).encode(), *files])

        def build(target: Path) -> None:
            options = ("-p", "2", "-trimpath", "-ldflags", "-s -w", "-mod=readonly")
            cache.run(program, "build", *options, "-o", target / "peer", ".", cwd=_SOURCE)

        return cache.install("go-libp2p", content, build) / "peer"

    def command(self) -> Sequence[str | Path]:
        return (self.install(),)

    def _arguments(self) -> dict[str, Any]:
        told = "private" if self.setup.relays else ""
        return super()._arguments() | {"reachability": told} | self.features

    async def start(self) -> None:
        await super().start()
        if self._arguments()["reachability"] == "private":
            await until(self._holds_all_reservations)

    async def _holds_all_reservations(self) -> bool:
        return await self.reservations() >= len(self.setup.relays)

    async def reservations(self) -> int:
        """How many relays it holds a reservation on."""
        return int(await self.ask("reservations"))

    async def reachability(self) -> dict[str, Any]:
        """`v1`: public, private or unknown; `v2`: lists of reachable, unreachable, unknown."""
        return dict(await self.ask("reachability"))

    async def connections(self) -> list[dict[str, Any]]:
        """Each with `peer`, `addr`, and whether it is `inbound` and `limited`."""
        return list(await self.ask("connections"))

    async def protocols(self) -> list[str]:
        """Those that it serves now."""
        return list(await self.ask("protocols"))

    async def disconnect(self, peer: str) -> None:
        await self.ask("disconnect", peer=peer)

    async def punches(self) -> list[dict[str, Any]]:
        """What its hole punching has told, each with `peer`, `type` and `event`."""
        return list(await self.ask("punches"))

    async def find_peer(self, peer: str) -> list[str]:
        """The addresses of `peer` by its DHT, without the peer id."""
        return list(await self.ask("find_peer", peer=peer))

    async def table(self) -> list[str]:
        """The peers in its DHT's routing table."""
        return list(await self.ask("table"))

"""Hosts as services are made with, for tests of one service: a real one, and one without files."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from edge.allowance import Allowance
from edge.config.load import Config, load
from edge.host import Host
from edge.swarm.addresses import OwnAddresses
from edge.swarm.dialer import Dialer
from edge.swarm.identify import IdentifyService
from edge.swarm.peerstore import PeerStore
from edge.swarm.swarm import Swarm
from edge.wire.multiaddr import Multiaddr


def configured(directory: Path, toml: str = "", **flags: str) -> Config:
    """The configuration that `toml` makes, with its data in `directory`; names with underscores."""
    file = directory / "kwaainet.toml"
    file.write_text(toml)
    given = {name.replace("_", "-"): [value] for name, value in flags.items()}
    listen = [] if "[node]" in toml else ["/ip4/127.0.0.1/tcp/0"]
    at = {"data-dir": [str(directory)], "listen": listen}
    return load(str(file), {}, {**at, **given})


@contextlib.asynccontextmanager
async def host(config: Config) -> AsyncIterator[Host]:
    """Not started: it listens nowhere unless a test has it."""
    made = Host(config)
    try:
        yield made
    finally:
        await made.stop()


def host_around(swarm: Swarm, external: Sequence[Multiaddr] = ()) -> Host:
    """As much of a Host as services use, around `swarm`: no files, no interfaces, a fixed time."""
    addresses = OwnAddresses(external, lambda: swarm.listening, list)
    host = SimpleNamespace(
        config=load("/dev/null", {}, {}),
        swarm=swarm,
        budget=swarm.budget,
        limits=swarm.limits,
        allowance=Allowance(),
        addresses=addresses,
        dialer=Dialer(swarm),
        identify=IdentifyService(swarm, addresses),
        started_at=swarm.loop.time(),
        utc=lambda: 1.7e9,
        network_changed=[],
        answers={},
        tallies=[],
        overviews=[],
        rates={},
        gauges={},
        peer_reports=[],
        finders=[],
        content_routing=None,
        relays_for=lambda _: False,
        store=PeerStore(None),
        roles={},
    )
    return cast("Host", host)


class NoLine:
    """A line of whose use nothing is known."""

    busy: float | None = None

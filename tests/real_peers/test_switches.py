"""What serves and finds peers is switched on and off while they are connected."""

from __future__ import annotations

import itertools
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.counterparts.base import Setup, asynchronous, until
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.hivemind_peers import HivemindPeers
from tests.counterparts.netlab import ADDRESSES, RELAY, NetLab
from tests.counterparts.rust_peer import RustPeer

pytestmark = [pytest.mark.peers, pytest.mark.netns]

SWITCHES = {
    "dht": {"enabled": ("yes", "no", "auto"), "decentralized": (True, False)},
    "kad": {"service": ("yes", "no", "auto"), "ipfs": (True, False)},
    "autonat": {"service": ("yes", "no", "auto"), "client": (True, False)},
    "dcutr": {"enabled": (True, False)},
    "portmap": {"enabled": ("no", "yes", "auto")},
    "mdns": {"enabled": (False, True)},
}
# In a namespace the file may decide also what asks the network for something.
DECIDES = ("env", "-u", "KWAAINET_MDNS_ENABLED", "-u", "KWAAINET_PORTMAP_ENABLED")
TURNS = 12  # twice through all positions; the log takes about twenty lines at once


def written(file: Path, turn: int) -> None:
    """A configuration with each switch in its position of that turn."""
    lines = []
    for section, options in SWITCHES.items():
        lines.append(f"[{section}]")
        for name, positions in options.items():
            lines.append(f"{name} = {json.dumps(positions[turn % len(positions)])}")
    file.write_text("\n".join(lines))


def opened(node: EdgeNode) -> int:
    """Files and sockets of its process."""
    assert node.process is not None
    return len(os.listdir(f"/proc/{node.process.pid}/fd"))


@asynchronous(60)
async def test_switched_back_and_forth_nothing_is_left_behind(tmp_path: Path) -> None:
    file, at = tmp_path / "kwaainet.toml", f"/ip4/{ADDRESSES[RELAY]}/tcp/4001"
    written(file, 0)
    with NetLab() as lab:
        within = lab.within(RELAY)
        setup = Setup(listen=[at], within=(*within, *DECIDES))
        node = EdgeNode(setup, ["--config", str(file)])
        services = ("kad", "autonat", "dcutr")
        async with (
            node,
            RustPeer(Setup(listen=(), within=within), services) as rust,
            HivemindPeers(Setup(within=within)) as process,
        ):
            assert node.process is not None
            await rust.connect(await node.direct())
            hivemind = await process.node(await node.direct(), strict=False)

            async def state() -> dict[str, Any]:
                status = await node.status()
                rooms = {name: room["used"] for name, room in status["memory"]["rooms"].items()}
                found = {"nodes": status["dht"]["nodes"], "kad": status["kad"]["peers"]}
                return {**found, "files": opened(node), **rooms}

            async def both_met() -> bool:
                # A busy machine may miss the one check that a call brings, and hivemind calls once.
                await hivemind.ask("ping", peer=node.peer_id, validate=False)
                found = await state()
                return bool(found["nodes"] == 1 and found["kad"] >= 1)

            await until(both_met)
            log = node.directory / "log"
            before = await state()
            for turn in itertools.chain(range(1, TURNS), [0]):
                written(file, turn)
                os.kill(node.process.pid, signal.SIGHUP)

                async def done(turn: int = turn) -> bool:
                    return log.read_text().count(" reloaded ") == (turn or TURNS)

                await until(done)
            await until(both_met)
            assert hivemind.peer_id in await node.run("dht", "peers")

            async def as_before() -> bool:
                now = await state()
                return now == before

            await until(as_before)
            assert " error " not in log.read_text()
            assert "Traceback" not in log.read_text()

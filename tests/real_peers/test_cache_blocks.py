"""A whole model from one node to another, block by block, as people do it: by commands."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.counterparts.base import PeerError, asynchronous
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.model_files import smollm2

pytestmark = pytest.mark.peers

SECONDS = 120.0
NO_DCUTR = ("--dcutr-enabled", "no")
BLOCK = 2216448  # bytes of each block


async def _connected(node: EdgeNode, address: str) -> None:
    """By an address that another node may still be about to serve."""
    while True:
        try:
            await node.run("connect", address)
            return
        except PeerError:
            await asyncio.sleep(0.5)


@pytest.mark.parametrize("way", ["direct", "circuit"])
@asynchronous(SECONDS)
async def test_blocks_are_fetched_alone_and_the_rest_when_it_is_wanted(
    way: str, tmp_path: Path
) -> None:
    async with EdgeNode() as relay:
        (at_relay,) = await relay.addrs()
        through = f"{at_relay}/p2p/{relay.peer_id}"
        client = ("--relay-client", "yes", "--relay-relays", through, *NO_DCUTR)
        async with EdgeNode(options=client if way == "circuit" else ()) as giver:
            imported = json.loads(await giver.run("cache", "import", str(smollm2()), "--json"))
            options = ("--cache-trusted", giver.peer_id, *NO_DCUTR)
            async with EdgeNode(options=options) as taker:
                (address,) = [a for a in await giver.addrs() if "p2p-circuit" not in a]
                to = f"{through}/p2p-circuit" if way == "circuit" else address
                await _connected(taker, f"{to}/p2p/{giver.peer_id}")
                name, out = imported["name"], tmp_path / "out"
                content = smollm2().read_bytes()
                for block, offset in ((0, 31866688), (10, 36299584)):
                    words = ("get", name, "--block", str(block), "-o", str(out))
                    await taker.run("cache", *words)
                    assert out.read_bytes() == content[offset : offset + BLOCK]
                listed = json.loads(await taker.run("cache", "ls", "--json"))["files"]
                assert listed[0]["kept"] <= 1.15 * 2 * BLOCK
                await taker.run("cache", "get", name, "-o", str(out))
                assert out.read_bytes() == content
                status = await giver.status()
                relayed = status["cache"]["fragments"]["bytes"]["relayed"]
                assert (relayed > 0) == (way == "circuit")

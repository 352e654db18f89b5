"""Real connections that want to crowd others out of a real node of the DHT."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge.dht.routing import MAX_PER_NETWORK, K
from edge.dht.verbs import key_id
from edge.wire import packed
from edge.wire.hivemind import PLAIN
from tests.counterparts.base import Setup, asynchronous, until
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.hivemind_peers import HivemindPeers
from tests.counterparts.netlab import ADDRESSES, DIALER, GATEWAY, RELAY, NetLab
from tests.dht.flood import Flood

SERVES = ("--dht-enabled", "yes", "--memory-limit", "64M", "--max-connections-per-ip", "256")
JUNK = 100  # peers
pytestmark = pytest.mark.peers


async def got(node: EdgeNode, key: str) -> Any:
    """What `node` has under `key`."""
    found = json.loads(await node.run("dht", "get", key, "--json"))
    return (
        {name: each["value"] for name, each in found["values"].items()}
        if ("values" in found)
        else found["value"]
    )


@asynchronous(90)
async def test_junk_of_a_hundred_peers_leaves_what_others_have_stored() -> None:
    """An owner's record, which they also try to replace, and free ones, by node and by hivemind."""
    async with EdgeNode(options=SERVES) as ours, HivemindPeers() as process, Flood() as junk:
        at = await ours.direct()
        owner, third = await process.node(at), await process.node(at)
        mine = {"value": [2, 1.5], "ttl": 300, "subkey": owner.peer_id}
        assert await owner.ask("store", keys=["block"], **mine) == [True]
        assert await third.ask("store", keys=["free"], value="third's", ttl=300) == [True]
        await ours.run("dht", "put", "own", "ours", "--ttl", "300")
        await junk.connect(at, JUNK)
        block = key_id("block")
        await junk.flood((block, packed.dumps(owner.peer_id)), (block, PLAIN))

        async def full() -> bool:
            """Whether others have had to give way, and each has had its turn many times."""
            await junk.count()
            records = (await ours.status())["dht"]["records"]
            return bool(records["evicted"] > 1000 and records["writers"] > JUNK)

        await until(full, every=0.5)
        assert (await got(ours, "block"))[owner.peer_id] == [2, 1.5]
        assert await got(ours, "free") == "third's"
        assert await got(ours, "own") == "ours"
        await third.ask("forget")
        assert await third.ask("get", keys=["free"]) == ["third's"]


@pytest.mark.netns
@asynchronous(60)
async def test_sybils_around_a_key_push_out_neither_its_owners_record_nor_other_nodes() -> None:
    with NetLab() as lab:
        sources = [f"5.1.2.{number}" for number in range(1, 41)]
        lab.run(RELAY, "ip", "route", "add", "5.1.2.0/24", "dev", "wan")
        for source in sources:
            lab.run(DIALER, "ip", "address", "add", f"{source}/24", "dev", "wan")
        listen = [f"/ip4/{ADDRESSES[host]}/tcp/4001" for host in (RELAY, GATEWAY)]
        serving = Setup(listen=listen[:1], within=lab.within(RELAY))
        async with EdgeNode(serving, SERVES) as ours:
            at = await ours.direct()
            beside = Setup(listen=listen[1:], within=lab.within(GATEWAY))
            outside = Setup(within=lab.within(DIALER))
            async with EdgeNode(beside, [*SERVES, "--peer", at]) as owner, Flood(outside) as junk:

                async def known() -> bool:
                    return owner.peer_id in await ours.run("dht", "peers")

                await until(known)
                put = ("block", "owner's", "--subkey", owner.peer_id)
                await owner.run("dht", "put", *put, "--ttl", "300")
                key = key_id("block")
                await junk.connect(at, JUNK, key, sources)
                await junk.flood((key, packed.dumps(owner.peer_id)), (key, PLAIN))

                async def filled() -> bool:
                    await junk.count()
                    nodes = (await ours.status())["dht"]["nodes"]
                    return bool(nodes > MAX_PER_NETWORK)

                await until(filled, every=0.5)
                found = await junk.find(key)
                assert found["junk"] <= MAX_PER_NETWORK < K
                assert found["nearest"] > found["junk"]
                assert await known()
                assert await got(ours, "block") == {owner.peer_id: "owner's"}

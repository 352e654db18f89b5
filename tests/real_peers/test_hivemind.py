"""Unmodified hivemind 1.1.12 (PyPI), each node with its p2pd, in a DHT with ours as bootstraps."""

import contextlib
import hashlib
from pathlib import Path

import pytest

from edge.wire.peerid import PeerId
from tests.counterparts.base import PeerError, Setup, asynchronous, until, with_port
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.hivemind_peers import HivemindNode, HivemindPeers, with_torch

pytestmark = pytest.mark.peers

SERVES = ("--dht-enabled", "yes")
KEYS = [f"key {number}" for number in range(50)]


async def known(ours: EdgeNode) -> set[str]:
    """The peers in our routing table."""
    lines = (await ours.run("dht", "peers")).splitlines()
    return {line.split()[0] for line in lines[1:]}


async def knows(ours: EdgeNode, *nodes: HivemindNode) -> bool:
    return {node.peer_id for node in nodes} <= await known(ours)


async def meet(nodes: list[HivemindNode]) -> bool:
    """Whether the last of `nodes` has all others in its table, once it has looked for a record."""
    *others, last = nodes
    await last.ask("get", keys=["what nobody has stored"])
    return {node.peer_id for node in others} <= set(await last.ask("table"))


@asynchronous(60)
async def test_it_joins_through_ours_alone_and_stores_and_finds() -> None:
    async with EdgeNode(options=SERVES) as ours, HivemindPeers() as process:
        at = await ours.direct()
        one = await process.node(at)  # strict: it was dialled back
        two = await process.node(at)
        await until(lambda: knows(ours, one, two))
        assert await one.ask("store", keys=["plain"], value=[1, "x"], ttl=300) == [True]
        for subkey in ("a", "b"):
            done = await one.ask("store", keys=["dict"], value=subkey * 2, ttl=300, subkey=subkey)
            assert done == [True]
        await two.ask("forget")
        assert await two.ask("get", keys=["plain", "dict", "none"]) == [
            [1, "x"],
            {"a": "aa", "b": "bb"},
            None,
        ]
        assert (await ours.run("dht", "get", "plain")).startswith('[1, "x"]')
        assert (await ours.run("dht", "get", "dict", "--subkey", "b")).startswith('"b": "bb"')


@asynchronous(60)
async def test_its_dht_as_users_have_it_with_torch() -> None:
    """`hivemind.DHT`, which runs a node in a process of its own: no stand-in for anything."""
    async with EdgeNode(options=SERVES) as ours:
        told = await with_torch(await ours.direct())
        assert told["stored"] == [True] * 3
        assert told["found"] == {"plain": [1, "x"], "dict": {"a": "aa", "b": "bb"}}
        assert (await ours.status())["dht"]["served"]["store"] > 0


@asynchronous(60)
async def test_each_knows_the_other_by_its_id() -> None:
    async with EdgeNode(options=SERVES) as ours, HivemindPeers() as process:
        one = await process.node(await ours.direct())
        own = hashlib.sha1(PeerId.from_string(ours.peer_id).bytes).hexdigest()
        assert await one.ask("ping", peer=ours.peer_id, validate=True) == own
        assert await one.ask("table") == [ours.peer_id]
        await until(lambda: knows(ours, one))
        assert f"{one.peer_id}  {one.node_id}" in await ours.run("dht", "peers")


@asynchronous(60)
async def test_what_we_put_is_got_there() -> None:
    async with EdgeNode(options=SERVES) as ours, HivemindPeers() as process:
        one = await process.node(await ours.direct())
        await until(lambda: knows(ours, one))
        said = await ours.run("dht", "put", "ours", "value", "--ttl", "300")
        assert said == "stored at 2 nodes\n"
        assert await one.ask("get", keys=["ours"]) == ["value"]


@asynchronous(90)
async def test_fifty_keys_and_ours_is_killed_in_the_middle(tmp_path: Path) -> None:
    """Records are kept in memory only: what their owners store again is there again."""
    setup = Setup(listen=(with_port("/ip4/127.0.0.1/tcp/0"),))
    data = tmp_path / "data"
    async with HivemindPeers() as process:
        async with EdgeNode(setup, SERVES, data_dir=data) as ours:
            at = await ours.direct()
            one, two = await process.node(at), await process.node(at)
            assert all(await one.ask("store", keys=KEYS, value="before", ttl=300))
            await two.ask("forget")
            assert await two.ask("get", keys=KEYS) == ["before"] * len(KEYS)
            await ours.kill()
        async with EdgeNode(setup, SERVES, data_dir=data) as ours:

            async def stored_again() -> bool:
                with contextlib.suppress(PeerError):
                    await one.ask("ping", peer=ours.peer_id, validate=False)
                    await one.ask("store", keys=KEYS, value="after", ttl=600)
                records = (await ours.status())["dht"]["records"]
                return bool(records["keys"] == len(KEYS))

            await until(stored_again, every=0.5)
            await two.ask("ping", peer=ours.peer_id, validate=False)
            await two.ask("forget")
            assert await two.ask("get", keys=KEYS) == ["after"] * len(KEYS)


@asynchronous(120)
async def test_eight_of_them_come_and_go_and_one_of_two_bootstraps_is_killed() -> None:
    """No record is lost that lives on at a node that is still there.

    They know the addresses of ours only: where the others are, their p2pd finds through ours.
    """
    keys = KEYS[:20]
    options = [*SERVES, "--kad-ipfs", "yes"]  # the name that their p2pd has for its own DHT
    async with EdgeNode(options=options) as first, HivemindPeers() as process:
        at = await first.direct()
        async with EdgeNode(options=[*options, "--peer", at]) as second:
            boots = (at, await second.direct())

            async def join() -> HivemindNode:
                node = await process.node(*boots)
                alive.append(node)
                return node

            alive: list[HivemindNode] = []
            for _ in range(8):
                await join()
            for boot in (first, second):
                await until(lambda boot=boot: knows(boot, *alive))  # type: ignore[misc]
            await until(lambda: meet(alive))
            for node, part in zip(alive, (keys[:10], keys[10:]), strict=False):
                assert all(await node.ask("store", keys=part, value="alive", ttl=600))
            for _ in range(2):  # the writers go, others come
                await alive.pop(0).ask("stop")
                await join()
            await first.kill()
            reader = alive[-1]
            assert await reader.ask("get", keys=keys) == ["alive"] * len(keys)

            async def forgotten() -> bool:
                with contextlib.suppress(PeerError):  # as nothing is found
                    await second.run("dht", "get", "what nobody has stored")
                return first.peer_id not in await known(second)

            await until(forgotten)
            await second.kill()
            await reader.ask("forget")
            assert await reader.ask("get", keys=keys) == ["alive"] * len(keys)

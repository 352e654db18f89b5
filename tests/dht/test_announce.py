"""What a node tells of itself in the DHT, when, and what it takes back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from edge.dht.verbs import key_id
from edge.version import AGENT
from edge.wire import dictionary, node_records, packed
from edge.wire.envelope import open_peer_record
from edge.wire.multiaddr import Multiaddr
from tests.counterparts.base import asynchronous, until
from tests.dht.nodes import Node, nodes

SECONDS = 20
EXTERNAL = [Multiaddr.from_string(f"/ip4/8.8.8.{n}/tcp/4001") for n in range(1, 7)]


def record_of(node: Node, at: Node) -> dict[str, Any] | None:
    """What `at` has stored of `node`."""
    found = at.dht.storage.find(key_id(node_records.EDGE_NODES))
    if found is None:
        return None
    subkey = packed.dumps(str(node.host.swarm.peer_id))
    values = {name: value for name, value, _ in dictionary.unpack(found.value)}
    return packed.loads(values[subkey]) if subkey in values else None  # type: ignore[no-any-return]


async def state_at(at: Node, node: Node, state: int) -> dict[str, Any]:
    """The record of `node` at `at`, once it is in `state`."""

    async def there() -> bool:
        record = record_of(node, at)
        return record is not None and record["state"] == state

    await until(there)
    record = record_of(node, at)
    assert record is not None
    return record


@contextlib.asynccontextmanager
async def announcing(directory: Path) -> AsyncIterator[tuple[Node, Node]]:
    """A node that relays at a public address, and announces so; and a bootstrap of it."""
    async with nodes(directory, 2) as (node, boot):
        await node.meet(boot)
        node.dht._bootstraps = [boot.host.swarm.peer_id]
        node.host.addresses.configure(EXTERNAL[:1])
        node.host.roles["relay"] = lambda: True
        task = node.host.swarm.spawn(node.dht.announcer.run())
        yield node, boot
        task.cancel()


@asynchronous(SECONDS)
async def test_a_node_tells_what_it_does_and_where_it_is(tmp_path: Path) -> None:
    async with announcing(tmp_path) as (node, boot):
        record = await state_at(boot, node, node_records.ONLINE)
        signed = record.pop("addrs_signed")
        assert record == {
            "v": 1,
            "state": 2,
            "roles": ["bootstrap", "relay"],
            "version": "kwaai-0.7.1+edge",
            "agent": AGENT,
            "peer_id": str(node.host.swarm.peer_id),
        }
        assert open_peer_record(signed)[2] == EXTERNAL[:1]
        assert record_of(node, node) is not None  # it serves, so it has its own
        assert node.dht.report()["dht"]["announced"] == {
            "roles": ("bootstrap", "relay"),
            "nodes": 2,
        }


@asynchronous(SECONDS)
async def test_other_addresses_are_told_at_once_and_few_of_them(tmp_path: Path) -> None:
    async with announcing(tmp_path) as (node, boot):
        await state_at(boot, node, node_records.ONLINE)
        node.host.addresses.configure(EXTERNAL[1:])

        async def told() -> bool:
            record = record_of(node, boot)
            assert record is not None
            return open_peer_record(record["addrs_signed"])[2] == EXTERNAL[1:5]

        await until(told)


@asynchronous(SECONDS)
async def test_who_has_nothing_to_offer_any_more_has_left(tmp_path: Path) -> None:
    async with announcing(tmp_path) as (node, boot):
        await state_at(boot, node, node_records.ONLINE)
        node.host.roles.clear()
        node.dht.announcer.look()
        record = await state_at(boot, node, node_records.DEPARTED)
        assert record["roles"] == []
        assert "addrs_signed" not in record
        node.host.roles["cache"] = lambda: True
        node.dht.announcer.look()
        assert (await state_at(boot, node, node_records.ONLINE))["roles"] == ["cache"]


@asynchronous(SECONDS)
async def test_a_node_that_stops_has_left(tmp_path: Path) -> None:
    async with announcing(tmp_path) as (node, boot):
        await state_at(boot, node, node_records.ONLINE)
        await node.dht.stop()
        assert record_of(node, boot) is not None
        assert (await state_at(boot, node, node_records.DEPARTED))["roles"] == []


@asynchronous(SECONDS)
async def test_nothing_is_told_of_a_node_that_nobody_can_reach(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (node, boot):
        await node.meet(boot)
        node.dht._bootstraps = [boot.host.swarm.peer_id]
        task = node.host.swarm.spawn(node.dht.announcer.run())
        before = node.dht.client.calls
        await asyncio.sleep(0.2)
        assert record_of(node, boot) is None
        await node.dht.stop()
        assert (record_of(node, boot), node.dht.client.calls) == (None, before)
        task.cancel()


@asynchronous(SECONDS)
async def test_what_nobody_has_stored_is_told_once_there_is_somebody(tmp_path: Path) -> None:
    """A node that does not serve, and knows nobody when it starts."""
    async with nodes(tmp_path, 1) as (boot,), nodes(tmp_path / "0", 1, "", "auto") as (node,):
        node.host.addresses.configure(EXTERNAL[:1])
        node.dht._serving = False
        node.host.roles["relay"] = lambda: True
        node.host.swarm.spawn(node.dht.announcer.run())
        await until(lambda: _true(node.dht.announcer._again > 10.0))
        await node.meet(boot)
        node.dht.announcer.look()
        await state_at(boot, node, node_records.ONLINE)


async def _true(value: bool) -> bool:
    return value


@asynchronous(SECONDS)
async def test_a_server_of_blocks_is_told_as_kwaainet_has_it(tmp_path: Path) -> None:
    """Extension 0x40 around state, throughput and a map, as hivemind packs a tuple."""
    async with nodes(tmp_path, 1) as (node,):
        peer = node.host.swarm.peer_id
    fields = node_records.server_fields(peer, "a pi", (4, 6), True, b"signed")
    value = node_records.server_info(node_records.ONLINE, 1.5, fields)
    outer = packed.loads(value)
    assert outer.code == 0x40
    state, throughput, told = packed.loads(outer.data)
    assert (state, throughput, told["start_block"], told["end_block"]) == (2, 1.5, 4, 6)
    assert told["peer_id"] == str(peer)

"""Sharing as a part of the service: when it is offered, what the DHT is told, what is left."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge.cache import names
from edge.cache.fragments.announcer import INTERVAL, MAX_FILES
from edge.cache.fragments.keys import provider_key
from edge.cache.fragments.sharing import Sharing
from edge.config.load import load
from edge.config.schema import Cache
from edge.wire import fragment
from edge.wire.merkle import PIECE
from edge.wire.peerid import PeerId
from tests.cache.fragments.hosts import Node, kept
from tests.cache.store.stores import content, sha256
from tests.counterparts.base import asynchronous
from tests.kad import hosts as kad_hosts
from tests.relay.hosts import so

DATA = content(5 * PIECE + 9)


class Routing:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.provided: list[bytes] = []
        self.withdrawn: list[bytes] = []
        self.nodes = 3

    async def provide(self, key: bytes) -> int:
        self.provided.append(key)
        return self.nodes

    def withdraw(self, key: bytes) -> None:
        self.withdrawn.append(key)

    async def providers(self, key: bytes) -> dict[PeerId, list[object]]:
        return {}


def section(**options: str) -> Cache:
    flags = {f"cache-{name.replace('_', '-')}": [value] for name, value in options.items()}
    return load("/dev/null", {}, flags)[Cache]


@contextlib.asynccontextmanager
async def sharing(directory: Path, **options: str) -> AsyncIterator[tuple[Node, Sharing, Routing]]:
    node, routing = Node(shares=False), Routing()
    await node.store.open(str(directory), 64 << 20)
    node.host.content_routing = routing  # type: ignore[assignment]
    part = Sharing(node.host, node.store, node.library, node.roots, node.pool)
    part.configure(section(**options))
    task = node.swarm.spawn(part.run())
    yield node, part, routing
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    part.stop()
    assert not part.public
    assert not node.host.peer_reports[1:]  # the relay's alone
    await node.stop()


def keys(name: bytes) -> set[bytes]:
    return {provider_key(name), provider_key(sha256(DATA))}


@asynchronous(60)
async def test_it_is_offered_while_there_is_something_to_share(tmp_path: Path) -> None:
    async with sharing(tmp_path) as (node, part, _):
        told: list[None] = []
        node.swarm.protocols_changed.append(lambda: told.append(None))
        await asyncio.sleep(0)
        assert not part.public
        await node.add(DATA, private=True)
        await node.add(content(PIECE, 7))
        part.look()
        await so(lambda: part.public)
        assert told
        for file in node.store.files():
            file.private = True
        part.look()
        await so(lambda: not part.public)


@asynchronous(60)
async def test_yes_offers_it_in_any_case_and_no_never(tmp_path: Path) -> None:
    async with sharing(tmp_path, fragments="yes") as (node, part, _):
        await so(lambda: part.public)
        await node.add(DATA)
        part.configure(section(fragments="no"))
        assert not part.public
        part.look()
        await asyncio.sleep(0.1)
        assert not part.public


@asynchronous(60)
async def test_lists_are_followed(tmp_path: Path) -> None:
    async with sharing(tmp_path, fragments="yes") as (node, part, _):
        await so(lambda: part.public)
        part.configure(section(fragments="yes", allow_peers=str(node.id)))
        assert part.server.allow == frozenset({node.id})
        assert not part.public
        part.configure(section(fragments="yes", deny_peers=str(node.id)))
        assert part.server.deny == frozenset({node.id})
        assert part.public


@asynchronous(60)
async def test_the_dht_is_told_of_whole_public_files(tmp_path: Path) -> None:
    async with sharing(tmp_path) as (node, part, routing):
        name = await node.add(DATA)
        hidden = await node.add(content(PIECE, 7), private=True)
        part.look()
        await so(lambda: set(part.announcer.told) == keys(name))
        await part.announcer.announce()
        assert set(routing.provided) == keys(name)
        assert provider_key(hidden) not in routing.provided
        await part.announcer.announce()
        assert len(routing.provided) == 2  # and not again before it is due


@asynchronous(60)
async def test_what_is_gone_or_private_is_withdrawn(tmp_path: Path) -> None:
    async with sharing(tmp_path) as (node, part, routing):
        name = await node.add(DATA)
        part.look()
        await so(lambda: bool(part.announcer.told))
        file = node.store.find(name)
        assert file is not None
        file.private = True
        part.look()
        await so(lambda: not part.announcer.told)
        assert set(routing.withdrawn) == keys(name)


@asynchronous(60)
async def test_where_nobody_was_told_it_is_said_again_soon(tmp_path: Path) -> None:
    async with sharing(tmp_path) as (node, part, routing):
        routing.nodes = 0
        name = await node.add(DATA)
        part.look()
        await so(lambda: bool(part.announcer.told))
        await part.announcer.announce()
        due = part.announcer.told[provider_key(name)] - node.swarm.loop.time()
        assert 0 < due < INTERVAL / 10


@asynchronous(60)
async def test_nothing_is_said_in_a_pause(tmp_path: Path) -> None:
    async with sharing(tmp_path) as (node, part, routing):
        node.host.allowance.paused = True
        await node.add(DATA)
        part.look()
        await so(lambda: bool(part.announcer.told))
        await part.announcer.announce()
        assert not routing.provided


@asynchronous(60)
async def test_only_the_largest_files_are_told_of(tmp_path: Path) -> None:
    async with sharing(tmp_path) as (node, part, _):
        for number in range(MAX_FILES + 3):
            await node.add(content(100 + number, number))
        part.look()
        await so(lambda: bool(part.announcer.told))
        assert len(part.announcer.told) == 2 * MAX_FILES
        smallest = node.store.find(sha256(content(100, 0)))
        assert smallest is not None
        assert smallest.root is not None
        assert provider_key(names.name(names.ROOT, smallest.root)) not in part.announcer.told


@pytest.mark.parametrize("by_root", [True, False])
@asynchronous(60)
async def test_a_file_is_found_by_the_real_dht(tmp_path: Path, by_root: bool) -> None:
    """A node of it knows the giver, to which the taker was not connected."""
    async with kad_hosts.nodes(3) as (server, giving, taking):
        for node in (giving, taking):
            node.configure(kad_service="yes")
        server.configure(kad_service="yes")
        giver, taker = Node.around(giving), Node.around(taking)
        for number, each in enumerate((giver, taker)):
            (tmp_path / str(number)).mkdir()
            await each.store.open(str(tmp_path / str(number)), 64 << 20)
        part = Sharing(giving.host, giver.store, giver.library, giver.roots, giver.pool)
        part.configure(section())
        name = await giver.add(DATA)
        await part._look_through()
        await giving.connect(server)
        await taking.connect(server)
        await so(lambda: giving.id in server.kad.table and len(giving.kad.table) == 1)
        await part.announcer.announce()
        await so(lambda: len(server.kad.records) == 2)
        wanted = name if by_root else sha256(DATA)
        taker.roots.known[sha256(DATA)[1:]] = name[1:], len(DATA)
        found = await taking.kad.providers(provider_key(wanted))
        assert list(found) == [giving.id]
        # What others say of an address of a private network is not dialled.
        await taking.connect(giving)
        assert await kept(await taker.fetcher.fetch(wanted)) == DATA
        assert fragment.PROTOCOL_ID in giving.swarm.protocols(
            giving.swarm.connections[taking.id][0]
        )
        part.stop()
        for each in (giver, taker):
            await each.store.close()

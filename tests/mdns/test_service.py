"""What a node does with what it is told on a link: whom it dials, and whom not."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from edge import crypto
from edge.mdns.found import PER_HOST
from edge.mdns.link import Link
from edge.mdns.service import MOST_CONNECTED, MdnsService
from edge.swarm.swarm import Swarm
from edge.wire import mdns
from edge.wire.multiaddr import Multiaddr
from tests.counterparts.base import asynchronous, until
from tests.hosts import configured, host

LOOPBACK = bytes((127, 0, 0, 1))
LINK = cast("Link", SimpleNamespace(name="lan", subnets=[(LOOPBACK, 8)]))


@contextlib.asynccontextmanager
async def service(directory: Path, **flags: str) -> AsyncIterator[MdnsService]:
    """On one link, of which the test says what is heard there."""
    config = configured(directory, **flags)
    async with host(config) as made:
        serving = MdnsService(made)
        serving.configure(config)
        serving.links["lan"] = LINK
        yield serving
        serving.links.clear()
        await serving.stop()


@contextlib.asynccontextmanager
async def swarm() -> AsyncIterator[tuple[Swarm, Multiaddr]]:
    """A peer, and where it is."""
    made = Swarm(crypto.Ed25519Key.generate())
    at = made.listen(Multiaddr.from_string("/ip4/127.0.0.1/tcp/0"))
    yield made, at.with_peer(made.peer_id)
    await made.stop()


def tells(*addresses: Multiaddr, name: str = "b" * 36, ttl: int = 100) -> mdns.Message:
    records = mdns.own_records(name, addresses)
    for record in records:
        record.ttl = ttl
    return mdns.decode(mdns.response(records))


def hears(serving: MdnsService, message: mdns.Message, number: int = 1) -> None:
    serving._heard(LINK, message, LOOPBACK[:3] + bytes((number,)))


async def dials(serving: MdnsService) -> None:
    """As it does in the next minute, when all who are to be polite have been."""
    for _ in range(MOST_CONNECTED * 2):
        serving._dial_next(serving._loop.time() + 30)
        if serving._dial is None:
            return
        await asyncio.wait({serving._dial})


@asynchronous(20)
async def test_who_is_found_is_dialled_once(tmp_path: Path) -> None:
    async with service(tmp_path) as serving, swarm() as (peer, at):
        hears(serving, tells(at))
        await dials(serving)
        assert peer.peer_id in serving._swarm.connections
        serving._swarm.connections[peer.peer_id][0].close("over")
        await until(lambda: _is(peer.peer_id not in serving._swarm.connections))
        await dials(serving)
        assert peer.peer_id not in serving._swarm.connections  # it rests


@asynchronous(20)
async def test_nobody_is_dialled_elsewhere(tmp_path: Path) -> None:
    async with service(tmp_path) as serving, swarm() as (peer, _):
        far = Multiaddr.from_string("/ip4/192.0.2.1/tcp/1").with_peer(peer.peer_id)
        hears(serving, tells(far))
        assert not serving.found.peers


@asynchronous(20)
async def test_denied_peers_are_not_dialled(tmp_path: Path) -> None:
    async with service(tmp_path) as serving, swarm() as (peer, at):
        serving.configure(configured(tmp_path, relay_deny_peers=str(peer.peer_id)))
        serving.links["lan"] = LINK
        hears(serving, tells(at))
        await dials(serving)
        assert peer.peer_id in serving.found.peers
        assert not serving._swarm.connections


@asynchronous(20)
async def test_networks_denied_are_not_dialled(tmp_path: Path) -> None:
    async with service(tmp_path) as serving, swarm() as (peer, at):
        serving._swarm.admits_ip = lambda _: "denied-network"
        hears(serving, tells(at))
        await dials(serving)
        assert peer.peer_id in serving.found.peers
        assert not serving._swarm.connections


@asynchronous(60)
async def test_only_so_many_are_dialled(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as running:
        serving = await running.enter_async_context(service(tmp_path))
        for number in range(MOST_CONNECTED + 3):
            _, at = await running.enter_async_context(swarm())
            hears(serving, tells(at), number // PER_HOST + 1)
        await dials(serving)
        assert len(serving._swarm.connections) == MOST_CONNECTED


@asynchronous(20)
async def test_of_two_who_find_each_other_one_dials_first(tmp_path: Path) -> None:
    async with service(tmp_path) as serving, swarm() as (peer, at):
        hears(serving, tells(at))
        serving._dial_next(serving._loop.time())
        first = serving._dial is not None
        assert first == (serving._swarm.peer_id.bytes < peer.peer_id.bytes)
        await dials(serving)


@asynchronous(20)
async def test_who_says_goodbye_is_forgotten(tmp_path: Path) -> None:
    async with service(tmp_path) as serving, swarm() as (_, at):
        hears(serving, tells(at))
        assert serving.found.peers
        hears(serving, tells(at, ttl=0))
        assert not serving.found.peers


@asynchronous(20)
async def test_it_does_not_find_itself(tmp_path: Path) -> None:
    async with service(tmp_path) as serving:
        own = Multiaddr.from_string("/ip4/127.0.0.1/tcp/1").with_peer(serving._swarm.peer_id)
        hears(serving, tells(own))
        assert not serving.found.peers


async def _is(condition: bool) -> bool:
    return condition

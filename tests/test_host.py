"""The host: what tells that the network answers again, and what is remembered of peers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from edge.config.address_rules import PEER
from edge.crypto import Ed25519Key
from edge.host import _OUTAGE
from edge.networks import NETWORKS
from edge.swarm import interfaces
from edge.swarm.addresses import OwnAddresses
from edge.swarm.errors import DialError
from edge.swarm.identify import IdentifyService
from edge.swarm.swarm import Swarm
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import PeerId
from tests.counterparts.base import asynchronous
from tests.hosts import configured, host


@asynchronous(30)
async def test_the_first_that_answers_after_an_outage_ends_the_waits_of_others(
    tmp_path: Path,
) -> None:
    peer = Swarm(Ed25519Key.generate())
    at = peer.listen(Multiaddr.from_string("/ip4/127.0.0.1/tcp/0"))
    async with host(configured(tmp_path)) as node:
        told: list[str] = []
        node.network_changed.append(lambda: told.append("anew"))

        async def connect() -> None:
            (await node.dialer.connect(peer.peer_id, [at], trusted=True)).close("test")

        node._alone_since = node.swarm.loop.time() - _OUTAGE - 1
        await connect()
        assert told == ["anew"]
        await connect()  # who closes each connection at once is no news
        assert told == ["anew"]
        node._alone_since -= _OUTAGE
        await connect()
        assert told == ["anew", "anew"]
    await peer.stop()


@asynchronous(30)
async def test_what_is_not_public_is_not_remembered(tmp_path: Path) -> None:
    """A configured peer on the LAN is redialled by its configured address, and by no other."""
    peer = Swarm(Ed25519Key.generate())
    at = peer.listen(Multiaddr.from_string("/ip4/127.0.0.1/tcp/0"))
    told = [Multiaddr.from_string(f"/ip4/{ip}/tcp/4001") for ip in ("192.168.1.1", "8.8.8.8")]
    IdentifyService(peer, OwnAddresses(told, list, list))
    async with host(configured(tmp_path)) as node:
        identified = asyncio.Event()
        node.identify.identified.append(lambda _: identified.set())
        node.reconnector.configure([at.with_peer(peer.peer_id)])
        await identified.wait()
        assert node.store.addresses(peer.peer_id) == told[1:]
        (connection,) = node.swarm.all_connections()
        connection.close("test")
        await asyncio.sleep(0)
        assert node.store.addresses(peer.peer_id) == told[1:]
    await peer.stop()


@asynchronous(30)
async def test_a_peer_is_reached_where_it_is_found(tmp_path: Path) -> None:
    """Finders are asked in turn, once nothing that is known works, until one of them helps."""
    peer = Swarm(Ed25519Key.generate())
    peer.listen(Multiaddr.from_string("/ip4/127.0.0.1/tcp/0"))
    asked: list[str] = []
    async with host(configured(tmp_path)) as node:

        async def nothing(_: PeerId) -> list[Multiaddr]:
            asked.append("nothing")
            return []

        async def connected(found: PeerId) -> list[Multiaddr]:
            asked.append("connected")
            await node.dialer.connect(found, peer.listening, trusted=True)
            return []

        node.finders += [nothing, nothing]
        with pytest.raises(DialError, match="no address"):
            await node.reach(peer.peer_id)
        assert asked == ["nothing", "nothing"]
        node.finders[1:] = [connected, nothing]
        connection = await node.reach(peer.peer_id)
        assert asked[2:] == ["nothing", "connected"]
        assert await node.reach(peer.peer_id) is connection
        assert len(asked) == 4
    await peer.stop()


@asynchronous(30)
async def test_a_network_is_joined_and_left_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bootstrap = Swarm(Ed25519Key.generate())
    at = bootstrap.listen(Multiaddr.from_string("/ip4/127.0.0.1/tcp/0"))
    arrived, left = asyncio.Event(), asyncio.Event()
    bootstrap.opened.append(lambda _: arrived.set())
    bootstrap.closed.append(lambda _: left.set())
    monkeypatch.setitem(NETWORKS, "kwaainet", (str(at.with_peer(bootstrap.peer_id)),))
    config = configured(tmp_path, network="kwaainet")
    async with host(config) as node:
        node.configure(config)
        node.start()
        await arrived.wait()
        assert bootstrap.peer_id in node.swarm._protected
        node.configure(configured(tmp_path))
        assert bootstrap.peer_id not in node.swarm._protected
    await left.wait()
    await bootstrap.stop()


def test_the_bootstraps_of_networks_are_addresses_of_peers() -> None:
    assert [PEER.check(each) for some in NETWORKS.values() for each in some]


@asynchronous(30)
async def test_a_link_local_address_that_comes_late_leaves_what_peers_see(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """IPv6's comes a second after an interface; nobody says again where it sees us."""
    own = [(bytes((192, 168, 1, 2)), "eth0")]
    monkeypatch.setattr(interfaces, "addresses", lambda: own)
    async with host(configured(tmp_path)) as node:
        node.start()
        told: list[str] = []
        node.network_changed.append(lambda: told.append("anew"))
        monkeypatch.setattr(node.addresses, "forget_observations", lambda: told.append("forgotten"))
        own.append((bytes.fromhex("fe80" + "00" * 13 + "01"), "eth0"))
        node._on_interfaces()
        assert told == ["anew"]
        own[0] = (bytes((192, 168, 1, 3)), "eth0")
        node._on_interfaces()
        assert told == ["anew", "forgotten", "anew"]

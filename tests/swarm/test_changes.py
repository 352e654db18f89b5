"""What is configured anew, or a network that comes back, reaches what exists already."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest

from edge import crypto
from edge.swarm import identify, reconnect
from edge.swarm.addresses import OwnAddresses
from edge.swarm.connection import Connection
from edge.swarm.dialer import Dialer
from edge.swarm.errors import DialError
from edge.swarm.identify import IdentifyService
from edge.swarm.peerstore import PeerStore
from edge.swarm.reconnect import Reconnector
from edge.swarm.stream import Stream
from edge.swarm.swarm import Swarm
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import PeerId, PublicKey
from tests.counterparts.base import asynchronous, free_port, until

LOOPBACK = Multiaddr.from_string("/ip4/127.0.0.1/tcp/0")
HOURS = 3600.0


def address(text: str) -> Multiaddr:
    return Multiaddr.from_string(text)


def swarm() -> Swarm:
    return Swarm(crypto.Ed25519Key.generate())


def nobody() -> PeerId:
    return PublicKey(type=1, data=crypto.Ed25519Key.generate().public).peer_id()


async def connected(server: Swarm, at: Multiaddr) -> tuple[Swarm, Connection]:
    """A client, and its connection as the server has it."""
    client = swarm()
    await Dialer(client).dial(at, server.peer_id)

    async def there() -> bool:
        return client.peer_id in server.connections

    await until(there)
    return client, server.connections[client.peer_id][0]


# --- who is admitted ---


@asynchronous(30)
async def test_whom_new_lists_shut_out_is_closed_at_once_and_nobody_else() -> None:
    server = swarm()
    at = server.listen(LOOPBACK)
    denied, theirs = await connected(server, at)
    welcome, stays = await connected(server, at)
    server.admits = lambda c: "denied-peer" if c.peer == denied.peer_id else None
    server.readmit()
    assert theirs.closed == "denied-peer"
    assert stays.closed is None
    assert server.refusals == {"denied-peer": 1}
    assert server.all_connections() == [stays]
    for each in (denied, welcome, server):
        await each.stop()


# --- what peers are told ---


def test_other_external_addresses_are_told_and_the_same_ones_are_not() -> None:
    told: list[list[Multiaddr]] = []
    first, second = address("/ip4/5.1.1.10/tcp/1"), address("/ip4/5.1.1.10/tcp/2")
    addresses = OwnAddresses([first], list, list)
    addresses.changed.append(lambda: told.append(addresses.confirmed))
    addresses.configure([first])
    assert not told
    addresses.configure([second])
    addresses.configure([])
    assert told == [[second], []]


class Known:
    """A swarm that says who it is, `external` among other things."""

    def __init__(self, external: Sequence[Multiaddr] = ()) -> None:
        self.swarm = swarm()
        self.addresses = OwnAddresses(external, lambda: [], list)
        self.identify = IdentifyService(self.swarm, self.addresses)

    async def meets(self, server: Swarm, at: Multiaddr) -> Connection:
        """Its connection to `server`; both know each other."""
        connection = await Dialer(self.swarm).dial(at, server.peer_id)

        async def identified() -> bool:
            theirs = server.connections.get(self.swarm.peer_id)
            return theirs is not None and None not in (connection.info, theirs[0].info)

        await until(identified)
        return connection


async def ignored(_stream: Stream) -> None:
    await asyncio.sleep(HOURS)


async def stop_reading(ours: Connection, theirs: Connection) -> None:
    """Let as much pile up for `theirs` that nothing more can be sent to it."""
    theirs.load.paced = True  # or the next sweep had it read on
    theirs.transport.pause()
    while not ours.congested:
        ours.open_stream(["/ignored"]).write_some(memoryview(bytes(1 << 18)))
        await asyncio.sleep(0)


@asynchronous(12)  # less than what one peer is waited for
async def test_peers_that_do_not_read_delay_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identify, "_PUSH_DELAY", 0.0)
    server = Known()
    at = server.swarm.listen(LOOPBACK)
    peers = [Known() for _ in range(5)]
    connections = [await peer.meets(server.swarm, at) for peer in peers]
    for peer, connection in list(zip(peers, connections, strict=True))[:4]:
        peer.swarm.handle("/ignored", ignored)
        (theirs,) = server.swarm.connections[peer.swarm.peer_id]
        await stop_reading(theirs, connection)
    moved = address("/ip4/5.1.1.10/tcp/1")
    server.addresses.configure([moved])

    async def told() -> bool:
        info = connections[-1].info
        return info is not None and moved in info.addresses

    await until(told)
    for each in (*peers, server):
        await each.swarm.stop()


@asynchronous(30)
async def test_a_push_follows_when_protocols_change_and_only_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(identify, "_PUSH_DELAY", 0.0)
    server, client = Known(), Known()
    connection = await client.meets(server.swarm, server.swarm.listen(LOOPBACK))
    pushed: list[tuple[str, ...]] = []
    told = asyncio.Event()

    def note(about: Connection) -> None:
        assert about.info is not None
        pushed.append(tuple(about.info.protocols))
        told.set()

    client.identify.identified.append(note)
    offering = True
    server.swarm.handle("/new", ignored, lambda _: offering)
    await told.wait()
    assert "/new" in pushed[0]
    server.identify.push_soon()  # nothing has changed
    await asyncio.sleep(0.2)
    assert len(pushed) == 1
    told.clear()
    offering = False
    server.identify.push_soon()
    await told.wait()
    assert "/new" not in pushed[1]
    assert connection.info is not None
    for each in (client, server):
        await each.swarm.stop()


# --- waits ---


class FailingDialer:
    """Notes what it is to dial, and whether it is trusted, and fails."""

    def __init__(self) -> None:
        self.dialled: list[list[Multiaddr]] = []
        self.trusted: set[Multiaddr] = set()
        self.asked = asyncio.Event()

    async def connect(
        self, _peer: PeerId, addresses: Sequence[Multiaddr], again: bool, trusted: bool
    ) -> Connection:
        self.dialled.append(list(addresses))
        if trusted:
            self.trusted.update(addresses)
        self.asked.set()
        raise DialError("nobody is there")

    async def next(self) -> list[Multiaddr]:
        """What it is asked for next."""
        await self.asked.wait()
        self.asked.clear()
        return self.dialled[-1]


def reconnecting(node: Swarm, store: PeerStore) -> tuple[FailingDialer, Reconnector]:
    dialer = FailingDialer()
    return dialer, Reconnector(node, cast(Dialer, dialer), store)


@asynchronous(30)
async def test_a_new_address_of_a_peer_is_dialled_and_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reconnect, "_FIRST_PAUSE", HOURS)
    node, peer = swarm(), nobody()
    dialer, reconnector = reconnecting(node, PeerStore(None))
    old, new = (address(f"/ip4/5.1.1.{n}/tcp/1").with_peer(peer) for n in (1, 2))
    reconnector.configure([old])
    assert await dialer.next() == [old]
    reconnector.configure([old])  # nothing is new
    reconnector.configure([new])
    assert await dialer.next() == [new]
    reconnector.configure([])
    await asyncio.sleep(0)
    assert dialer.dialled == [[old], [new]]
    await node.stop()


@asynchronous(30)
async def test_a_peer_that_is_denied_is_not_dialled_until_it_no_longer_is(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It was dialled for ever, and each time closed by ourselves."""
    monkeypatch.setattr(reconnect, "_FIRST_PAUSE", 0.0)
    server, node = swarm(), swarm()
    denied = {server.peer_id}
    node.admits_peer = lambda peer: "denied-peer" if peer in denied else None
    reconnector = Reconnector(node, Dialer(node), PeerStore(None))
    at = server.listen(LOOPBACK)
    reconnector.configure([at.with_peer(server.peer_id)])
    await asyncio.sleep(0.1)
    assert not server.connections
    assert capfd.readouterr().err.count("peer-denied") == 1
    with pytest.raises(DialError, match="denied-peer"):
        await Dialer(node).connect(server.peer_id, [at], trusted=True)
    denied.clear()
    reconnector.retry()  # as a reload does

    async def there() -> bool:
        return node.connection_count == 1

    await until(there)
    for each in (server, node):
        await each.stop()


@asynchronous(30)
async def test_retry_dials_configured_and_remembered_peers_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reconnect, "_TICK", HOURS)
    node, configured, remembered = swarm(), nobody(), nobody()
    store = PeerStore(None)
    far = address("/ip4/5.1.1.3/tcp/1")
    store.learn(remembered, [far])
    dialer, reconnector = reconnecting(node, store)
    monkeypatch.setattr(reconnect, "_FIRST_PAUSE", 0.0)
    node.spawn(reconnector.run())
    assert await dialer.next() == [far]
    monkeypatch.setattr(reconnect, "_FIRST_PAUSE", HOURS)
    near = address("/ip4/5.1.1.4/tcp/1").with_peer(configured)
    reconnector.configure([near])
    assert await dialer.next() == [near]
    dialer.dialled.clear()
    reconnector.retry()

    async def both() -> bool:
        return len(dialer.dialled) == 2

    await until(both)
    assert sorted(map(str, [far, near])) == sorted(str(one) for (one,) in dialer.dialled)
    assert dialer.trusted == {near}
    await node.stop()


@asynchronous(30)
async def test_addresses_that_failed_are_tried_again_once_that_is_forgotten() -> None:
    client = swarm()
    dialer, peer = Dialer(client), nobody()
    dead = [address(f"/ip4/127.0.0.1/tcp/{free_port()}")]
    for expected in ("failed", "can be dialled now"):
        with pytest.raises(DialError, match=expected):
            await dialer.connect(peer, dead, trusted=True)
    dialer.forget_failures()
    with pytest.raises(DialError, match="failed"):
        await dialer.connect(peer, dead, trusted=True)
    await client.stop()

"""Who dials whom, when, as what, and what a stranger can make of it; circuits are real."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from edge import crypto
from edge.config.load import load
from edge.dcutr.service import (
    ATTEMPTS,
    MAX_ADDRESSES,
    PER_IP,
    PER_PEER,
    DcutrService,
    dialable,
)
from edge.relay.client import RelayClient
from edge.swarm.connection import Connection
from edge.swarm.errors import DialError, StreamReset
from edge.swarm.stream import Stream
from edge.swarm.swarm import Swarm
from edge.wire.dcutr import MAX_MESSAGE, PROTOCOL_ID, HolePunch
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import PeerId
from edge.wire.protobuf import delimited
from tests.counterparts.base import asynchronous
from tests.hosts import host_around
from tests.relay.hosts import LOOPBACK, Relay, peer_id, relaying, so

MINE = Multiaddr.from_string("/ip4/5.1.1.30/tcp/4001")
YOURS = Multiaddr.from_string("/ip4/5.1.1.40/tcp/4001")


class Node:
    """A node at a relay, whose punches are written down in `dialled`, and come to nothing."""

    def __init__(self, hole: Multiaddr, enabled: bool = True) -> None:
        self.swarm = Swarm(crypto.Ed25519Key.generate())
        self.host = host_around(self.swarm)
        self.client = RelayClient(self.swarm, self.host.dialer)
        self.dcutr = DcutrService(self.host)
        self.dcutr.configure(load("/dev/null", {}, {"dcutr-enabled": ["yes" if enabled else "no"]}))
        self.bound = self.swarm.listen(LOOPBACK)
        self.dialled: list[tuple[list[Multiaddr], bool]] = []
        self.host.dialer.punch = self.punch  # type: ignore[method-assign]
        self._hole = hole

    async def punch(self, _: PeerId, addresses: Sequence[Multiaddr], responds: bool) -> Connection:
        self.dialled.append((list(addresses), responds))
        raise DialError("nobody is there")

    async def reserve(self, relay: Relay) -> None:
        self.client.relays = {relay.swarm.peer_id}
        at, _ = await self.client.reserve(relay.swarm.peer_id, [relay.bound], trusted=True)
        self.host.addresses._holes[at] = self._hole  # on the loopback nobody sees any

    async def dial(self, relay: Relay, other: Node) -> Connection:
        circuit = relay.at.via_circuit(other.swarm.peer_id)
        return await self.host.dialer.connect(other.swarm.peer_id, [circuit], trusted=True)

    @property
    def counts(self) -> tuple[int, int, int]:
        told = self.dcutr.report()["dcutr"]
        return told["punched"], told["failed"], told["refused"]


@asynccontextmanager
async def three(enabled: bool = True) -> AsyncIterator[tuple[Relay, Node, Node]]:
    """A relay, A, and B with a reservation there."""
    async with relaying() as relay:
        a, b = Node(MINE), Node(YOURS, enabled)
        for node in (a, b):
            await node.reserve(relay)
        yield relay, a, b
        for node in (a, b):
            await node.swarm.stop()


@asynchronous(30)
async def test_b_begins_and_responds_and_a_dials_when_it_is_told() -> None:
    async with three() as (relay, a, b):
        await a.dial(relay, b)
        await so(lambda: b.counts[1] == a.counts[1] == ATTEMPTS)
        assert b.dialled == [([MINE], True)] * ATTEMPTS
        assert a.dialled == [([YOURS], False)] * ATTEMPTS
        await so(lambda: not b.dcutr._busy)
        assert b.dcutr._rests.rests(a.swarm.peer_id)


@asynchronous(30)
async def test_an_address_that_a_advertises_is_dialled_before() -> None:
    async with three() as (relay, a, b):
        a.host.addresses.configure([MINE])
        await a.dial(relay, b)
        await so(lambda: b.counts[1] == 1 + ATTEMPTS)
        assert [responds for _, responds in b.dialled] == [False, *[True] * ATTEMPTS]


@asynchronous(30)
async def test_new_streams_go_over_what_was_punched_and_the_circuit_is_closed() -> None:
    async with three() as (relay, a, b):

        async def reach(*_: object) -> Connection:
            return await a.host.dialer.dial(b.bound, b.swarm.peer_id)

        a.host.dialer.punch = reach  # type: ignore[method-assign]
        talks: asyncio.Queue[Stream] = asyncio.Queue()
        b.swarm.handle("/talk", talks.put)
        circuit = await a.dial(relay, b)
        await so(lambda: a.counts[0] == 1)
        best = a.swarm.connection_to(b.swarm.peer_id)
        assert best is not None
        assert best.direct
        a.dcutr.sweep()
        assert circuit.closed is None  # it is looked at twice
        stream = circuit.open_stream(["/talk"])
        await stream.write(b"x")
        await (await talks.get()).write(b"y")
        assert await stream.read(1) == b"y"
        for _ in range(2):
            a.dcutr.sweep()
        assert circuit.closed is None
        stream.reset()

        def ends() -> bool:
            a.dcutr.sweep()
            return circuit.closed is not None

        await so(ends)  # identify may still be under way on it
        assert circuit.closed == "there is a direct connection"


@asynchronous(30)
async def test_it_is_offered_to_those_alone_whom_a_circuit_of_ours_leads_to() -> None:
    async with three() as (relay, a, b):
        circuit = await a.dial(relay, b)
        (theirs,) = [c for c in b.swarm.connections[a.swarm.peer_id] if not c.direct]
        assert a.swarm.offers(PROTOCOL_ID, circuit)
        assert not b.swarm.offers(PROTOCOL_ID, theirs)
        at_relay = a.swarm.connection_to(relay.swarm.peer_id)
        assert at_relay is not None
        assert not a.swarm.offers(PROTOCOL_ID, at_relay)


@asynchronous(30)
async def test_who_has_it_off_neither_begins_nor_dials_from_where_it_listens() -> None:
    async with three(enabled=False) as (relay, a, b):
        circuit = await a.dial(relay, b)
        await so(lambda: circuit.info is not None)
        assert (a.host.dialer.from_listener, b.host.dialer.from_listener) == (True, False)
        assert (a.dialled, b.dialled) == ([], [])


CONNECT = HolePunch(type=HolePunch.CONNECT, addresses=[YOURS.bytes]).encode()
SYNC = HolePunch(type=HolePunch.SYNC).encode()


@pytest.mark.parametrize(
    "said",
    [
        [SYNC],
        [b""],
        [b"\xff"],
        [bytes(MAX_MESSAGE + 1)],
        [CONNECT, CONNECT],
        [HolePunch(type=HolePunch.CONNECT, addresses=[LOOPBACK.bytes]).encode(), b"\xff"],
    ],
)
@asynchronous(30)
async def test_what_is_no_dcutr_has_nobody_dialled(said: list[bytes]) -> None:
    async with three(enabled=False) as (relay, a, b):
        await a.dial(relay, b)
        (theirs,) = [c for c in b.swarm.connections[a.swarm.peer_id] if not c.direct]
        stream = theirs.open_stream([PROTOCOL_ID])
        with pytest.raises(StreamReset):
            for message in said:
                await stream.write(delimited(message))
            while await stream.read(1024):
                pass
        assert a.dialled == []


@asynchronous(30)
async def test_a_stranger_makes_a_node_dial_it_so_often() -> None:
    """On one stream as on many: beyond the limit nothing is dialled, and the stream ends."""
    async with three(enabled=False) as (relay, a, b):
        await a.dial(relay, b)
        (theirs,) = [c for c in b.swarm.connections[a.swarm.peer_id] if not c.direct]
        for _ in range(3):
            stream = theirs.open_stream([PROTOCOL_ID])
            for _ in range(ATTEMPTS):
                await stream.write(delimited(CONNECT) + delimited(SYNC))
            while await stream.read(1024):
                pass
        assert len(a.dialled) == PER_PEER


def text(addresses: list[Multiaddr]) -> list[str]:
    return [str(address) for address in addresses]


def test_of_what_a_peer_claims_little_is_dialled() -> None:
    peer, other = peer_id(0), peer_id(1)
    claimed = [
        "/ip4/192.168.1.1/tcp/80",
        "/ip4/127.0.0.1/tcp/80",
        "/ip4/100.64.0.1/tcp/80",
        "/ip4/192.0.2.1/tcp/80",
        "/dns4/example.org/tcp/80",
        "/ip4/8.8.8.8/udp/53",
        "/ip4/8.8.8.8/tcp/80/ws",
        f"/ip4/8.8.8.8/tcp/81/p2p/{other}",
        f"/ip4/8.8.8.8/tcp/4001/p2p/{other}/p2p-circuit",
        f"/ip4/5.1.1.40/tcp/4001/p2p/{peer}",
        "/ip6/2a09::9/tcp/4001",
    ]
    found = dialable(map(Multiaddr.from_string, claimed), peer)
    assert text(found) == claimed[-2:]


def test_it_is_few_addresses_at_few_ips() -> None:
    ports = [Multiaddr.from_string(f"/ip4/5.1.1.40/tcp/{port}") for port in range(1, 30)]
    assert dialable(ports, peer_id(0)) == ports[:PER_IP]
    hosts = [Multiaddr.from_string(f"/ip4/5.1.1.{host}/tcp/4001") for host in range(1, 30)]
    assert dialable(hosts, peer_id(0)) == hosts[:MAX_ADDRESSES]

"""Admission, limits and shaping, with go-libp2p (p2pd 0.32) as foreigner and as one of ours.

A p2pd that serves a /kwaai/ protocol counts as this network's own; a bare one is a foreigner.
"""

import asyncio
import time
from statistics import median

import pytest

from edge import crypto
from edge.swarm.dialer import Dialer
from edge.swarm.errors import SwarmError
from edge.swarm.swarm import Swarm
from edge.wire import circuit
from edge.wire.multiaddr import Multiaddr
from edge.wire.protobuf import delimited
from tests.counterparts.base import PeerError, Setup, asynchronous, until
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.go_peer import P2pd
from tests.counterparts.ours_peer import OurPeer

pytestmark = pytest.mark.peers

MIB = 1 << 20
NOWHERE: tuple[str, ...] = ()


class Stranger:
    """A peer without identify: nobody of ours, as far as the relay can tell."""

    def __init__(self) -> None:
        self.swarm = Swarm(crypto.Ed25519Key.generate())

    async def ask(self, at: Multiaddr, message: circuit.HopMessage) -> int | None:
        peer = at.peer_id()
        assert peer is not None
        connection = await Dialer(self.swarm).connect(peer, [at], again=True, trusted=True)
        stream = connection.open_stream([circuit.HOP_ID])
        await stream.write(delimited(message.encode()))
        return circuit.HopMessage.decode(await stream.read_message(circuit.MAX_MESSAGE)).status

    async def reserve(self, at: Multiaddr) -> int | None:
        return await self.ask(at, circuit.HopMessage(type=circuit.HopMessage.RESERVE))


async def held(relay: EdgeNode) -> int:
    return (await relay.status())["reservations"]["held"]


@asynchronous(60)
async def test_foreigners_get_their_share_and_yield_it() -> None:
    options = ["--relay-max-reservations", "4", "--relay-foreign-share", "50"]
    async with EdgeNode(options=options) as relay:
        text = await relay.direct()
        at = Multiaddr.from_string(text)
        foreign = [Stranger() for _ in range(3)]
        statuses = [await stranger.reserve(at) for stranger in foreign]
        assert statuses == [circuit.OK, circuit.OK, circuit.RESERVATION_REFUSED]
        mine = [OurPeer(Setup(listen=NOWHERE, relays=[text])) for _ in range(4)]
        for peer in mine:
            await peer.start()
        report = await relay.status()
        assert report["reservations"]["held"] == 4
        assert report["refusals"]["relay"] == {"reservation_refused": 1, "displaced": 2}
        # They have been told: their connections are gone.
        assert all(not stranger.swarm.connections for stranger in foreign[:2])
        assert await foreign[0].reserve(at) == circuit.RESERVATION_REFUSED
        for peer in mine:
            await peer.stop()
        for stranger in foreign:
            await stranger.swarm.stop()


@asynchronous(60)
async def test_a_private_relay_serves_only_who_is_listed() -> None:
    stranger, friend = Stranger(), Stranger()
    options = ["--relay-private", "yes", "--relay-allow-peers", str(friend.swarm.peer_id)]
    async with EdgeNode(options=options) as relay:
        at = Multiaddr.from_string(await relay.direct())
        assert await stranger.reserve(at) == circuit.PERMISSION_DENIED
        assert await friend.reserve(at) == circuit.OK
    await stranger.swarm.stop()
    await friend.swarm.stop()


@asynchronous(60)
async def test_denied_peers_and_networks_do_not_even_connect() -> None:
    stranger = Stranger()
    for option in (
        ["--relay-deny-peers", str(stranger.swarm.peer_id)],
        ["--relay-deny-networks", "127.0.0.0/8"],
    ):
        async with EdgeNode(options=option) as relay:
            at = Multiaddr.from_string(await relay.direct())
            with pytest.raises(SwarmError):
                await stranger.reserve(at)
            report = await relay.status()
            assert sum(report["refusals"]["connections"].values()) >= 1
            assert report["connections"]["open"] == 0
    await stranger.swarm.stop()


@asynchronous(90)
async def test_rates_are_kept_and_a_small_request_is_quick_beside_a_bulk() -> None:
    rate = 2 * MIB
    async with EdgeNode(options=["--relay-rate", str(rate)]) as relay:
        at = await relay.direct()
        reserved = Setup(listen=NOWHERE, relays=[at])
        async with (
            P2pd(reserved) as bulk,
            OurPeer(reserved) as quick,
            P2pd(Setup(listen=NOWHERE)) as dialer,
            OurPeer(Setup(listen=NOWHERE)) as other,
        ):
            await other.connect(quick.circuit(at))
            began = time.monotonic()
            transfer = asyncio.create_task(dialer.transfer(bulk.circuit(at), 4 * MIB))
            await asyncio.sleep(0.5)
            pings = []
            while not transfer.done():
                pings.append(await other.ping(quick.circuit(at)))
                await asyncio.sleep(0.05)
            await transfer
            assert time.monotonic() - began > 8 * MIB / rate * 0.9
            assert median(pings) < 0.2  # none stands behind 256 KiB at 2 MiB/s, each way


@asynchronous(60)
async def test_a_circuit_is_cut_by_data_and_by_duration() -> None:
    async with EdgeNode(options=["--relay-data", "1M"]) as relay:
        at = await relay.direct()
        over = Setup(listen=NOWHERE, over_limited=True)
        async with (
            OurPeer(Setup(listen=NOWHERE, relays=[at], over_limited=True)) as listener,
            P2pd(over) as dialer,
        ):
            with pytest.raises(PeerError, match="cut"):
                await dialer.transfer(listener.circuit(at), 2 * MIB)

            async def listener_knows() -> bool:
                return (await listener.served())[0] > 0

            await until(listener_knows)
            (arrived,) = await listener.served()
            assert MIB // 2 < arrived <= MIB
    async with EdgeNode(options=["--relay-duration", "2"]) as relay:
        at = await relay.direct()
        async with (
            OurPeer(Setup(listen=NOWHERE, relays=[at])) as listener,
            OurPeer(Setup(listen=NOWHERE)) as dialer,
        ):
            await dialer.ping(listener.circuit(at))

            async def cut() -> bool:
                return (await relay.status())["circuits"]["open"] == 0

            await until(cut, every=0.2)


@asynchronous(60)
async def test_limits_are_answered_with_the_protocols_own_status() -> None:
    options = ["--relay-max-circuits-per-peer", "1"]
    async with EdgeNode(options=options) as relay:
        text = await relay.direct()
        at = Multiaddr.from_string(text)
        stranger = Stranger()
        async with OurPeer(Setup(listen=NOWHERE, relays=[text])) as listener:
            target = Multiaddr.from_string(listener.circuit(text)).peer_id()
            assert target is not None
            connect = circuit.HopMessage(
                type=circuit.HopMessage.CONNECT, peer=circuit.Peer(id=target.bytes, addrs=[])
            )
            nobody = circuit.HopMessage(
                type=circuit.HopMessage.CONNECT,
                peer=circuit.Peer(id=stranger.swarm.peer_id.bytes[:-1] + b"\0", addrs=[]),
            )
            assert await stranger.ask(at, connect) == circuit.OK
            assert await stranger.ask(at, connect) == circuit.RESOURCE_LIMIT_EXCEEDED
            assert await stranger.ask(at, nobody) == circuit.NO_RESERVATION
            status = circuit.HopMessage(type=circuit.HopMessage.STATUS)
            assert await stranger.ask(at, status) == circuit.UNEXPECTED_MESSAGE
            empty = circuit.HopMessage(type=circuit.HopMessage.CONNECT)
            assert await stranger.ask(at, empty) == circuit.MALFORMED_MESSAGE
        await stranger.swarm.stop()

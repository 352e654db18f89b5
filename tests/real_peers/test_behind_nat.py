"""A home behind real NAT, and the relay that makes its peers reachable."""

from collections.abc import Sequence
from contextlib import AsyncExitStack

import pytest

from tests.counterparts.base import Setup, asynchronous, until
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.go_peer import P2pd
from tests.counterparts.netlab import ADDRESSES, DIALER, PEER, RELAY, NetLab
from tests.counterparts.ours_peer import OurPeer
from tests.real_peers.conftest import MakeRelay

pytestmark = [pytest.mark.peers, pytest.mark.netns]

MIB = 1 << 20
PUBLIC = [f"/ip4/{ADDRESSES[RELAY]}/tcp/{port}" for port in range(4001, 4005)]
HOME = "/ip4/0.0.0.0/tcp/4001"


async def _circuits(listener: P2pd) -> list[str]:
    return [addr for addr in await listener.addrs() if "/p2p-circuit" in addr]


@asynchronous(60)
async def test_through_its_own_relay_go_is_reached_at_the_circuit_it_advertises() -> None:
    with NetLab() as lab:
        serving = Setup(listen=PUBLIC[:1], relay_service=True, within=lab.within(RELAY))
        async with P2pd(serving) as relay:
            at = f"{PUBLIC[0]}/p2p/{relay.peer_id}"
            home = Setup(listen=[HOME], relays=[at], within=lab.within(PEER))
            outside = Setup(listen=(), within=lab.within(DIALER))
            async with P2pd(home) as listener, P2pd(outside) as dialer:
                assert await _circuits(listener) == [f"{at}/p2p-circuit"]
                await dialer.transfer(listener.circuit(at), 32 * 1024)
                assert await listener.served() == [32 * 1024]


def _seeking(relays: Sequence[str]) -> list[str]:
    """p2pd's own discovery: it probes candidates, and reserves once it knows four.

    With fewer it would wait for three minutes.
    """
    return ["-dht", "-autoRelay", "-forceReachabilityPrivate", f"-trustedRelays={','.join(relays)}"]


@asynchronous(90)
async def test_go_finds_relays_and_is_reached_through_them(make_relay: MakeRelay) -> None:
    with NetLab() as lab:
        async with AsyncExitStack() as running:
            relays = []
            for addr in PUBLIC:
                setup = Setup(listen=[addr], within=lab.within(RELAY))
                relay = await running.enter_async_context(make_relay(setup))
                relays.append(f"{addr}/p2p/{relay.peer_id}")
            home = Setup(listen=[HOME], within=lab.within(PEER))
            outside = Setup(listen=(), within=lab.within(DIALER))
            listener = await running.enter_async_context(P2pd(home, _seeking(relays)))
            dialer = await running.enter_async_context(P2pd(outside))

            async def advertises_two() -> bool:
                return len(await _circuits(listener)) == 2

            await until(advertises_two)
            for circuit in await _circuits(listener):
                assert circuit.removesuffix("/p2p-circuit") in relays
                await dialer.transfer(f"{circuit}/p2p/{listener.peer_id}", 8 * MIB)


@asynchronous(90)
async def test_our_node_says_so_reserves_twice_and_is_reached() -> None:
    """From two peers it learns that it is behind NAT and that they relay; it takes both slots."""
    hosts = (RELAY, DIALER)
    anywhere = "/ip4/0.0.0.0/tcp/4001"
    with NetLab() as lab:
        async with AsyncExitStack() as running:
            relays = []
            for host in hosts:
                node = EdgeNode(Setup(listen=[anywhere], within=lab.within(host)))
                await running.enter_async_context(node)
                report = await node.status()
                public = f"/ip4/{ADDRESSES[host]}/tcp/4001"
                assert report["nat"] == "public"
                assert report["addresses"]["advertised"] == [public]
                relays.append(f"{public}/p2p/{node.peer_id}")
            options = [word for relay in relays for word in ("--peer", relay)]
            home = EdgeNode(Setup(listen=[anywhere], within=lab.within(PEER)), options)
            await running.enter_async_context(home)

            async def has_both() -> bool:
                return len((await home.status())["reservations"]["own"]) == len(relays)

            await until(has_both, every=0.5)
            report = await home.status()
            assert report["nat"] == "private"
            circuits = sorted(f"{relay}/p2p-circuit" for relay in relays)
            assert sorted(report["addresses"]["advertised"]) == circuits
            outside = OurPeer(Setup(listen=(), within=lab.within(DIALER)))
            dialer = await running.enter_async_context(outside)
            for relay in relays:
                await dialer.ping(home.circuit(relay))

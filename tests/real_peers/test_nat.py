"""The relay found and used from behind real NAT, in a network of namespaces."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.counterparts.base import Setup, asynchronous, until
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.go import P2pd
from tests.counterparts.netlab import ADDRESSES, DIALER, PEER, RELAY, NetLab
from tests.counterparts.ours_peer import OurPeer

pytestmark = [pytest.mark.peers, pytest.mark.netns]

MIB = 1 << 20
PUBLIC = f"/ip4/{ADDRESSES[RELAY]}/tcp/4001"
OTHER = f"/ip4/{ADDRESSES[DIALER]}/tcp/4001"
ANYWHERE = "/ip4/0.0.0.0/tcp/4001"


@pytest.fixture
def lab() -> Iterator[NetLab]:
    with NetLab() as lab:
        yield lab


def status_of(node: EdgeNode) -> dict:
    """What `kwaainet status --json` says; the socket is a file, so no namespace is in the way."""
    command = [sys.executable, "-m", "edge", "status", "--json", "--data-dir", str(node.data_dir)]
    checkout = Path(__file__).parents[2]
    return json.loads(subprocess.run(command, capture_output=True, check=True, cwd=checkout).stdout)


@asynchronous(90)
async def test_p2pd_finds_our_relay_by_itself_and_is_reached_through_it(lab: NetLab) -> None:
    async with EdgeNode(Setup(listen=[ANYWHERE], within=lab.within(RELAY))) as relay:
        at = f"{PUBLIC}/p2p/{relay.peer_id}"
        home = Setup(listen=[ANYWHERE], relays=[at], within=lab.within(PEER))
        async with (
            P2pd(home) as listener,
            P2pd(Setup(listen=(), within=lab.within(DIALER))) as dialer,
        ):
            (circuit,) = [a for a in await listener.addrs() if "/p2p-circuit" in a]
            assert circuit == f"{at}/p2p-circuit"
            await dialer.transfer(f"{circuit}/p2p/{listener.peer_id}", 8 * MIB)
            assert await listener.served() == [8 * MIB]
        report = status_of(relay)
        assert report["nat"] == "public"
        assert report["addresses"]["advertised"] == [PUBLIC]


@asynchronous(90)
async def test_our_node_behind_nat_says_so_reserves_twice_and_is_reached(lab: NetLab) -> None:
    """From two peers it learns that it is behind NAT and that they relay; it takes both slots."""
    async with (
        EdgeNode(Setup(listen=[ANYWHERE], within=lab.within(RELAY))) as first,
        EdgeNode(Setup(listen=[ANYWHERE], within=lab.within(DIALER))) as second,
    ):
        relays = [f"{PUBLIC}/p2p/{first.peer_id}", f"{OTHER}/p2p/{second.peer_id}"]
        options = [word for relay in relays for word in ("--peer", relay)]
        home = Setup(listen=[ANYWHERE], within=lab.within(PEER))
        async with EdgeNode(home, options) as node:

            async def reserved() -> bool:
                return len(status_of(node)["reservations"]["own"]) == 2

            await until(reserved, every=0.5)
            report = status_of(node)
            assert report["nat"] == "private"
            assert sorted(report["addresses"]["advertised"]) == sorted(
                f"{relay}/p2p-circuit" for relay in relays
            )
            # Reached through either; and nobody on the internet is offered it as a relay.
            async with OurPeer(Setup(listen=(), within=lab.within(DIALER))) as dialer:
                for relay in relays:
                    assert await dialer.ping(node.circuit(relay)) < 1
            assert status_of(node)["reservations"]["held"] == 0

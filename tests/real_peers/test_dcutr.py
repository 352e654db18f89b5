"""Two homes, each behind NAT, and our relay between them: circuits become direct connections."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from edge.dcutr.service import ATTEMPTS
from edge.wire.dcutr import PROTOCOL_ID
from tests.counterparts.base import Setup, asynchronous, until
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.go_libp2p import GoLibp2p
from tests.counterparts.lines import LinesPeer
from tests.counterparts.netlab import ADDRESSES, DIALER, FULLY_RANDOM, PEER, PEER2, RELAY, NetLab
from tests.counterparts.ours_peer import OurPeer
from tests.counterparts.rust_peer import RustPeer

pytestmark = [pytest.mark.peers, pytest.mark.netns]

MIB = 1 << 20
PUBLIC = f"/ip4/{ADDRESSES[RELAY]}/tcp/4001"
HOME = "/ip4/0.0.0.0/tcp/4001"

Make = Callable[[Setup], LinesPeer]


def go(setup: Setup) -> LinesPeer:
    return GoLibp2p(setup, hole_punching=True)


def rust(setup: Setup) -> LinesPeer:
    return RustPeer(setup, ["dcutr"])


KINDS: dict[str, Make] = {"ours": OurPeer, "rust": rust, "go": go}
PAIRS = [
    ("ours", "ours"),
    *[pair for kind in ("go", "rust") for pair in ((kind, "ours"), ("ours", kind))],
]


@asynccontextmanager
async def homes(
    lab: NetLab, dialer: Make, listener: Make
) -> AsyncIterator[tuple[LinesPeer, LinesPeer, str]]:
    """The dialer and the listener, each at home, and the circuit that leads to the latter."""
    async with AsyncExitStack() as running:
        relay = EdgeNode(Setup(listen=[PUBLIC], within=lab.within(RELAY)))
        await running.enter_async_context(relay)
        at = f"{PUBLIC}/p2p/{relay.peer_id}"
        b = listener(Setup(listen=[HOME], relays=[at], within=lab.within(PEER2)))
        a = dialer(Setup(listen=[HOME], within=lab.within(PEER)))
        await running.enter_async_context(b)
        await running.enter_async_context(a)
        await a.connect(at)  # where it learns its own address, as behind any bootstrap
        if isinstance(b, GoLibp2p):
            await until(lambda: _serves_dcutr(b))
        if isinstance(a, RustPeer):
            await a.event("identified", peer=relay.peer_id)
        yield a, b, b.circuit(at)


async def _serves_dcutr(peer: GoLibp2p) -> bool:
    return PROTOCOL_ID in await peer.protocols()


def is_circuit(address: str) -> bool:
    """Also where rust-libp2p names nothing but the peer that has come."""
    return "/tcp/" not in address or "/p2p-circuit" in address


async def ways(one: LinesPeer, other: LinesPeer) -> set[bool]:
    """Whether each connection of `one` to `other` is direct."""
    if isinstance(one, OurPeer | RustPeer):
        return {not is_circuit(each) for each in await one.connections(other.peer_id)}
    assert isinstance(one, GoLibp2p)
    found = await one.connections()
    return {not is_circuit(each["addr"]) for each in found if each["peer"] == other.peer_id}


async def until_direct(one: LinesPeer, other: LinesPeer) -> None:
    async def direct() -> bool:
        return True in await ways(one, other)

    await until(direct)


@pytest.mark.parametrize(("dialer", "listener"), PAIRS)
@asynchronous(60)
async def test_a_circuit_becomes_a_direct_connection(dialer: str, listener: str) -> None:
    with NetLab(two_homes=True) as lab:
        async with homes(lab, KINDS[dialer], KINDS[listener]) as (a, b, circuit):
            await a.connect(circuit)
            await until_direct(a, b)
            await until_direct(b, a)
            await a.transfer(circuit, MIB)
            assert await b.served() == [MIB]


@asynchronous(60)
async def test_a_circuit_that_nobody_needs_any_more_is_closed() -> None:
    with NetLab(two_homes=True) as lab:
        async with homes(lab, OurPeer, OurPeer) as (a, b, circuit):
            await a.connect(circuit)

            async def only_direct() -> bool:
                return await ways(a, b) == {True}

            await until(only_direct)
            await a.transfer(circuit, MIB)
            assert await ways(b, a) == {True}


@pytest.mark.parametrize("other", ["ours", "rust"])
@asynchronous(90)
async def test_behind_nat_that_changes_ports_the_circuit_stays(other: str) -> None:
    with NetLab(two_homes=True, flags=FULLY_RANDOM) as lab:
        async with homes(lab, KINDS[other], OurPeer) as (a, b, circuit):
            assert isinstance(b, OurPeer)
            await a.connect(circuit)

            async def given_up() -> bool:
                return bool((await b.report("dcutr"))["failed"] >= ATTEMPTS)

            await a.transfer(circuit, MIB)
            await until(given_up)
            assert await ways(a, b) == await ways(b, a) == {False}
            await a.transfer(circuit, MIB)
            assert await b.served() == [MIB, MIB]


@pytest.mark.parametrize("other", ["ours", "rust", "go"])
@asynchronous(60)
async def test_who_has_a_public_address_is_dialled_by_who_is_behind_nat(other: str) -> None:
    """Only B needs a hole: it dials what A advertises, or both do as if A were behind NAT too."""
    outside = f"/ip4/{ADDRESSES[DIALER]}/tcp/4001"
    with NetLab(two_homes=True) as lab:
        async with AsyncExitStack() as running:
            relay = EdgeNode(Setup(listen=[PUBLIC], within=lab.within(RELAY)))
            await running.enter_async_context(relay)
            at = f"{PUBLIC}/p2p/{relay.peer_id}"
            b = OurPeer(Setup(listen=[HOME], relays=[at], within=lab.within(PEER2)))
            a = KINDS[other](Setup(listen=[outside], within=lab.within(DIALER)))
            await running.enter_async_context(b)
            await running.enter_async_context(a)
            await a.connect(b.circuit(at))
            await until_direct(a, b)
            await until_direct(b, a)
            await a.transfer(b.circuit(at), MIB)

"""Who is reachable: go, rust and js learn it from our server, and our node from theirs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.counterparts.base import Setup, asynchronous, until
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.go_libp2p import GoLibp2p
from tests.counterparts.js_peer import JsPeer
from tests.counterparts.netlab import ADDRESSES, DIALER, GATEWAY, PEER, RELAY, NetLab
from tests.counterparts.rust_peer import RustPeer

pytestmark = [pytest.mark.peers, pytest.mark.netns]

ANYWHERE = "/ip4/0.0.0.0/tcp/4001"


def at(host: str, peer_id: str, port: int = 4001) -> str:
    return f"/ip4/{ADDRESSES[host]}/tcp/{port}/p2p/{peer_id}"


def setup(lab: NetLab, host: str, port: int = 4001) -> Setup:
    return Setup(listen=[f"/ip4/0.0.0.0/tcp/{port}"], within=lab.within(host))


async def serving(lab: NetLab, running: AsyncExitStack, ports: Sequence[int]) -> list[str]:
    """The addresses of as many of our nodes at a public IP."""
    found = []
    for port in ports:
        node = await running.enter_async_context(EdgeNode(setup(lab, RELAY, port)))
        found.append(at(RELAY, node.peer_id, port))
    return found


def asked(tell: Callable[[], Awaitable[Any]], answer: Any) -> Callable[[], Awaitable[bool]]:
    async def is_so() -> bool:
        return bool(await tell() == answer)

    return is_so


@asynchronous(60)
async def test_go_learns_from_ours_that_it_is_public_or_behind_nat() -> None:
    """In version 2 it wants to hear it from two."""
    with NetLab() as lab:
        async with AsyncExitStack() as running:
            servers = await serving(lab, running, [4001, 4002])
            public = GoLibp2p(setup(lab, DIALER), autonat_v2=True)
            home = GoLibp2p(setup(lab, PEER), autonat_v2=True)
            for peer in (public, home):
                await running.enter_async_context(peer)
                for server in servers:
                    await peer.connect(server)

            async def version_of(peer: GoLibp2p, version: str) -> Any:
                return (await peer.reachability())[version]

            await until(asked(lambda: version_of(public, "v1"), "public"))
            await until(asked(lambda: version_of(home, "v1"), "private"))
            reachable = [f"/ip4/{ADDRESSES[DIALER]}/tcp/4001"]
            found = {"reachable": reachable, "unreachable": [], "unknown": []}
            await until(asked(lambda: version_of(public, "v2"), found))
            assert len(await public.connections()) == len(servers)
            assert not any(each["inbound"] for each in await home.connections())


@asynchronous(60)
async def test_rust_learns_from_ours_that_it_is_public_or_behind_nat() -> None:
    both = ("autonat", "autonat2")
    with NetLab() as lab:
        async with AsyncExitStack() as running:
            [server] = await serving(lab, running, [4001])
            public = RustPeer(setup(lab, DIALER), both)
            home = RustPeer(setup(lab, PEER), both)
            for peer in (public, home):
                await running.enter_async_context(peer)
                await peer.connect(server)
            await until(asked(public.reachability, "public"))
            await until(asked(home.reachability, "private"))
            assert (await public.event("autonat2"))["error"] is None
            assert (await home.event("autonat2"))["error"] is not None
            ours = server.rpartition("/")[2]

            async def one_is_left() -> bool:
                return len(await public.connections(ours)) == 1

            await until(one_is_left)


@asynchronous(60)
async def test_js_learns_from_ours_that_an_address_of_its_own_is_reached() -> None:
    with NetLab() as lab:
        async with AsyncExitStack() as running:
            [server] = await serving(lab, running, [4001])
            public = JsPeer(setup(lab, DIALER), {"autonat_v2": {}})
            await running.enter_async_context(public)
            await public.connect(server)

            async def is_told() -> bool:
                return f"/ip4/{ADDRESSES[DIALER]}/tcp/4001" in await public.addrs()

            await until(is_told)


Server = GoLibp2p | JsPeer | RustPeer
SERVERS: dict[str, Callable[[Setup], Server]] = {
    "go-v1": lambda setup: GoLibp2p(setup, autonat_service=True, reachability="public"),
    "go-v2": lambda setup: GoLibp2p(setup, autonat_v2=True, reachability="public"),
    "rust-v1": lambda setup: RustPeer(setup, ["autonat"]),
    "rust-v2": lambda setup: RustPeer(setup, ["autonat2"]),
    "js-v2": lambda setup: JsPeer(setup, {"autonat_v2": {}}),
}


@pytest.mark.parametrize("kind", SERVERS)
@asynchronous(90)
async def test_ours_learns_from_theirs_that_it_is_public_or_behind_nat(kind: str) -> None:
    """rust-libp2p's version 2 resets the stream after 10 s, in which a dial that the gateway drops
    has not failed yet: it has a verdict only where the gateway refuses.
    """
    with NetLab() as lab:
        if kind == "rust-v2":
            lab.refuse(GATEWAY)
        async with AsyncExitStack() as running:
            server = SERVERS[kind](setup(lab, RELAY))
            await running.enter_async_context(server)
            for host, reached in ((DIALER, 1), (PEER, 0)):
                options = ["--peer", at(RELAY, server.peer_id)]
                node = await running.enter_async_context(EdgeNode(setup(lab, host), options))

                async def told(node: EdgeNode = node) -> Any:
                    found = (await node.status())["autonat"]
                    return found["reached"], found["failed"]

                await until(asked(told, (reached, 1 - reached)), every=0.5)
                nat = (await node.status())["nat"]
                assert nat == ("public" if reached else "private")


@asynchronous(60)
async def test_ours_behind_nat_reserves_as_soon_as_one_server_could_not_reach_it() -> None:
    """One relay is too few to show that there is NAT; without AutoNAT it would wait a minute."""
    with NetLab() as lab:
        async with AsyncExitStack() as running:
            [relay] = await serving(lab, running, [4001])
            home = EdgeNode(setup(lab, PEER), ["--peer", relay])
            await running.enter_async_context(home)

            async def has_reserved() -> bool:
                return len((await home.status())["reservations"]["own"]) == 1

            await until(has_reserved, every=0.5)
            report = await home.status()
            assert (report["nat"], report["autonat"]["failed"]) == ("private", 1)
            assert report["uptime"] < 60

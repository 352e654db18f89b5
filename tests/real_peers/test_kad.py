"""Real peers find, by their own DHT, a peer that is only reserved with us, and reach it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from tests.counterparts.base import Counterpart, PeerError, Setup, asynchronous, until
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.go_libp2p import GoLibp2p
from tests.counterparts.go_peer import P2pd
from tests.counterparts.js_peer import JsPeer
from tests.counterparts.netlab import ADDRESSES, DIALER, GATEWAY, PEER, RELAY, NetLab
from tests.counterparts.ours_peer import OurPeer
from tests.counterparts.rust_peer import RustPeer

pytestmark = [pytest.mark.peers, pytest.mark.netns]

KAD = "/kwaai/kad/1.0.0"
PUBLIC = f"/ip4/{ADDRESSES[RELAY]}/tcp/4001"
SIZE = 1 << 16


def go(setup: Setup) -> Counterpart:
    return GoLibp2p(setup, kad="/kwaai")


def p2pd(setup: Setup) -> Counterpart:
    return P2pd(setup, ["-dht"])  # its DHT has the name of IPFS only


def js(setup: Setup) -> Counterpart:
    return JsPeer(setup, {"kad": {"protocol": KAD}})


def rust(setup: Setup) -> Counterpart:
    return RustPeer(setup, ["kad"])


def listens(kind: str, setup: Setup) -> Counterpart:
    """The peer to be found. Of a search of rust's come only peers that speak the DHT themselves."""
    return rust(setup) if kind == "rust" else OurPeer(setup)


FINDERS = {make.__name__: make for make in (go, p2pd, js, rust)}


async def found(finder: Counterpart, peer: str) -> list[str]:
    """The addresses of `peer`, once the DHT of `finder` has learnt of the relay."""
    find = cast(
        "Callable[[str], Awaitable[list[str]]]", getattr(finder, "find_peer", None) or finder.find
    )
    addresses: list[str] = []

    async def finds() -> bool:
        with contextlib.suppress(PeerError):
            addresses.extend(await find(peer))
        return bool(addresses)

    await until(finds, every=0.2)
    return addresses


@pytest.mark.parametrize("kind", FINDERS)
def test_a_peer_that_is_only_reserved_is_found_and_reached(kind: str) -> None:
    @asynchronous(60)
    async def test() -> None:
        with NetLab() as lab:
            options = ["--kad-ipfs", "yes"] if kind == "p2pd" else []
            serving = Setup(listen=[PUBLIC], within=lab.within(RELAY))
            async with EdgeNode(serving, options) as relay:
                at = f"{PUBLIC}/p2p/{relay.peer_id}"
                home = Setup(listen=(), relays=[at], within=lab.within(PEER))
                outside = Setup(listen=(), within=lab.within(DIALER))
                async with listens(kind, home) as listener, FINDERS[kind](outside) as finder:
                    await finder.connect(at)
                    addresses = await found(finder, listener.peer_id)
                    through = listener.circuit(at)
                    assert {through, through.rpartition("/p2p/")[0]} & set(addresses)
                    assert not [addr for addr in addresses if "/p2p-circuit" not in addr]
                    await finder.transfer(through, SIZE)
                    assert await listener.served() == [SIZE]

    test()


def go_server(setup: Setup) -> Counterpart:
    return GoLibp2p(setup, kad="/kwaai", reachability="public")


def js_server(setup: Setup) -> Counterpart:
    return JsPeer(setup, {"kad": {"protocol": KAD, "clientMode": False}})


SERVERS = {"go": go_server, "js": js_server, "rust": rust}


async def asked_to_find(node: EdgeNode, peer: str) -> dict[str, Any]:
    """What `node` answers at its status socket."""
    reader, writer = await asyncio.open_unix_connection(node.data_dir / "status.sock")
    writer.write(json.dumps({"verb": "dht-find", "peer": peer}).encode() + b"\n")
    answer = dict(json.loads(await reader.readline()))
    writer.close()
    return answer


@pytest.mark.parametrize("kind", SERVERS)
def test_our_node_finds_it_through_a_real_server_that_knows_the_relay(kind: str) -> None:
    """Its one bootstrap names the relay, which names the peer: each is asked as it is dialled."""

    @asynchronous(60)
    async def test() -> None:
        with NetLab() as lab:
            serving = Setup(listen=[PUBLIC], within=lab.within(RELAY))
            beside = f"/ip4/{ADDRESSES[DIALER]}/tcp/4001"
            public = Setup(listen=[beside], within=lab.within(DIALER))
            async with EdgeNode(serving) as relay, SERVERS[kind](public) as bootstrap:
                at = f"{PUBLIC}/p2p/{relay.peer_id}"
                await bootstrap.connect(at)
                home = Setup(listen=(), relays=[at], within=lab.within(PEER))
                options = ["--peer", f"{beside}/p2p/{bootstrap.peer_id}"]
                outside = EdgeNode(Setup(listen=(), within=lab.within(GATEWAY)), options)
                async with OurPeer(home) as listener, outside as finder:
                    answers: list[dict[str, Any]] = []

                    async def connects() -> bool:
                        answers.append(await asked_to_find(finder, listener.peer_id))
                        return bool(answers[-1]["connected"])

                    await until(connects, every=0.2)
                    assert listener.circuit(at) in answers[-1]["addresses"]
                    assert relay.peer_id in await known(finder)

    test()


@asynchronous(60)
async def test_peers_of_another_dht_have_no_place() -> None:
    with NetLab() as lab:
        serving = Setup(listen=[PUBLIC], within=lab.within(RELAY))
        async with EdgeNode(serving) as relay:
            at = f"{PUBLIC}/p2p/{relay.peer_id}"
            outside = Setup(listen=(), within=lab.within(DIALER))
            async with p2pd(outside) as ipfs, js_server(outside) as ours:
                for peer in (ipfs, ours):
                    await peer.connect(at)

                async def identified() -> bool:
                    peers = (await relay.status("peers"))["peers"]
                    return len(peers) == 2 and all("agent" in peer for peer in peers)

                await until(identified)
                assert (await relay.status())["kad"]["peers"] == 1


@asynchronous(60)
async def test_what_one_real_peer_provides_another_finds_here() -> None:
    key = b"\x12\x20" + hashlib.sha256(b"a block").digest()
    with NetLab() as lab:
        serving = Setup(listen=[PUBLIC], within=lab.within(RELAY))
        async with EdgeNode(serving) as relay:
            at = f"{PUBLIC}/p2p/{relay.peer_id}"
            home = Setup(listen=(), relays=[at], within=lab.within(PEER))
            outside = Setup(listen=(), within=lab.within(DIALER))
            services = {"kad": {"protocol": KAD}}
            async with JsPeer(home, services) as provider, JsPeer(outside, services) as seeker:
                await seeker.connect(at)

                async def stored() -> bool:
                    await provider.provide(key)
                    return bool((await relay.status())["kad"]["providers"])

                await until(stored, every=0.5)
                providers = await seeker.providers(key)
                through = provider.circuit(at)
                assert through in providers[provider.peer_id]
                await seeker.transfer(through, SIZE)


async def known(node: EdgeNode) -> list[str]:
    """The peers that `node` is connected to."""
    return [peer["peer_id"] for peer in (await node.status("peers"))["peers"]]

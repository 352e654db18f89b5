"""Peers of one LAN find each other: ours, js-libp2p's and a browser of services."""

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.counterparts.base import Setup, asynchronous, until
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.js_peer import JsPeer
from tests.counterparts.lan import ALICE, BOB, CAROL, INTERFACE, IP4, IP6, Lan

pytestmark = [pytest.mark.peers, pytest.mark.netns]

ANYWHERE = "/ip4/0.0.0.0/tcp/4001"
BOTH = ("/ip4/0.0.0.0/tcp/4001", "/ip6/::/tcp/4001")
FIND = ("--mdns-enabled", "yes")


# Asks, and prints how many answers came by multicast, and in how many seconds.
FLOOD = """
import socket, sys, time
from edge.mdns import links
from edge.wire import mdns
(sock,) = links.open_sockets(socket.if_nametoindex("lan"), [socket.AF_INET])
began, seen = time.monotonic(), 0
for i in range(1000):
    links.send(sock, mdns.query(mdns.SERVICE, [(bytes((1, 97)) + mdns.SERVICE, i)]))
    time.sleep(0.004)
    try:
        while True:
            data, (source, *_) = sock.recvfrom(9000)
            seen += source != sys.argv[1] and mdns.decode(data).response
    except BlockingIOError:
        pass
print(seen, time.monotonic() - began)
"""


def node(lan: Lan, host: str, *options: str, listen: tuple[str, ...] = BOTH) -> EdgeNode:
    return EdgeNode(Setup(listen=listen, within=lan.within(host)), [*FIND, *options])


async def found(by: EdgeNode) -> dict[str, dict[str, Any]]:
    """Whom a node of ours has found, by peer id."""
    return {each["peer"]: each for each in (await by.status())["mdns"]["peers"]}


@asynchronous(60)
async def test_two_of_ours_find_each_other_and_connect() -> None:
    with Lan() as lan:
        async with node(lan, ALICE) as alice, node(lan, BOB) as bob:

            async def connected() -> bool:
                there, back = await found(alice), await found(bob)
                return there.get(bob.peer_id, {}).get("connected", False) and bool(back)

            await until(connected, every=0.2)
            seen = (await found(alice))[bob.peer_id]
            assert seen["interface"] == INTERFACE
            at = f"/ip4/{IP4[BOB]}/tcp/4001/p2p/{bob.peer_id}"
            assert at in seen["addresses"]


@asynchronous(60)
async def test_who_leaves_is_forgotten_at_once() -> None:
    with Lan() as lan:
        async with node(lan, ALICE) as alice:
            async with node(lan, BOB) as bob:

                async def there() -> bool:
                    return bob.peer_id in await found(alice)

                await until(there, every=0.2)

            async def gone() -> bool:
                return not await found(alice)

            await until(gone, every=0.2)


@asynchronous(60)
async def test_a_new_address_is_announced() -> None:
    with Lan() as lan:
        async with node(lan, ALICE) as alice, node(lan, BOB) as bob:

            async def knows(ip: str) -> bool:
                return ip in str((await found(alice)).get(bob.peer_id, {}).get("addresses"))

            await until(lambda: knows(IP4[BOB]), every=0.2)
            lan.readdress(BOB, "192.168.9.99")
            await until(lambda: knows("192.168.9.99"), every=0.2)
            assert not await knows(IP4[BOB])


@asynchronous(90)
async def test_js_finds_ours() -> None:
    """By mDNS: ours does not dial it, which js-libp2p would call a discovery, too."""
    with Lan() as lan:
        async with AsyncExitStack() as running:
            deny = ("--relay-deny-networks", f"{IP4[BOB]}/32")
            ours = await running.enter_async_context(node(lan, ALICE, *deny))
            setup = Setup(listen=[ANYWHERE], within=lan.within(BOB))
            js = await running.enter_async_context(JsPeer(setup, {"mdns": {"interval": 1000}}))

            async def discovered() -> bool:
                at = (await js.discovered()).get(ours.peer_id, [])
                return any(IP4[ALICE] in address for address in at)

            await until(discovered, every=0.2)


@asynchronous(90)
async def test_ours_finds_js_and_connects() -> None:
    with Lan() as lan:
        async with AsyncExitStack() as running:
            ours = await running.enter_async_context(node(lan, ALICE))
            setup = Setup(listen=[ANYWHERE], within=lan.within(BOB))
            js = await running.enter_async_context(JsPeer(setup, {"mdns": {"interval": 1000}}))

            async def there() -> bool:
                return js.peer_id in await found(ours)

            await until(there, every=0.2)
            at = (await found(ours))[js.peer_id]["addresses"]
            (listening,) = [each for each in await js.addrs() if IP4[BOB] in each]
            assert at == [f"{listening}/p2p/{js.peer_id}"]

            async def connected() -> bool:
                return ours.peer_id in await js.peers()

            await until(connected, every=0.2)


@asynchronous(60)
async def test_a_denied_peer_is_not_dialled() -> None:
    with Lan() as lan:
        async with AsyncExitStack() as running:
            bob = await running.enter_async_context(node(lan, BOB))
            deny = ("--relay-deny-peers", bob.peer_id)
            alice = await running.enter_async_context(node(lan, ALICE, *deny))

            async def there() -> bool:
                return bob.peer_id in await found(alice)

            await until(there, every=0.2)
            assert not (await found(alice))[bob.peer_id]["connected"]


async def browse(lan: Lan, host: str, *words: str) -> dict[str, Any]:
    """What python-zeroconf on `host` says."""
    command = [*lan.within(host), sys.executable, "-m", "tests.counterparts.browser", IP4[host]]
    browser = await asyncio.create_subprocess_exec(*command, *words, stdout=asyncio.subprocess.PIPE)
    out, _ = await browser.communicate()
    return dict(json.loads(out))


@asynchronous(60)
async def test_a_link_that_comes_later_is_joined() -> None:
    with Lan() as lan:
        lan.unplug(ALICE)
        async with node(lan, ALICE) as alice, node(lan, BOB) as bob:
            assert not (await alice.status())["mdns"]["interfaces"]
            lan.plug(ALICE)

            async def both() -> bool:
                return bool(await found(alice)) and alice.peer_id in await found(bob)

            await until(both, every=0.2)


@asynchronous(60)
async def test_an_interface_that_is_not_there_is_told_and_others_are_used() -> None:
    with Lan() as lan:
        options = ("--mdns-interfaces", f"{INTERFACE},br-guest")
        async with node(lan, ALICE, *options) as alice:
            assert (await alice.status())["mdns"]["interfaces"] == [INTERFACE]
            assert "mdns-failed interface=br-guest" in alice.log()


@asynchronous(60)
async def test_who_listens_on_the_loopback_alone_takes_no_part() -> None:
    with Lan() as lan:
        listen = ("/ip4/127.0.0.1/tcp/4001",)
        async with node(lan, ALICE, listen=listen) as alice, node(lan, BOB) as bob:
            report = (await alice.status())["mdns"]
            assert (report["interfaces"], report["messages"]["sent"]) == ([], 0)
            assert not await found(bob)


@asynchronous(60)
async def test_a_flood_of_questions_is_not_answered_with_one() -> None:
    """A thousand questions in as many different messages, within a few seconds."""
    with Lan() as lan:
        async with node(lan, ALICE) as alice:
            command = [*lan.within(CAROL), sys.executable, "-c", FLOOD, IP4[CAROL]]
            flood = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
            out, _ = await flood.communicate()
            answers, seconds = map(float, out.split())
            messages = (await alice.status())["mdns"]["messages"]
            assert 1 <= answers <= seconds + 4  # with the two announcements
            assert messages["received"] < 1000  # the rest was not looked at


@asynchronous(60)
async def test_a_browser_of_services_resolves_us_and_respects_our_name() -> None:
    with Lan() as lan:
        async with node(lan, ALICE) as alice:
            seen = await browse(lan, CAROL, "see")
            assert seen["whole"]
            assert seen["type"] == "_p2p._udp.local."
            assert seen["port"] == 4001
            assert {IP4[ALICE], IP6[ALICE]} == set(seen["addresses"])
            assert f"dnsaddr=/ip4/{IP4[ALICE]}/tcp/4001/p2p/{alice.peer_id}" in seen["text"]
            assert alice.peer_id not in seen["name"]

            async def taken() -> bool:
                """zeroconf waits 0.35 s for an objection: once in ten times too little here."""
                return await browse(lan, CAROL, "claim", seen["name"]) == {"free": False}

            await until(taken, every=0.2)
            other = seen["name"].replace(seen["name"][:8], "somebody")
            assert await browse(lan, CAROL, "claim", other) == {"free": True}


@asynchronous(60)
async def test_the_port_is_shared_with_others_on_the_machine() -> None:
    with Lan() as lan:
        async with node(lan, ALICE) as alice, node(lan, BOB) as bob:
            seen = await browse(lan, ALICE, "see")
            assert alice.peer_id in seen["text"] or bob.peer_id in seen["text"]

            async def there() -> bool:
                return bob.peer_id in await found(alice)

            await until(there, every=0.2)

"""A home whose gateway maps ports: the node behind it is reached from the internet."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.counterparts.base import Setup, asynchronous, until
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.miniupnpd import NAT_PMP, PCP, UPNP, Miniupnpd
from tests.counterparts.netlab import ADDRESSES, DIALER, GATEWAY, PEER, RELAY, NetLab
from tests.counterparts.ours_peer import OurPeer

pytestmark = [pytest.mark.peers, pytest.mark.netns]

HERE = "/ip4/0.0.0.0/tcp/4001"
MAPPED = f"/ip4/{ADDRESSES[GATEWAY]}/tcp/4001"


def home(lab: NetLab, *options: str, **more: Any) -> EdgeNode:
    """Our node behind the gateway."""
    setup = Setup(listen=[HERE], within=lab.within(PEER))
    return EdgeNode(setup, ["--portmap-enabled", "yes", *options], **more)


async def ports(node: EdgeNode) -> list[dict[str, Any]]:
    return list((await node.status())["port_mapping"]["ports"])


async def one(node: EdgeNode) -> dict[str, Any]:
    """The port that `node` has mapped, once it has."""

    async def has_one() -> bool:
        return len(await ports(node)) == 1

    await until(has_one, every=0.2)
    return (await ports(node))[0]


@pytest.mark.parametrize("protocol", [PCP, NAT_PMP, UPNP])
@asynchronous(60)
async def test_mapped_reached_and_given_back(protocol: str, tmp_path: Path) -> None:
    with NetLab() as lab:
        async with Miniupnpd(lab, tmp_path, [protocol]) as gateway:
            async with home(lab) as node:
                port = await one(node)
                assert (port["external"], port["protocol"]) == (MAPPED, protocol)
                assert (port["port"], port["public"]) == (4001, True)
                assert 0 < port["renewed_in"] <= port["expires_in"] * 0.625 + 1
                assert len(gateway.mapped()) == 1
                async with OurPeer(Setup(listen=(), within=lab.within(DIALER))) as dialer:
                    await dialer.ping(f"{MAPPED}/p2p/{node.peer_id}")
            assert gateway.mapped() == []


@asynchronous(60)
async def test_it_is_advertised_once_peers_in_two_networks_see_the_same_ip(tmp_path: Path) -> None:
    """Both have an address in a network of its own; that of the first alone tells too little."""
    witnesses = {RELAY: "6.1.1.10", DIALER: "7.1.1.20"}
    with NetLab() as lab:
        # An IPv6 address that comes late would be another network: what was seen is forgotten.
        lab.run(PEER, "sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6")
        for host, ip in witnesses.items():
            lab.run(host, "ip", "address", "add", f"{ip}/32", "dev", "wan")
            lab.run(GATEWAY, "ip", "route", "add", f"{ip}/32", "dev", "wan")
        async with Miniupnpd(lab, tmp_path), AsyncExitStack() as running:
            peers = []
            for host, ip in witnesses.items():
                witness = EdgeNode(Setup(listen=[HERE], within=lab.within(host)))
                await running.enter_async_context(witness)
                peers.append(f"/ip4/{ip}/tcp/4001/p2p/{witness.peer_id}")
            node = await running.enter_async_context(home(lab, "--peer", peers[0]))

            async def knows(count: int) -> bool:
                return bool((await node.status())["connections"]["peers"] == count)

            await one(node)
            await until(lambda: knows(1), every=0.2)
            assert (await node.status())["addresses"]["advertised"] == []
            await node.run("connect", peers[1])

            async def advertises() -> bool:
                return MAPPED in (await node.status())["addresses"]["advertised"]

            await until(advertises, every=0.2)
            assert (await one(node))["confirmed"]
            assert (await node.status())["nat"] == "public"


@pytest.mark.parametrize("protocol", [PCP, NAT_PMP, UPNP])
@asynchronous(60)
async def test_a_gateway_that_has_restarted_is_asked_anew(protocol: str, tmp_path: Path) -> None:
    """PCP and NAT-PMP announce it; with UPnP alone, it is found out when the network changes."""
    with NetLab() as lab:
        async with Miniupnpd(lab, tmp_path, [protocol]) as gateway, home(lab) as node:
            await one(node)
            await gateway.restart()
            assert gateway.mapped() == []
            if protocol == UPNP:
                assert node.process is not None
                node.process.send_signal(signal.SIGUSR1)

            async def is_mapped() -> bool:
                return len(gateway.mapped()) == 1

            await until(is_mapped, every=0.2)


@asynchronous(60)
async def test_what_a_killed_node_has_left_is_its_own_again(tmp_path: Path) -> None:
    """By PCP nobody else could have it: the nonce is the identity's."""
    with NetLab() as lab:
        async with Miniupnpd(lab, tmp_path, [PCP]) as gateway:
            async with home(lab, data_dir=tmp_path / "data") as node:
                await one(node)
                await node.kill()
            assert len(gateway.mapped()) == 1
            async with home(lab, data_dir=tmp_path / "data") as node:
                assert (await one(node))["external"] == MAPPED
            assert gateway.mapped() == []


@pytest.mark.parametrize("protocol", [PCP, UPNP])
@asynchronous(60)
async def test_a_port_that_is_anothers_is_left_to_it(protocol: str, tmp_path: Path) -> None:
    other = """
import socket, struct
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.settimeout(10)
sock.bind(("192.168.7.3", 0))
sock.sendto(struct.pack(">BBxxHHI", 0, 2, 4001, 4001, 600), ("192.168.7.1", 5351))
assert sock.recv(99)[3] == 0
"""
    protocols = {NAT_PMP, protocol} if protocol == UPNP else {PCP, NAT_PMP}
    with NetLab() as lab:
        lab.run(PEER, "ip", "address", "add", "192.168.7.3/24", "dev", "lan")
        async with Miniupnpd(lab, tmp_path, protocols) as gateway:
            lab.run(PEER, sys.executable, "-c", other)
            before = gateway.mapped()
            async with home(lab) as node:
                port = await one(node)
                assert port["external"] != MAPPED
                assert len(gateway.mapped()) == 2
                async with OurPeer(Setup(listen=(), within=lab.within(DIALER))) as dialer:
                    await dialer.ping(f"{port['external']}/p2p/{node.peer_id}")
            assert gateway.mapped() == before


@asynchronous(60)
async def test_switched_off_by_a_reload_it_is_given_back(tmp_path: Path) -> None:
    file = tmp_path / "kwaainet.toml"
    file.write_text("[portmap]\nenabled = 'auto'\n")
    with NetLab() as lab:
        plain = (*lab.within(PEER), "env", "-u", "KWAAINET_PORTMAP_ENABLED")
        async with Miniupnpd(lab, tmp_path) as gateway:
            setup = Setup(listen=[HERE], within=plain)
            async with EdgeNode(setup, ["--config", str(file)]) as node:
                await one(node)
                file.write_text("[portmap]\nenabled = 'no'\n")
                assert node.process is not None
                node.process.send_signal(signal.SIGHUP)

                async def has_none() -> bool:
                    return not await ports(node)

                await until(has_none, every=0.2)
                assert gateway.mapped() == []


@asynchronous(60)
async def test_a_node_with_a_public_address_asks_nobody_by_itself(tmp_path: Path) -> None:
    with NetLab() as lab:
        lab.run(RELAY, "ip", "route", "add", "default", "via", ADDRESSES[GATEWAY])
        setup = Setup(listen=[HERE], within=lab.within(RELAY))
        async with EdgeNode(setup, ["--portmap-enabled", "auto"]) as node:
            mapping = (await node.status())["port_mapping"]
            assert mapping == {"ports": [], "failed": 0}


IMPOSTOR = """
import socket
ask = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
ask.bind(("", 1900))
group = socket.inet_aton("239.255.255.250") + socket.inet_aton("192.168.7.3")
ask.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
print("ready", flush=True)
_, sender = ask.recvfrom(2048)
answer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
answer.bind(("192.168.7.3", 0))
for where in ("192.168.7.3", "192.168.7.1"):
    lie = f"HTTP/1.1 200 OK\\r\\nLOCATION: http://{where}:9/\\r\\n\\r\\n"
    answer.sendto(lie.encode(), sender)
print("answered", flush=True)
"""


@asynchronous(60)
async def test_a_device_that_poses_as_the_gateway_is_not_heard(tmp_path: Path) -> None:
    """It is nearer than the gateway, and answers first."""
    with NetLab() as lab:
        lab.run(PEER, "ip", "address", "add", "192.168.7.3/24", "dev", "lan")
        impostor = await asyncio.create_subprocess_exec(
            *(*lab.within(PEER), sys.executable, "-c", IMPOSTOR), stdout=asyncio.subprocess.PIPE
        )
        assert impostor.stdout is not None
        try:
            assert await impostor.stdout.readline() == b"ready\n"
            async with Miniupnpd(lab, tmp_path, [UPNP]) as gateway, home(lab) as node:
                port = await one(node)
                assert (port["external"], port["protocol"]) == (MAPPED, UPNP)
                assert await impostor.stdout.readline() == b"answered\n"
                assert len(gateway.mapped()) == 1
                assert (await node.status())["port_mapping"]["failed"] == 0
        finally:
            with suppress(ProcessLookupError):
                impostor.kill()
            await impostor.wait()

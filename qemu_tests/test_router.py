"""The package on an emulated router of 64 MB: it relays, stays small, and comes back.

Two go-libp2p peers (p2pd 0.32) outside reach each other through it. The binary is what cross/
builds, kernel and busybox are Debian's, procd is a stand-in (guest/supervise), and the memory it
booted into stands for the flash.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from pathlib import Path

import pytest

from openwrt.package import ipk
from qemu_tests.console import GuestError
from qemu_tests.malta import Malta, image
from qemu_tests.node import MIB, PATIENCE, Node, never_out_of_memory, stops
from qemu_tests.reservers import MOST_DIALS, Reservers, connected, store_records
from tests.counterparts.base import PeerError, Setup, asynchronous, until
from tests.counterparts.go_peer import P2pd

pytestmark = [pytest.mark.peers, pytest.mark.slow]

LARGEST_IPK = 3_000_000  # bytes
LARGEST_IDLE = 16 * MIB  # resident, with 64 reserved peers
SLOTS = 64
PEERS, WRITERS, RECORDS = 200, 8, 1000
RECORD_SIZE = 680  # bytes: a record of KwaaiNet's with all there is
CONFIG = """
config kwaainet 'main'
	option enabled '1'

config node 'node'
	list listen '/ip4/0.0.0.0/tcp/4001'
	option max_connections_per_ip '256'

config dht 'dht'
	option enabled 'yes'

config relay 'relay'
	option service 'yes'
	option max_reservations_per_ip '256'
"""
OLDER_LAYOUT = """cd /etc/kwaainet && mv data/* . && rmdir data &&
chown kwaainet:kwaainet . && chmod 0700 . && cd / &&
printf '#!/bin/ash\\necho "hook $1" >>/tmp/said\\n' >/etc/kwaainet/qos.d/50-hook &&
chmod 0755 /etc/kwaainet/qos.d/50-hook""".replace("\n", " ")


async def circuit_carries(node: Node, size: int) -> None:
    """A new listener reserves, a new dialer exchanges `size` bytes with it each way, checked.

    p2pd gives a circuit seconds for its handshakes, which an emulated router may not have.
    """
    async with (
        P2pd(Setup(listen=(), relays=[node.at()])) as listener,
        P2pd(Setup(listen=())) as dialer,
    ):
        for _ in range(MOST_DIALS - 1):
            with contextlib.suppress(PeerError):
                await asyncio.wait_for(dialer.connect(listener.circuit(node.at())), PATIENCE)
                break
        await asyncio.wait_for(dialer.transfer(listener.circuit(node.at()), size), PATIENCE)


def test_the_package_is_small_enough_for_flash(package: ipk.Ipk) -> None:
    print(f"ipk {len(package.content)} bytes")
    assert len(package.content) <= LARGEST_IPK


@asynchronous(600)
async def story(package: ipk.Ipk, directory: Path) -> None:
    async with Malta(directory, image(package.content, CONFIG)) as router:
        node = Node(router)
        assert (await router.run("date +%Y")).startswith("1970")
        await router.run("ifconfig eth0 down")  # a WAN that is late
        await router.service("start")
        await node.ready()
        assert "Seccomp:\t2" in await router.run("cat /proc/$(cat /tmp/procd/pid)/status")
        await router.run("ifconfig eth0 up")
        await relays_within_its_limits(router, node)
        await survives_a_jump_of_the_clock_and_a_full_flash(router, node)
        await keeps_records_within_its_limits(router, node)
        await reloads(router, node)
        await comes_back(router, node)
        await is_upgraded(router, node)
        await never_out_of_memory(router)


async def relays_within_its_limits(router: Malta, node: Node) -> None:
    async with Reservers(SLOTS, node.at()):
        report = await node.status()
        assert report["reservations"]["held"] == SLOTS
        memory = await node.memory()
        print(f"{SLOTS} slots: {memory['VmRSS'] / MIB:.1f} MiB resident")
        assert memory["VmRSS"] <= LARGEST_IDLE
        await circuit_carries(node, 16 * MIB)
        memory, report = await node.memory(), await node.status()
        print(f"after 16 MiB each way: {memory['VmHWM'] / MIB:.1f} MiB at most")
        assert memory["VmHWM"] <= report["memory"]["limit"]
        assert report["bytes"]["to_listeners"] >= 16 * MIB
    await never_out_of_memory(router)


async def survives_a_jump_of_the_clock_and_a_full_flash(router: Malta, node: Node) -> None:
    await router.run("date -s 2030-01-01")
    await router.run("mount -t tmpfs -o size=4k tmpfs /etc/kwaainet/data")
    await router.run("! cat /dev/zero >/etc/kwaainet/data/ballast")
    await circuit_carries(node, MIB)
    await router.run("umount /etc/kwaainet/data")


async def keeps_records_within_its_limits(router: Malta, node: Node) -> None:
    """As many as it is meant for; idle peers may have to give way to what is in use."""
    expiration = float(await router.run("date +%s")) + 3600
    per_peer = RECORDS // WRITERS
    async with connected(WRITERS, node.at()) as writers:
        for writer in writers:
            assert await store_records(writer, per_peer, RECORD_SIZE, expiration) == per_peer
        async with connected(PEERS - WRITERS, node.at()):
            memory, report = await node.memory(), await node.status()
    held, stay = report["dht"]["records"]["records"], report["connections"]["open"]
    resident, most = memory["VmRSS"] / MIB, memory["VmHWM"] / MIB
    print(f"{held} records, {PEERS} peers, of which {stay} stay: ", end="")
    print(f"{resident:.1f} MiB resident, {most:.1f} at most")
    assert held == RECORDS
    assert memory["VmHWM"] <= report["memory"]["limit"]
    await never_out_of_memory(router)


async def reloads(router: Malta, node: Node) -> None:
    """What is wrong changes nothing; what is soft costs no slot."""
    pid = await node.pid()
    async with Reservers(4, node.at()):
        await router.run("cp /etc/config/kwaainet /tmp/good")
        await router.run("echo \"\toption max_circuits '70000'\" >>/etc/config/kwaainet")
        with pytest.raises(GuestError):
            await router.service("reload")
        line = (
            '[relay] max_circuits: got "70000"; expected a whole number from 1 to 65536, or "auto"'
        )
        (said,) = [each for each in (await node.log()).splitlines() if "70000" in each]
        assert re.search(
            rf" daemon.err kwaainet: /etc/config/kwaainet:\d+: {re.escape(line)}$", said
        )
        await router.run("cp /tmp/good /etc/config/kwaainet")
        await router.run("echo \"\toption max_circuits '100'\" >>/etc/config/kwaainet")
        await router.service("reload")

        async def reloaded() -> bool:
            return "relay.max_circuits: auto -> 100" in await node.log()

        await asyncio.wait_for(until(reloaded, every=0.5), PATIENCE)
        assert (await node.status())["reservations"]["held"] == 4
        assert await node.pid() == pid


async def comes_back(router: Malta, node: Node) -> None:
    before = node.peer_id
    await router.run("kill -9 $(cat /tmp/procd/pid)")
    await node.ready(times=2)
    assert node.peer_id == before
    assert "exited 137" in await router.run("cat /tmp/procd/events")
    await circuit_carries(node, MIB)
    await stops(router)
    assert "exited 0" in await router.run("cat /tmp/procd/events")
    kept = await router.run("ls -l /etc/kwaainet/data")
    assert "identity.key" in kept
    assert "status.sock" not in kept


async def is_upgraded(router: Malta, node: Node) -> None:
    """From a version that gave all of /etc/kwaainet to the node's user."""
    before = node.peer_id
    await router.run(OLDER_LAYOUT)
    await router.service("start")
    await node.ready(times=3)
    assert node.peer_id == before
    assert "hook start" in await router.run("cat /tmp/said")
    listed = await router.run("ls -ln /etc/kwaainet")
    assert re.search(r"^drwxr-xr-x +\d+ 0 +0 .* qos.d$", listed, re.MULTILINE)
    assert re.search(r"^drwx------ +\d+ 4001 +4001 .* data$", listed, re.MULTILINE)
    assert "identity.key" not in listed
    await stops(router)


def test_a_router_relays_stays_small_and_comes_back(package: ipk.Ipk, tmp_path: Path) -> None:
    story(package, tmp_path)

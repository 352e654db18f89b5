"""The Debian package in a Debian with systemd as process 1: installed, used, upgraded, purged."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cross.targets import TARGETS
from debian.package import recipe
from edge.version import VERSION
from images_tests.machine import PATIENCE, Machine
from qemu_tests.console import GuestError
from qemu_tests.emulated import build
from tests.counterparts.base import asynchronous, until
from tests.counterparts.edge_node import EdgeNode

TARGET = "x86_64"
NEXT = f"{VERSION}+next"
ACTIVE = "systemctl is-active kwaainet"
RESTARTS = "systemctl show -P NRestarts kwaainet"
PID = "systemctl show -P MainPID kwaainet"
CONFIG = "/etc/kwaainet/kwaainet.toml"
MINUTES = 60.0


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of this version and a higher one, around the same program."""
    directory = tmp_path_factory.mktemp("packages")
    for version in (VERSION, NEXT):
        name, content = recipe.build(TARGET, build(TARGETS[TARGET]), version)
        (directory / name).write_bytes(content)
    return directory


@contextlib.asynccontextmanager
async def installed(directory: Path, packages: Path) -> AsyncIterator[Machine]:
    async with Machine(directory, packages) as machine:
        await install(machine, VERSION)
        yield machine


async def install(machine: Machine, version: str) -> str:
    return await machine.run(f"apt-get install -y /mnt/kwaainet_{version}_amd64.deb")


async def identity(machine: Machine) -> str:
    return await machine.run("kwaainet id")


async def journal(machine: Machine) -> str:
    return await machine.run("journalctl --no-pager -o cat -u kwaainet")


def at(machine: Machine, peer_id: str) -> str:
    return f"/ip4/127.0.0.1/tcp/{machine.port}/p2p/{peer_id}"


async def has_reserved(node: EdgeNode, machine: Machine, times: int) -> None:
    """Until the machine's relay has granted `node` a reservation, at last at its present start."""

    async def holds() -> bool:
        status = json.loads(await machine.run("kwaainet status --json"))
        return status["reservations"]["held"] == times

    await asyncio.wait_for(until(holds, every=0.5), PATIENCE)


@asynchronous(10 * MINUTES)
async def test_it_is_installed_and_runs(tmp_path: Path, packages: Path) -> None:
    async with installed(tmp_path, packages) as machine:
        assert await machine.run(ACTIVE) == "active"
        assert await machine.run("systemctl is-enabled kwaainet") == "enabled"
        status = await machine.run("systemctl --no-pager status kwaainet")
        assert re.search(r'Status: "ok; mode relay: ', status), status
        assert "notify-failed" not in await journal(machine)
        print(status)  # as docs/debian.md shows it
        told = json.loads(await machine.run("kwaainet health"))
        assert (told["status"], told["mode"]) == ("ok", "relay")
        user = "stat -c '%U %a' /var/lib/kwaainet /var/lib/kwaainet/identity.key"
        assert await machine.run(user) == "kwaainet 700\nkwaainet 600"
        rated = await machine.run("systemd-analyze --no-pager security kwaainet | tail -1")
        found = re.search(r"exposure level for kwaainet\.service: ([\d.]+)", rated)
        assert found is not None and float(found[1]) <= 2.0, rated
        capabilities = await machine.run(
            f"grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/$({PID})/status"
        )
        assert capabilities.split() == ["CapEff:", "0" * 16, "NoNewPrivs:", "1", "Seccomp:", "2"]
        async with EdgeNode(
            options=[
                "--relay-client",
                "yes",
                "--relay-relays",
                at(machine, await identity(machine)),
            ]
        ) as node:
            await has_reserved(node, machine, 1)


@asynchronous(10 * MINUTES)
async def test_a_reload_keeps_the_process(tmp_path: Path, packages: Path) -> None:
    async with installed(tmp_path, packages) as machine:
        pid = await machine.run(PID)
        await machine.run(f"sed -i 's/^#rate = .*/rate = \"1M\"/' {CONFIG}")
        await machine.run("kwaainet check-config")
        await machine.run("systemctl reload kwaainet")
        await machine.until("journalctl -o cat -u kwaainet | grep -c ' reloaded '", "1")
        await machine.until(ACTIVE, "active")
        assert (await machine.run(PID), await machine.run(RESTARTS)) == (pid, "0")


@asynchronous(10 * MINUTES)
async def test_one_that_hangs_comes_back(tmp_path: Path, packages: Path) -> None:
    """The same node, by the watchdog; whose time is the only thing that is not as shipped."""
    async with installed(tmp_path, packages) as machine:
        before = await identity(machine)
        await machine.run("mkdir /etc/systemd/system/kwaainet.service.d")
        drop_in = "/etc/systemd/system/kwaainet.service.d/watchdog.conf"
        await machine.run(f"printf '[Service]\\nWatchdogSec=5\\n' >{drop_in}")
        await machine.run("systemctl daemon-reload && systemctl restart kwaainet")
        pid = await machine.run(PID)
        await machine.run(f"kill -STOP {pid}")
        status, said = await machine.tried("kwaainet health --run-dir /var/lib/kwaainet")
        assert (status, said) == (1, "kwaainet: no answer within 2 s")
        await machine.until(RESTARTS, "1")
        await machine.until(ACTIVE, "active")
        assert "Watchdog timeout" in await journal(machine)
        assert await machine.run(PID) != pid
        assert await identity(machine) == before
        assert (await machine.tried("kwaainet health"))[0] == 0


@asynchronous(10 * MINUTES)
async def test_an_upgrade_costs_its_peers_one_reconnect(tmp_path: Path, packages: Path) -> None:
    async with installed(tmp_path, packages) as machine:
        peer_id = await identity(machine)
        await machine.run(f"sed -i 's/^#rate = .*/rate = \"1M\"/' {CONFIG}")
        async with EdgeNode(
            options=["--relay-client", "yes", "--relay-relays", at(machine, peer_id)]
        ) as node:
            await has_reserved(node, machine, 1)
            pid = await machine.run(PID)
            await install(machine, NEXT)
            assert await machine.run("dpkg-query -W -f '${Version}' kwaainet") == NEXT
            assert await machine.run(PID) != pid
            await has_reserved(node, machine, 1)
        assert await identity(machine) == peer_id
        assert 'rate = "1M"' in await machine.run(f"cat {CONFIG}")
        said = await journal(machine)
        assert len(re.findall(r"^ready peer_id=", said, re.MULTILINE)) == 2
        assert await machine.run(RESTARTS) == "0"


@asynchronous(10 * MINUTES)
async def test_an_upgrade_starts_nothing_that_was_turned_off(
    tmp_path: Path, packages: Path
) -> None:
    async with installed(tmp_path, packages) as machine:
        await machine.run("systemctl disable --now kwaainet")
        await install(machine, NEXT)
        assert (await machine.tried(ACTIVE))[1] == "inactive"
        assert (await machine.tried("systemctl is-enabled kwaainet"))[1] == "disabled"


@asynchronous(10 * MINUTES)
async def test_a_wrong_configuration_is_not_tried_again(tmp_path: Path, packages: Path) -> None:
    async with installed(tmp_path, packages) as machine:
        await machine.run(f"echo nonsense >>{CONFIG}")
        with pytest.raises(GuestError):
            await machine.run("systemctl restart kwaainet")
        assert (await machine.tried("systemctl is-failed kwaainet"))[1] == "failed"
        assert f"{CONFIG}:" in await journal(machine)


@asynchronous(10 * MINUTES)
async def test_what_is_removed_and_what_is_purged(tmp_path: Path, packages: Path) -> None:
    async with installed(tmp_path, packages) as machine:
        before = await identity(machine)
        await machine.run("apt-get remove -y kwaainet")
        assert (await machine.tried(ACTIVE))[0] != 0
        assert (await machine.tried("pidof kwaainet"))[0] == 1
        await machine.run(f"ls {CONFIG} /var/lib/kwaainet/identity.key")
        await install(machine, VERSION)
        assert await machine.run(ACTIVE) == "active"
        assert await identity(machine) == before
        await machine.run("apt-get purge -y kwaainet")
        left = "find / -xdev -name '*kwaainet*' -not -path '/proc/*' -not -path '/mnt/*'"
        assert await machine.run(left) == ""
        assert await machine.run("systemctl list-unit-files --no-legend 'kwaainet*'") == ""
        assert await machine.run("getent passwd kwaainet | cut -d: -f1") == "kwaainet"

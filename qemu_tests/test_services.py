"""What the binary does beside relaying: QoS on a router, tier, the owner's hours, figures."""

from __future__ import annotations

import asyncio
import fcntl
import http.client
import json
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from functools import partial
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cross.targets import Target
from qemu_tests.emulated import BinaryNode, command
from tests.counterparts.base import PeerError, Setup, asynchronous, free_port, until
from tests.counterparts.netlab import NetLab
from tests.counterparts.ours_peer import OurPeer
from tests.qos.household import (
    MIB,
    ROUTER,
    count_code_points,
    give_internet,
    open_port,
    router,
    saturated,
    until_hooked,
)

SHAPED = ("--qos-shaper", "auto", "--qos-line-up", str(4 * MIB))
LE, CS1, PLAIN = 1, 8, 0


@pytest.mark.peers
@pytest.mark.netns
@asynchronous(240)
async def test_qos_hooks_and_marks_on_a_router(target: Target, built: Path) -> None:
    """Rules come with the node and go with it; its packets bear DSCP LE and CS1, and no other.

    qemu does not know SO_MARK: there the node says so, and the hooks go by its packets' port.
    """
    with NetLab() as lab:
        give_internet(lab)
        open_port(lab)
        counted = count_code_points(lab, LE, CS1, PLAIN)

        def rules() -> tuple[str, str]:
            tables = lab.run(ROUTER, "nft", "list", "ruleset")
            return lab.run(ROUTER, "tc", "qdisc", "show", "dev", "wan"), tables

        before = rules()

        async def marked() -> bool:
            return counted()[0] > 100

        async with router(lab, SHAPED, partial(BinaryNode, target, built)) as relay:
            await until_hooked(relay, 2)
            assert "htb 6b:" in rules()[0]
            async with saturated(lab, relay):
                await until(marked, every=0.5)
                refused = (await relay.status())["qos"]["refused"]
                assert refused == (["mark"] if target.qemu else [])
                sent = lab.run(ROUTER, "nft", "list", "counter", "inet", "kwaainet_qos", "sent")
                assert int(sent.split("bytes ")[1].split()[0]) > MIB
        _, cs1, plain = counted()
        assert cs1 > 3
        assert plain == 0
        assert rules() == before


@asynchronous(120)
async def test_two_nodes_with_one_data_directory(
    target: Target, built: Path, tmp_path: Path
) -> None:
    """The second is told who has it; the third has it, as the first was killed."""
    options = ["--run-dir", str(tmp_path)]
    async with BinaryNode(target, built) as first:
        second, third = [BinaryNode(target, built, options=options) for _ in range(2)]
        second.data_dir = third.data_dir = first.data_dir
        with pytest.raises(PeerError):
            await second.start()
        assert first.process is not None
        holder = f"another node, process {first.process.pid}, runs in this directory"
        assert f"kwaainet: {holder}: {first.data_dir}; " in second.log()
        await first.kill()
        async with third:
            assert third.peer_id == first.peer_id


def ask(target: Target, built: Path, *args: str) -> str:
    """What `kwaainet ARGS` prints."""
    done = subprocess.run(
        [*command(target, built), *args], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def test_tier_for_people_and_programs(target: Target, built: Path, tmp_path: Path) -> None:
    """qemu shows the host's memory and processors, so the figures are the host's."""
    answer = json.loads(ask(target, built, "tier", "--json", "--data-dir", str(tmp_path)))
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < answer["profile"]["memory"] <= memory
    assert answer["profile"]["copy_speed"] > 0
    decision = answer["decision"]
    assert decision["mode"] in ("relay", "light", "full")
    shown = ask(target, built, "tier", "--data-dir", str(tmp_path))
    assert f"  mode          {decision['mode']} (tier {decision['tier']})\n" in shown
    for reason in decision["reasons"]:
        assert f"  {reason}\n" in shown


def zone_at(hour: int) -> str:
    """A TZ string of where it is `hour` o'clock now, so many minutes past."""
    west = (time.gmtime().tm_hour - hour) % 24
    return f"XXX{west if west <= 12 else west - 24}"


@asynchronous(120)
async def test_hours_by_a_tz_string(target: Target, built: Path, tmp_path: Path) -> None:
    """By $TZ it is now in the night's window; by an option, which counts for more, at noon."""
    config = tmp_path / "kwaainet.toml"
    window = '[[schedule]]\nmode = "paused"\nstart = "22:00"\nend = "03:00"\n'
    setup = Setup(within=("env", f"TZ={zone_at(0)}"))
    config.write_text(window)
    async with BinaryNode(target, built, setup, ["--config", str(config)]) as node:
        status = await node.status()
        assert status["mode"] == "paused"
        assert status["mode_reason"] == "the schedule's window from 22:00 to 03:00"
    config.write_text(f'[node]\ntimezone = "{zone_at(12)}"\n{window}')
    async with BinaryNode(target, built, setup, ["--config", str(config)]) as node:
        assert (await node.status())["mode"] == "relay"


@pytest.mark.peers
@asynchronous(120)
async def test_metrics_health_and_the_ledger_tell_of_a_circuit(target: Target, built: Path) -> None:
    port = free_port()
    options = ["--status-http", "yes", "--status-http-listen", f"/ip4/127.0.0.1/tcp/{port}"]
    listen = [f"/ip4/127.0.0.1/tcp/{free_port()}"]

    def page(path: str) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", path)
        return connection.getresponse().read().decode()

    async with BinaryNode(target, built, Setup(listen=listen), options) as relay:
        at = await relay.direct()
        async with (
            OurPeer(Setup(listen=(), relays=[at])) as listener,
            OurPeer(Setup(listen=())) as dialer,
        ):
            await dialer.transfer(listener.circuit(at), MIB)
            samples = {
                sample.name: sample.value
                for family in text_string_to_metric_families(
                    await asyncio.to_thread(page, "/metrics")
                )
                for sample in family.samples
                if not sample.labels
            }
            assert samples["kwaainet_memory_resident_bytes"] > MIB
        health = json.loads(await asyncio.to_thread(page, "/health"))
        assert (health["status"], health["mode"]) == ("ok", "relay")

        async def given() -> bool:
            verb = ("ledger", "--json", "--data-dir", str(relay.data_dir))
            days = json.loads(await asyncio.to_thread(ask, target, built, *verb))
            return sum(day["bytes_relayed"] for day in days) >= 2 * MIB

        await until(given, every=0.5)


@asynchronous(120)
async def test_a_node_is_asked_before_python_starts(target: Target, built: Path) -> None:
    """Python would read the configuration, and refuse this one."""
    async with BinaryNode(target, built) as node:

        def ask(verb: str, where: str = "") -> subprocess.CompletedProcess[str]:
            words = ["ask", verb, "--run-dir", where or str(node.data_dir)]
            return subprocess.run(
                [*command(target, built), *words],
                env={"KWAAINET_CONFIG": "/nowhere.toml"},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )

        told = await asyncio.to_thread(ask, "overview")
        assert (told.returncode, told.stderr) == (0, "")
        assert len(told.stdout) <= 4096
        assert json.loads(told.stdout)["peer_id"] == node.peer_id
        assert (await asyncio.to_thread(ask, "nonsense")).returncode == 1
        assert ask("overview", "/nowhere").stderr == "kwaainet: no node runs in /nowhere\n"
        assert ask("Overview").returncode == 2


@asynchronous(120)
async def test_the_screen_of_a_node_without_termios(target: Target, built: Path) -> None:
    """No key can be read there: Ctrl-C ends it, and the terminal is as it was."""
    async with BinaryNode(target, built) as node:
        words = [*command(target, built), "top", "--data-dir", str(node.data_dir)]
        assert await asyncio.to_thread(seen_at_a_terminal, words) == (0, node.peer_id)


def seen_at_a_terminal(words: list[str]) -> tuple[int, str]:
    """The exit status of a program at a terminal after Ctrl-C, and the peer id that it painted."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    with subprocess.Popen(
        words,
        stdin=slave,
        stdout=slave,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        env={"TERM": "xterm"},
    ) as shown:
        os.close(slave)
        picture = read_until(master, b"\x1b[J")
        os.write(master, b"\x03")
        read_until(master, b"\x1b[?25h\x1b[?1049l")
        status = shown.wait(60)
    os.close(master)
    (painted,) = set(re.findall(r"12D3KooW\w+", picture.decode("utf-8", "replace")))
    return status, painted


def read_until(terminal: int, text: bytes) -> bytes:
    """What comes from a terminal, up to `text`."""
    seen = b""
    while text not in seen:
        ready, _, _ = select.select([terminal], [], [], 60)
        assert ready, seen
        seen += os.read(terminal, 65536)
    return seen

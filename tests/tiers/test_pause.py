"""What a decision does to a running node: work drains, slots stay, a pause is quiet."""

import asyncio
import signal
from pathlib import Path

import pytest

from edge.tiers.modes import PAUSED, RELAY
from edge.tiers.sensors import Sensors
from edge.tiers.service import TICK, ModeService
from tests.counterparts.base import PeerError, Setup, asynchronous, free_port, until
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.go_peer import P2pd
from tests.counterparts.ours_peer import OurPeer
from tests.hosts import NoLine, configured, host

NOWHERE: tuple[str, ...] = ()
WATCHED = 15  # seconds
MEMINFO = "MemTotal: 65536 kB\nMemAvailable: {} kB\n"


def wakeups(pid: int) -> int:
    """How often the process has slept and been woken."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("voluntary_ctxt_switches:"):
            return int(line.split()[1])
    raise AssertionError("the kernel does not count them")


class Relay:
    """A relay whose configuration changes while it runs."""

    def __init__(self, directory: Path) -> None:
        self._config = directory / "kwaainet.toml"
        self.configure(paused=False)
        listen = [f"/ip4/127.0.0.1/tcp/{free_port()}"]
        self.node = EdgeNode(Setup(listen=listen), ["--config", str(self._config)])

    def configure(self, paused: bool) -> None:
        window = '[[schedule]]\nmode = "paused"\n' if paused else ""
        self._config.write_text(f"[adapt]\nstay = 10\ndrain = 8\n{window}")

    def reload(self, paused: bool) -> None:
        self.configure(paused)
        assert self.node.process is not None
        self.node.process.send_signal(signal.SIGHUP)

    async def until_mode(self, mode: str) -> None:
        async def reached() -> bool:
            return bool((await self.node.status())["mode"] == mode)

        await until(reached, every=0.2)

    async def until_no_circuit(self) -> None:
        async def none() -> bool:
            return bool((await self.node.status())["circuits"]["open"] == 0)

        await until(none, every=0.2)


@pytest.mark.peers
@pytest.mark.slow
@asynchronous(150)
async def test_a_pause_drains_keeps_slots_sleeps_and_ends(tmp_path: Path) -> None:
    relay = Relay(tmp_path)
    async with relay.node as node:
        at = await node.direct()
        async with (
            OurPeer(Setup(listen=NOWHERE, relays=[at])) as listener,
            P2pd(Setup(listen=NOWHERE)) as dialer,
        ):
            await dialer.transfer(listener.circuit(at), 1 << 20)
            relay.reload(paused=True)
            await relay.until_mode(PAUSED)
            status = await node.status()
            assert status["step"]["cause"] == "schedule"
            assert status["mode_reason"] == "the schedule's window from 00:00 to 24:00"
            await dialer.transfer(listener.circuit(at), 1 << 16)  # what runs may finish
            async with OurPeer(Setup(listen=NOWHERE)) as newcomer:
                with pytest.raises(PeerError, match="RESOURCE_LIMIT_EXCEEDED"):
                    await newcomer.connect(listener.circuit(at))
            await relay.until_no_circuit()
            assert "reason=paused" in node.log()
            assert (await node.status())["reservations"]["held"] == 1
            await dialer.stop()

            assert node.process is not None
            before = wakeups(node.process.pid)
            await asyncio.sleep(WATCHED)
            woken = wakeups(node.process.pid) - before
            assert woken < WATCHED, f"{woken} times in {WATCHED} s"

            relay.reload(paused=False)
            await relay.until_mode(RELAY)
            async with OurPeer(Setup(listen=NOWHERE)) as newcomer:
                await newcomer.transfer(listener.circuit(at), 1 << 20)


@asynchronous(20)
async def test_critical_memory_is_acted_on_at_the_next_look(tmp_path: Path) -> None:
    """Which is two seconds away at most."""
    meminfo = tmp_path / "proc" / "meminfo"
    meminfo.parent.mkdir()
    meminfo.write_text(MEMINFO.format(40000))
    async with host(configured(tmp_path)) as one:
        service = ModeService(one, NoLine())
        service._sensors = Sensors(root=str(tmp_path))
        for _ in range(3):
            service.look()
        assert one.allowance.admits
        meminfo.write_text(MEMINFO.format(1000))
        service.look()
        assert (service.step.mode, service.step.urgent) == (PAUSED, True)
        assert not one.allowance.admits
        await asyncio.sleep(0.001)  # the loop turns once
        assert one.allowance.paused
    assert TICK <= 2

"""The binary relays between real peers, obeys its signals and answers `status`."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from pathlib import Path

import pytest

from cross.targets import Target
from qemu_tests.emulated import BinaryNode, command
from tests.counterparts.base import Setup, asynchronous, until
from tests.counterparts.go_peer import P2pd
from tests.counterparts.js_peer import JsPeer

MIB = 1 << 20


@pytest.mark.parametrize("kind", [P2pd, JsPeer], ids=lambda kind: kind.kind)
@asynchronous(300)
async def test_32_mib_between_two_peers(target: Target, built: Path, kind: type) -> None:
    """Checked by SHA-256 on both sides; neither peer listens, so all goes through the relay."""
    async with BinaryNode(target, built) as relay:
        at = await relay.direct()
        async with (
            kind(Setup(listen=(), relays=[at])) as listener,
            kind(Setup(listen=())) as dialer,
        ):
            await dialer.transfer(listener.circuit(at), 32 * MIB)
            assert await listener.served() == [32 * MIB]
        status = await relay.status()
        assert status["bytes"]["to_listeners"] >= 32 * MIB


@asynchronous(120)
async def test_sighup_reads_the_configuration_again(target: Target, built: Path) -> None:
    async with BinaryNode(target, built) as relay:
        config = relay.directory / "kwaainet.toml"
        config.write_text("[relay]\nmax_circuits = 7\n")
        async with BinaryNode(target, built, options=["--config", str(config)]) as node:
            assert node.process is not None
            assert (await node.status())["circuits"]["max"] == 7
            config.write_text("[relay]\nmax_circuits = 9\n")
            node.process.send_signal(signal.SIGHUP)

            async def reloaded() -> bool:
                return bool((await node.status())["circuits"]["max"] == 9)

            await until(reloaded)


@asynchronous(120)
async def test_sigterm_ends_it_well(target: Target, built: Path) -> None:
    async with BinaryNode(target, built) as relay:
        assert relay.process is not None
        relay.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(relay.process.wait(), 60) == 0
        assert "stopping" in relay.log()


@asynchronous(120)
async def test_status_and_peers_for_people(target: Target, built: Path) -> None:
    async with BinaryNode(target, built) as relay, P2pd(Setup(listen=())) as peer:
        await peer.connect(await relay.direct())
        for verb, expected in (("status", relay.peer_id), ("peers", peer.peer_id[-6:])):
            done = await asyncio.to_thread(
                subprocess.run,
                [*command(target, built), verb, "--data-dir", relay.data_dir],
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            )
            assert expected in done.stdout

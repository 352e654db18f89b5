"""A household's own traffic on the WAN: the relay steps back, says so, and returns.

The traffic is iperf3's, through the interface that the relay has for its WAN. The line is said to
carry 4 MiB a second.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from tests.counterparts.base import PeerError, Setup, asynchronous, until
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.netlab import ADDRESSES, DIALER, GATEWAY, PEER, RELAY, NetLab
from tests.counterparts.ours_peer import OurPeer

LINE = 4 << 20
REDUCED = 64 << 10
MIB = 1 << 20


@contextlib.asynccontextmanager
async def household(lab: NetLab) -> AsyncIterator[None]:
    """Three quarters of the line, out of it."""
    server = await asyncio.create_subprocess_exec(
        *lab.within(DIALER),
        *["iperf3", "-s", "-1", "--forceflush"],
        stdout=asyncio.subprocess.PIPE,
    )
    assert server.stdout is not None
    await server.stdout.readuntil(b"Server listening")
    rate = str(LINE * 8 * 3 // 4)
    client = await asyncio.create_subprocess_exec(
        *lab.within(RELAY),
        *("iperf3", "-c", ADDRESSES[DIALER], "-u", "-b", rate, "-t", "300"),
        *("--connect-timeout", "5000"),
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        for process in (client, server):
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


@pytest.mark.netns
@pytest.mark.slow
@pytest.mark.alone
@asynchronous(180)
async def test_the_relay_steps_back_for_the_household_and_returns() -> None:
    options = [
        "--qos-backoff",
        "yes",
        "--qos-wan",
        "wan",
        "--qos-line-up",
        str(LINE),
        "--qos-line-down",
        str(LINE),
    ]
    options += ["--adapt-enabled", "yes", "--adapt-max-cpu", "100", "--adapt-stay", "10"]
    options += ["--adapt-reduced-rate", str(REDUCED)]
    public = f"/ip4/{ADDRESSES[RELAY]}/tcp/4001"
    with NetLab() as lab:
        async with EdgeNode(Setup(listen=[public], within=lab.within(RELAY)), options) as relay:
            at = f"{public}/p2p/{relay.peer_id}"
            home = Setup(listen=(), relays=[at], within=lab.within(PEER))
            outside = Setup(listen=(), within=lab.within(GATEWAY))
            async with OurPeer(home) as listener, OurPeer(outside) as dialer:
                await dialer.transfer(listener.circuit(at), MIB)

                async def admits() -> bool:
                    return bool((await relay.status())["step"]["new_work"])

                async def steps_back() -> bool:
                    return not await admits()

                async with household(lab):
                    await until(steps_back, every=0.3)
                    status = await relay.status()
                    assert status["step"]["cause"] == "wan"
                    assert status["mode_reason"].startswith("others use ")
                    assert status["reservations"]["held"] == 1  # slots stay
                    began = time.monotonic()
                    await dialer.transfer(listener.circuit(at), REDUCED * 3)  # so do circuits
                    assert time.monotonic() - began > 2 * 3 - 1.5  # each way, less the bucket
                    async with OurPeer(Setup(listen=(), within=lab.within(DIALER))) as newcomer:
                        with pytest.raises(PeerError, match="RESOURCE_LIMIT_EXCEEDED"):
                            await newcomer.connect(listener.circuit(at))
                    late = Setup(listen=(), relays=[at], within=lab.within(GATEWAY))
                    with pytest.raises((PeerError, TimeoutError)):
                        async with asyncio.timeout(3), OurPeer(late):
                            pass

                await until(admits, every=0.3)
                await dialer.transfer(listener.circuit(at), MIB)
                async with OurPeer(Setup(listen=(), within=lab.within(DIALER))) as newcomer:
                    await newcomer.transfer(listener.circuit(at), MIB)
            assert "mode-changed" in relay.log()

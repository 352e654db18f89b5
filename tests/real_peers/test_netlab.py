"""The lab itself: who reaches whom, and how far away."""

import asyncio
import sys
import time

import pytest

from tests.counterparts.base import Setup, asynchronous
from tests.counterparts.delay import Delay
from tests.counterparts.go import P2pd
from tests.counterparts.netlab import ADDRESSES, DIALER, GATEWAY, PEER, RELAY, NetLab, NetLabError

KNOCK = """
import socket, sys
sock = socket.socket()
sock.settimeout(1)
try:
    sock.connect((sys.argv[1], 9))
except ConnectionRefusedError:
    print("refused by the host itself")
"""


def _reaches(lab: NetLab, host: str, address: str) -> bool:
    return "refused" in lab.run(host, sys.executable, "-c", KNOCK, address)


@pytest.mark.netns
def test_the_home_reaches_out_and_is_not_reached() -> None:
    with NetLab() as lab:
        assert _reaches(lab, DIALER, ADDRESSES[RELAY])
        assert _reaches(lab, PEER, ADDRESSES[RELAY])
        lab.run(DIALER, "ip", "route", "add", "192.168.7.0/24", "via", ADDRESSES[GATEWAY])
        with pytest.raises(NetLabError, match="TimeoutError"):
            _reaches(lab, DIALER, ADDRESSES[PEER])


@asynchronous(10)
async def test_a_round_trip_takes_twice_the_delay() -> None:
    async with Delay(0, 0) as unused:
        port = unused.port

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(5))
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", port), Delay(port, 0.05) as far:
        reader, writer = await asyncio.open_connection("127.0.0.1", far.port)
        began = time.perf_counter()
        writer.write(b"hello")
        assert await reader.read(-1) == b"hello"
        assert 0.1 <= time.perf_counter() - began < 0.2
        assert far.connections == 1
        writer.close()


@pytest.mark.netns
@pytest.mark.peers
@asynchronous(60)
async def test_p2pd_behind_nat_advertises_its_circuit_and_is_reached_there() -> None:
    with NetLab() as lab:
        public = f"/ip4/{ADDRESSES[RELAY]}/tcp/4001"
        serving = Setup(listen=[public], relay_service=True, within=lab.within(RELAY))
        async with P2pd(serving) as relay:
            at = f"{public}/p2p/{relay.peer_id}"
            home = Setup(listen=["/ip4/0.0.0.0/tcp/4001"], relays=[at], within=lab.within(PEER))
            outside = Setup(listen=(), within=lab.within(DIALER))
            async with P2pd(home) as listener, P2pd(outside) as dialer:
                (circuit,) = [a for a in await listener.addrs() if "/p2p-circuit" in a]
                assert circuit == f"{at}/p2p-circuit"
                await dialer.transfer(f"{circuit}/p2p/{listener.peer_id}", 32 * 1024)
                assert await listener.served() == [32 * 1024]

"""The lab: who reaches whom, and how far away."""

import asyncio
import sys
import time

import pytest

from tests.counterparts.base import asynchronous
from tests.counterparts.delay import Delay
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
async def test_a_round_trip_takes_no_less_than_twice_the_delay() -> None:
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
        assert time.perf_counter() - began >= 0.1
        assert far.connections == 1
        writer.close()

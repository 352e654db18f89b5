"""What is believed of who answers as the gateway, and in which order it is asked."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from edge.portmap.gateway import Gateway
from edge.portmap.mapper import PortMapError
from edge.wire import pcp
from tests.counterparts.base import asynchronous
from tests.portmap.scripted import PUBLIC, Answers, Scripted, granted, scripted

SOURCE = bytes((127, 0, 0, 1))
NONCE = b"n" * pcp.NONCE
VICTIM = bytes((8, 8, 8, 8))


@contextlib.asynccontextmanager
async def asked() -> AsyncIterator[tuple[Scripted, Gateway, list[str]]]:
    """A gateway, who asks it without UPnP, and what that has noticed."""
    noticed: list[str] = []
    async with scripted() as there:
        made = Gateway(there.ip, SOURCE, lambda _: NONCE, lambda: noticed.append("restart"))
        made._upnp = None
        yield there, made, noticed


@asynchronous(20)
async def test_what_is_granted() -> None:
    async with asked() as (there, gateway, _):
        there.answers = granted(port=8001)
        by, grant = await gateway.map(4001, 4001)
        assert (by.NAME, grant) == ("PCP", (PUBLIC, 8001, 3600))
        assert await there.requests.get() == pcp.map_request(NONCE, SOURCE, 4001, 3600, 4001)


@pytest.mark.parametrize("ip", ["127.0.0.1", "the gateway's"])
@asynchronous(20)
async def test_who_is_not_the_gateway_is_not_heard(ip: str) -> None:
    """Neither another host nor another port of the gateway's."""
    async with asked() as (there, gateway, _):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind((ip if ip[0] == "1" else socket.inet_ntoa(there.ip), 0))

            def both(request: bytes) -> list[bytes]:
                other.sendto(granted(VICTIM)(request)[0], there.sender)
                return granted()(request)

            there.answers = both
            _, grant = await gateway.map(4001, 4001)
            assert grant.ip == PUBLIC


@asynchronous(20)
async def test_answers_to_something_else_are_passed_over() -> None:
    async with asked() as (there, gateway, _):

        def answers(request: bytes) -> list[bytes]:
            lie, honest = granted(VICTIM)(request)[0], granted()(request)[0]
            other_nonce = lie[:24] + b"x" + lie[25:]
            other_port = lie[:40] + b"\0\1" + lie[42:]
            announcement = bytes((2, 0x80)) + lie[2:24]
            return [b"", lie[:-1], other_nonce, other_port, announcement, request, honest]

        there.answers = answers
        _, grant = await gateway.map(4001, 4001)
        assert grant.ip == PUBLIC


@asynchronous(20)
async def test_a_refusal_says_why_and_for_how_long() -> None:
    async with asked() as (there, gateway, _):
        there.answers = granted(result=2, lifetime=900)
        with pytest.raises(PortMapError, match="PCP: not authorized; UPnP: ") as caught:
            await gateway.map(4001, 4001)
        assert caught.value.rest == 900


@pytest.mark.parametrize(("said", "believed"), [(1, 8), (3600, 3600), (1 << 32 - 1, 86400)])
@asynchronous(20)
async def test_a_lifetime_is_believed_within_bounds(said: int, believed: int) -> None:
    async with asked() as (there, gateway, _):
        there.answers = granted(lifetime=said)
        assert (await gateway.map(4001, 4001))[1].lifetime == believed


@pytest.mark.parametrize("answers", [granted(lifetime=0), granted(ip=b"\x2a\0" * 8)])
@asynchronous(20)
async def test_a_mapping_without_lifetime_or_ipv4_address_is_none(answers: Answers) -> None:
    async with asked() as (there, gateway, _):
        there.answers = answers
        with pytest.raises(PortMapError, match="without an address"):
            await gateway.map(4001, 4001)


def old(request: bytes) -> list[bytes]:
    """What a gateway answers that has NAT-PMP alone."""
    epoch = bytes((0, 0, 0, 7))
    if request[0] == pcp.PCP:
        return [bytes((0, 0x81, 0, 1)) + epoch]
    if request == pcp.address_request():
        return [bytes((0, 0x80, 0, 0)) + epoch + PUBLIC]
    ports, lifetime = request[4:8], request[8:12]
    return [bytes((0, 0x82, 0, 0)) + epoch + ports + lifetime]


@asynchronous(20)
async def test_nat_pmp_where_there_is_no_pcp_and_from_then_on_first() -> None:
    async with asked() as (there, gateway, _):
        there.answers = old
        for _ in range(2):
            by, grant = await gateway.map(4001, 8001)
            assert (by.NAME, grant) == ("NAT-PMP", (PUBLIC, 8001, 3600))
        versions = [there.requests.get_nowait()[0] for _ in range(there.requests.qsize())]
        assert versions == [2, 0, 0, 0, 0]
        await by.unmap(4001, 8001)
        assert await there.requests.get() == pcp.map_tcp_request(4001, 0)


@asynchronous(20)
async def test_a_clock_that_starts_anew_tells_of_a_restart() -> None:
    async with asked() as (there, gateway, noticed):
        for epoch, times in ((1000, 0), (1000, 0), (3, 1), (3, 1)):
            there.answers = granted(epoch=epoch)
            await gateway.map(4001, 4001)
            assert len(noticed) == times


@asynchronous(20)
async def test_an_announcement_is_believed_if_the_clock_says_the_same() -> None:
    async with asked() as (there, gateway, noticed):
        there.answers = granted(epoch=1000)
        await gateway.map(4001, 4001)
        for epoch, times in ((1000, 0), (0, 1)):
            gateway.announced(bytes((2, 0x80)) + bytes(6) + epoch.to_bytes(4, "big") + bytes(12))
            assert len(noticed) == times
        gateway.announced(b"what is no answer")
        assert len(noticed) == 1


@asynchronous(20)
async def test_where_nobody_listens_that_is_known_at_once() -> None:
    gateway = Gateway(bytes((127, 254, 254, 254)), SOURCE, lambda _: NONCE, lambda: None)
    gateway._upnp = None
    with pytest.raises(PortMapError, match="PCP: Connection refused"):
        await gateway.map(4001, 4001)

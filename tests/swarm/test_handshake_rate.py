"""How many handshakes one source may begin, and who gets none."""

from __future__ import annotations

import asyncio
import socket

import pytest

from edge import crypto
from edge.swarm import handshake_rate
from edge.swarm.dialer import Dialer
from edge.swarm.errors import DialError
from edge.swarm.handshake_rate import HandshakeRate
from edge.swarm.limits import Limits
from edge.swarm.swarm import Swarm
from edge.wire.ip import parse_ip4
from edge.wire.multiaddr import Multiaddr
from tests.counterparts.base import asynchronous
from tests.relay.hosts import LOOPBACK, so

ONE, OTHER = b"one", b"other"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def rate(connections: int) -> tuple[Clock, HandshakeRate]:
    clock, limits = Clock(), Limits()
    limits.max_connections_per_ip = connections
    return clock, HandshakeRate(limits, clock)


def taken(of: HandshakeRate, group: bytes, asked: int = 1000) -> int:
    return sum(of.take(group) for _ in range(asked))


def test_twice_as_many_at_once_as_connections_and_as_many_again_each_minute() -> None:
    clock, one = rate(32)
    assert taken(one, ONE) == 64
    assert taken(one, ONE) == 0
    clock.now += 15
    assert taken(one, ONE) == 16
    clock.now += 600
    assert taken(one, ONE) == 64


def test_sources_do_not_share() -> None:
    _, one = rate(2)
    assert taken(one, ONE) == 4
    assert taken(one, OTHER) == 4


def test_a_reload_is_followed() -> None:
    clock, one = rate(2)
    assert taken(one, ONE) == 4
    one._limits.max_connections_per_ip = 4
    clock.now += 60
    assert taken(one, ONE) == 8


def test_it_remembers_so_many_sources_and_those_that_are_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(handshake_rate, "_MAX_GROUPS", 8)
    _, one = rate(2)
    assert taken(one, ONE) == 4
    for number in range(1000):
        assert one.take(number.to_bytes(8, "big"))
        assert not one.take(ONE)
    assert len(one._full_at) <= 8


def listening() -> tuple[Swarm, Multiaddr, tuple[str, int]]:
    made = Swarm(crypto.Ed25519Key.generate())
    bound = made.listen(LOOPBACK)
    target = bound.host_port()
    assert target is not None
    return made, bound, target[:2]


async def closed(at: tuple[str, int]) -> bytes:
    """All that a listener says to who connects, until it closes."""
    reader, writer = await asyncio.open_connection(*at)
    try:
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


@asynchronous(30)
async def test_whoever_begins_too_many_is_closed_before_the_handshake() -> None:
    server, _, at = listening()
    server.limits.max_connections_per_ip = 1
    for _ in range(2):
        socket.create_connection(at).close()
    await so(lambda: server._handshake_rate._full_at != {})
    await so(lambda: not server.pending)
    while not server.refusals.get("handshakes-per-ip"):
        assert await closed(at) == b""
    await server.stop()


@asynchronous(30)
async def test_a_denied_network_gets_no_handshake() -> None:
    """It was refused behind the handshake, which is what costs time."""
    server, bound, at = listening()
    server.admits_ip = lambda ip: "denied-network" if ip == parse_ip4("127.0.0.1") else None
    assert await closed(at) == b""
    assert server.refusals == {"denied-network": 1}
    assert not server.pending
    with pytest.raises(DialError, match="denied-network"):
        await Dialer(server).dial(bound, None)
    await server.stop()


@asynchronous(30)
async def test_handshakes_of_networks_that_are_denied_meanwhile_end() -> None:
    server, _, at = listening()
    silent = socket.create_connection(at)
    await so(lambda: bool(server.pending))
    server.admits = lambda connection: "denied-network"
    server.readmit()
    assert not server.pending
    silent.close()
    await server.stop()

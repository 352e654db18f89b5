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
from edge.wire.ip import parse_ip4, parse_ip6
from edge.wire.multiaddr import Multiaddr
from tests.counterparts.base import asynchronous
from tests.relay.hosts import LOOPBACK, so

ONE, OTHER = parse_ip4("5.1.1.1"), parse_ip4("5.1.1.2")


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


def test_an_ipv6_64_is_one_source_and_the_machine_itself_none() -> None:
    _, one = rate(2)
    many = [parse_ip6(f"2a00::{number:x}") for number in range(100)]
    assert sum(map(one.take, many)) == 4
    assert taken(one, parse_ip4("127.0.0.1")) == taken(one, parse_ip6("::1")) == 1000


def test_a_whole_network_is_bounded_too() -> None:
    _, one = rate(2)
    assert sum(one.take(parse_ip6(f"2a00:1:2:3{n:02x}::1")) for n in range(256)) == 8
    assert sum(one.take(parse_ip6(f"2a00:1:2:{n:x}::1")) for n in range(65536)) == 8
    assert sum(one.take(parse_ip4(f"5.1.1.{n}")) for n in range(256)) == 16
    assert taken(one, parse_ip6("2a00:1:3::1")) == 4


def test_a_reload_is_followed() -> None:
    clock, one = rate(2)
    assert taken(one, ONE) == 4
    one._limits.max_connections_per_ip = 4
    clock.now += 60
    assert taken(one, ONE) == 8


def test_it_remembers_so_many_sources_and_those_that_are_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(handshake_rate, "_MAX_NETWORKS", 8)
    _, one = rate(2)
    assert taken(one, ONE) == 4
    for number in range(1000):
        assert one.take(number.to_bytes(2, "big") + bytes(14))
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
    server, local, _ = listening()
    server.limits.max_connections_per_ip = 1
    remote = Multiaddr.from_string("/ip4/5.1.1.1/tcp/1")
    with socket.create_server(("127.0.0.1", 0)) as door:
        for number in range(3):
            with socket.create_connection(door.getsockname()) as theirs:
                ours, _ = door.accept()
                server._accepted(ours, remote, local)
                assert len(server.pending) == (number < 2)
                for connection in list(server.pending):
                    connection.close("test")
                assert theirs.recv(1) == b""
    assert server.refusals == {"handshakes-per-ip": 1}
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

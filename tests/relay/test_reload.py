"""Every limit can be changed while the relay serves, and what was granted before stays."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge import crypto
from edge.budget import default_limit
from edge.config.load import load
from edge.config.schema import SOFT, Relay
from edge.config.schema import Node as NodeSection
from edge.node import Node
from edge.relay.client import RelayClient
from edge.relay.resources import Resources
from edge.swarm.addresses import OwnAddresses
from edge.swarm.dialer import Dialer
from edge.swarm.limits import Limits
from edge.swarm.swarm import Swarm
from edge.units import KIB, MIB
from edge.wire import circuit
from edge.wire.peerid import PeerId
from edge.wire.protobuf import delimited
from tests.counterparts.base import asynchronous

NODE = {
    "memory_limit": 512 * MIB,
    "max_connections": 101,
    "max_connections_per_peer": 3,
    "max_connections_per_ip": 99,
    "max_pending_handshakes": 5,
    "max_streams_per_connection": 9,
    "handshake_timeout": 7,
    "idle_timeout": 77,
    "keepalive_interval": 17,
}
RELAY = {
    "max_reservations": 11,
    "max_reservations_per_ip": 10,
    "max_circuits": 12,
    "max_circuits_per_peer": 13,
    "max_circuits_per_ip": 14,
    "reservation_ttl": 600,
    "duration": 300,
    "data": 4 * MIB,
    "rate": 10 * MIB,
    "rate_per_peer": 64 * KIB,
    "private": True,
    "foreign_share": 75,
}


class Reloaded:
    """A node whose configuration is a file that changes; it relays at a loopback address."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "kwaainet.toml"
        self._environ = {"KWAAINET_CONFIG": str(self._file)}
        self._file.write_text(self._text({}, {}))
        flags = {"data-dir": [str(directory)], "listen": ["/ip4/127.0.0.1/tcp/0"]}
        self.node = Node(load(None, self._environ, flags))

    def set(self, node: dict[str, object], relay: dict[str, object]) -> None:
        self._file.write_text(self._text(node, relay))
        self.node.reload(self._environ)

    @staticmethod
    def _text(node: dict[str, object], relay: dict[str, object]) -> str:
        relay = {"service": "yes", "client": "no", **relay}
        lines = ["[node]", *_lines(node), "[relay]", *_lines(relay)]
        return "\n".join(lines) + "\n"


def _lines(section: dict[str, object]) -> Iterator[str]:
    for name, value in section.items():
        yield f"{name} = {value if type(value) is int else repr(value).lower()}"


@contextlib.asynccontextmanager
async def reloaded(directory: Path) -> Iterator[Reloaded]:  # type: ignore[misc]
    made = Reloaded(directory)
    await made.node.start()
    try:
        yield made
    finally:
        await made.node.stop()


def test_the_options_tried_here_are_all_that_limit() -> None:
    limits = set(Limits().__slots__) | set(Resources().__slots__)
    soft = {o.name for o in [*NodeSection.options(), *Relay.options()] if o.reload == SOFT}
    assert soft & limits <= NODE.keys() | RELAY.keys() <= soft


@asynchronous(30)
async def test_every_limit_is_taken_over_and_given_up_again(tmp_path: Path) -> None:
    async with reloaded(tmp_path) as one:
        node = one.node
        before = in_force(node)
        one.set(NODE, RELAY)
        after = in_force(node)
        assert after == {**before, **NODE, **RELAY, "max_window": after["max_window"]}
        one.set({}, {})
        assert in_force(node) == before
        assert node.budget.limit == default_limit()


def in_force(node: Node) -> dict[str, object]:
    found: dict[str, object] = {"memory_limit": node.budget.limit}
    for limits in (node.limits, node.resources):
        found.update({name: getattr(limits, name) for name in limits.__slots__})
    found["rate"], found["rate_per_peer"] = node.relay.shaper.rate, node.relay.shaper.peer_rate
    found["private"] = node.relay.admission.private
    found["foreign_share"] = node.relay.admission.foreign_share
    return found


@asynchronous(30)
async def test_a_wrong_file_changes_nothing(tmp_path: Path) -> None:
    async with reloaded(tmp_path) as one:
        before = in_force(one.node)
        one.set({"max_connections": -1}, {"max_reservations": 3})
        assert in_force(one.node) == before


class Peer:
    """A peer of the relay that serves as target, and asks."""

    def __init__(self, relay: Node) -> None:
        self.swarm = Swarm(crypto.Ed25519Key.generate(), Limits())
        self._dialer = Dialer(self.swarm)
        addresses = OwnAddresses([], list, list)
        self.client = RelayClient(self.swarm, self._dialer, addresses)
        self._relay = relay.swarm.peer_id
        self._at = relay.swarm.listening[0]

    async def ask(self, kind: int, target: PeerId | None = None) -> circuit.HopMessage:
        peer = circuit.Peer(id=target.bytes, addrs=[]) if target is not None else None
        request = circuit.HopMessage(type=kind, peer=peer)
        connection = await self._dialer.connect(self._relay, [self._at], again=True)
        stream = connection.open_stream([circuit.HOP_ID])
        await stream.write(delimited(request.encode()))
        return circuit.HopMessage.decode(await stream.read_message(circuit.MAX_MESSAGE))

    async def reserve(self) -> int | None:
        """Also accept circuits from now on."""
        answer = await self.ask(circuit.HopMessage.RESERVE)
        if answer.status == circuit.OK:
            connection = self.swarm.connection_to(self._relay)
            assert connection is not None
            self.client._hold(self._relay, connection, answer)
        return answer.status

    async def connect(self, target: Peer) -> int | None:
        return (await self.ask(circuit.HopMessage.CONNECT, target.swarm.peer_id)).status


@asynchronous(60)
async def test_what_was_granted_stays_and_what_comes_is_measured_anew(tmp_path: Path) -> None:
    async with reloaded(tmp_path) as one:
        listener, dialer, late = (Peer(one.node) for _ in range(3))
        assert await listener.reserve() == circuit.OK
        assert await dialer.connect(listener) == circuit.OK
        one.set({}, {"max_reservations": 1, "max_circuits": 1, "foreign_share": 100})
        assert await late.reserve() == circuit.RESERVATION_REFUSED
        assert await late.connect(listener) == circuit.RESOURCE_LIMIT_EXCEEDED
        assert await listener.reserve() == circuit.OK  # a renewal
        assert len(one.node.relay.circuits) == 1
        one.set({}, {"foreign_share": 100, "duration": 60, "data": MIB})
        assert await late.reserve() == circuit.OK
        answer = await late.ask(circuit.HopMessage.CONNECT, listener.swarm.peer_id)
        assert answer.status == circuit.OK
        assert answer.limit is not None
        assert (answer.limit.duration, answer.limit.data) == (60, MIB)
        assert len(one.node.relay.circuits) == 2
        one.set({}, {"private": True})
        assert await dialer.connect(listener) == circuit.PERMISSION_DENIED
        one.set({}, {"deny_peers": f"{late.swarm.peer_id}"})
        await asyncio.gather(*[peer.swarm.stop() for peer in (listener, dialer, late)])


@pytest.mark.parametrize("per", ["peer", "ip"])
@asynchronous(60)
async def test_shares_of_a_peer_and_of_an_address_change(per: str, tmp_path: Path) -> None:
    async with reloaded(tmp_path) as one:
        first, second = Peer(one.node), Peer(one.node)
        assert await first.reserve() == circuit.OK
        if per == "ip":
            one.set({}, {"max_reservations_per_ip": 1})
            assert await second.reserve() == circuit.RESERVATION_REFUSED
        one.set({}, {f"max_circuits_per_{per}": 1})
        assert await second.connect(first) == circuit.OK
        assert await second.connect(first) == circuit.RESOURCE_LIMIT_EXCEEDED
        one.set({}, {f"max_circuits_per_{per}": 2})
        assert await second.connect(first) == circuit.OK
        usage = one.node.relay.usage(second.swarm.peer_id)
        assert usage is not None
        assert usage.circuits == 2
        assert usage.refusals.pop("RESOURCE_LIMIT_EXCEEDED") == 1
        assert usage.refusals == ({"RESERVATION_REFUSED": 1} if per == "ip" else {})
        await asyncio.gather(first.swarm.stop(), second.swarm.stop())

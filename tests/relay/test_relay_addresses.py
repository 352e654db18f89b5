"""What a node believes of the addresses that a relay says it has, and what it says itself."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from edge import crypto
from edge.relay.autorelay import credible
from edge.swarm.connection import Connection
from edge.swarm.stream import Stream
from edge.swarm.swarm import Swarm
from edge.wire import circuit
from edge.wire.multiaddr import Multiaddr
from edge.wire.protobuf import delimited
from tests.counterparts.base import asynchronous
from tests.relay.hosts import LOOPBACK, Reserver, peers, relaying, so

AT = "/ip4/5.1.1.10/tcp/4001"
NAMED = "/dns4/relay.example.org/tcp/4001"
LONG = [f"/dns4/{str(n).rjust(253, 'x')}/tcp/4001" for n in range(16)]


def address(text: str) -> Multiaddr:
    return Multiaddr.from_string(text)


def reached(at: str, initiator: bool = True, direct: bool = True) -> Connection:
    known = SimpleNamespace(remote=address(at), initiator=initiator, direct=direct)
    return cast("Connection", known)


@pytest.mark.parametrize(
    ("at", "configured", "said", "believed"),
    [
        (AT, [], [AT], [AT]),
        (AT, [], ["/ip4/5.1.1.10/tcp/9"], ["/ip4/5.1.1.10/tcp/9"]),
        (AT, [], ["/ip4/8.8.8.8/tcp/53", AT], [AT]),
        (AT, [], ["/ip4/8.8.8.8/tcp/53"], [AT]),  # where it was dialled
        (AT, [], [], [AT]),
        (AT, [], [NAMED], [AT]),
        (AT, [NAMED], [NAMED], [NAMED]),
        (AT, [NAMED], ["/dns/RELAY.example.org/tcp/9"], ["/dns/RELAY.example.org/tcp/9"]),
        (AT, ["/ip6/2a00::1/tcp/1"], ["/ip6/2a00::1/tcp/2"], ["/ip6/2a00::1/tcp/2"]),
        (AT, [], ["/ip4/127.0.0.1/tcp/1", "/ip4/192.168.1.1/tcp/1"], [AT]),
        (AT, [], LONG, [AT]),
        (AT, LONG, LONG, LONG[:4]),
        # One of the own network, by its public IP.
        ("/ip4/192.168.1.1/tcp/4001", [], [AT, NAMED], [AT]),
        ("/ip4/192.168.1.1/tcp/4001", [], ["/ip4/127.0.0.1/tcp/1"], ["/ip4/192.168.1.1/tcp/4001"]),
        # Another customer of the provider is not in it.
        ("/ip4/100.64.1.1/tcp/4001", [], [AT], ["/ip4/100.64.1.1/tcp/4001"]),
        # Nor by an address that works on one link alone.
        ("/ip6/fe80::1/tcp/1", [], ["/ip6/fe80::1/tcp/1", AT], [AT]),
        # TCP first, as all can dial it.
        (AT, [], ["/ip4/5.1.1.10/udp/1/quic-v1", AT], [AT, "/ip4/5.1.1.10/udp/1/quic-v1"]),
        (AT, [], [f"/ip4/5.1.1.10/tcp/{n}" for n in range(1, 9)],
         [f"/ip4/5.1.1.10/tcp/{n}" for n in range(1, 5)]),
    ],
)  # fmt: skip
def test_a_relay_is_believed_where_it_was_reached(
    at: str, configured: list[str], said: list[str], believed: list[str]
) -> None:
    found = credible(map(address, said), reached(at), map(address, configured))
    assert list(map(str, found)) == believed


def test_a_connection_that_tells_nothing_of_where_it_is_brings_none() -> None:
    lies = [address("/ip4/8.8.8.8/tcp/53")]
    assert credible(lies, reached(AT, initiator=False), []) == []
    assert credible([address(AT)], reached(AT, direct=False), []) == []
    assert credible([], reached("/ip6zone/eth0/ip6/fe80::1/tcp/4001"), []) == []
    assert credible([address(AT)], reached("/ip4/5.1.1.10/tcp/50123", initiator=False), []) == [
        address(AT)
    ]


def test_one_that_a_peer_id_and_a_circuit_do_not_fit_behind_is_left_out() -> None:
    long = address(AT + f"/sni/{'x' * 240}" * 2)
    assert credible([long, address(AT)], reached(AT), []) == [address(AT)]


class LyingRelay:
    """A swarm that grants every reservation at these addresses."""

    def __init__(self, said: list[Multiaddr]) -> None:
        self.swarm = Swarm(crypto.Ed25519Key.generate())
        self.at = self.swarm.listen(LOOPBACK).with_peer(self.swarm.peer_id)
        self.said = said
        self.swarm.handle(circuit.HOP_ID, self.grant)

    async def grant(self, stream: Stream) -> None:
        await stream.read_message(circuit.MAX_MESSAGE)
        answer = circuit.HopMessage(type=circuit.HopMessage.STATUS, status=circuit.OK)
        addrs = [each.bytes for each in self.said]
        answer.reservation = circuit.Reservation(expire=int(4e9), addrs=addrs)
        await stream.write(delimited(answer.encode()))
        stream.dismiss()


@asynchronous(30)
async def test_a_relays_lies_do_not_mute_identify() -> None:
    """16 names of 253 characters made every message to every peer too long."""
    liar = LyingRelay([address(text) for text in LONG[:14]])
    async with relaying() as honest, peers(honest, 0):
        node = Reserver(Swarm(crypto.Ed25519Key.generate()), [liar.at, honest.at])
        await so(lambda: len(node.autorelay.reservations) == 2)
        through = {relay.via_circuit() for relay in (liar.at, honest.at)}
        assert set(node.host.addresses.circuits) == through
        await so(lambda: all(link.info is not None for link in honest.swarm.all_connections()))
        await node.swarm.stop()
    await liar.swarm.stop()


@asynchronous(30)
async def test_a_relay_with_many_long_names_answers_what_clients_read() -> None:
    async with relaying() as relay, peers(relay, 1) as (peer,):
        relay.host.addresses.configure(map(address, LONG))
        answer = await peer.ask(circuit.HopMessage.RESERVE)
        assert answer.status == circuit.OK
        assert answer.reservation is not None
        assert 8 <= len(answer.reservation.addrs) < 16
        assert len(answer.encode()) <= circuit.MAX_MESSAGE

"""Whether, where and when a node keeps reservations on other relays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from edge import crypto, log
from edge.relay import autorelay
from edge.relay.autorelay import AutoRelay
from edge.swarm.addresses import PRIVATE, PUBLIC, UNKNOWN
from edge.swarm.connection import Connection
from edge.swarm.errors import DialError
from edge.swarm.swarm import Swarm
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import PeerId, PublicKey
from tests.counterparts.base import asynchronous, free_port
from tests.hosts import host_around
from tests.relay.hosts import Reserver, config, relaying, so


@asynccontextmanager
async def reserving(*relays: Multiaddr) -> AsyncIterator[Reserver]:
    made = Reserver(Swarm(crypto.Ed25519Key.generate()), relays)
    yield made
    await made.swarm.stop()


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch) -> None:
    """All rests are so long that only a fresh start can end them within a test."""
    monkeypatch.setattr(autorelay, "UNREACHED_BACKOFF", 900.0)
    monkeypatch.setattr(autorelay, "REFUSED_BACKOFF", 900.0)


@pytest.fixture
def failures(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The events of the log."""
    events: list[str] = []
    monkeypatch.setattr(log, "info", lambda event, **_: events.append(event))
    return events


def count(events: list[str]) -> int:
    return events.count("reservation-failed")


# --- whether ---


class Addresses:
    """As much of OwnAddresses as decides."""

    def __init__(self) -> None:
        self.nat = UNKNOWN
        self.changed: list[object] = []


@pytest.mark.parametrize(
    ("client", "nat", "relays", "up", "wanted"),
    [
        ("yes", PUBLIC, False, 0, 3),
        ("no", PRIVATE, True, 100, 0),
        ("auto", PUBLIC, True, 100, 0),
        ("auto", PRIVATE, False, 0, 3),
        ("auto", UNKNOWN, False, 59, 0),
        ("auto", UNKNOWN, False, 60, 3),
        ("auto", UNKNOWN, True, 0, 3),
    ],
)
@asynchronous(10)
async def test_who_needs_reservations(
    client: str, nat: str, relays: bool, up: float, wanted: int
) -> None:
    swarm = Swarm(crypto.Ed25519Key.generate())
    host = host_around(swarm)
    host.addresses = Addresses()  # type: ignore[assignment]
    host.started_at = swarm.loop.time() - up - 0.1
    one = AutoRelay(host)
    host.addresses.nat = nat  # type: ignore[misc]
    at = [f"/ip4/192.0.2.1/tcp/4001/p2p/{swarm.peer_id}"] if relays else []
    one.configure(config(client=client, relays=at, reservations=3))
    assert one.wanted == wanted
    assert one.report() == {"reservations": {"wanted": wanted, "own": []}}
    await swarm.stop()


@asynchronous(30)
async def test_reservations_end_with_the_need_for_them() -> None:
    async with relaying() as relay, reserving(relay.at) as node:
        await so(lambda: len(node.autorelay.reservations) == 1)
        node.autorelay.configure(config(client="no", relays=[relay.at]))
        await so(lambda: not node.autorelay.reservations)
        assert node.host.addresses.circuits == []


class Observed(Addresses):
    """A node that peers say they have reached, or that is configured to be."""

    certain = False

    def set_circuits(self, _: object) -> None:
        """Who is told is another matter."""


@asynchronous(30)
async def test_what_peers_say_gives_no_reservation_up() -> None:
    """Two lies made a node behind NAT give up the relays through which alone it was reached."""
    async with relaying() as relay, reserving(relay.at) as node:
        await so(lambda: len(node.autorelay.reservations) == 1)
        addresses = Observed()
        addresses.nat = PUBLIC
        node.host.addresses = addresses  # type: ignore[assignment]
        auto = config(client="auto", relays=[relay.at], reservations=2)
        node.autorelay.configure(auto)
        assert node.autorelay.wanted == 2
        addresses.certain = True
        node.autorelay.configure(auto)
        assert node.autorelay.wanted == 0
        await so(lambda: not node.autorelay.reservations)


# --- what it holds ---


@asynchronous(30)
async def test_a_reservation_is_held_told_and_reported() -> None:
    async with relaying() as relay, reserving(relay.at) as node:
        await so(lambda: len(node.autorelay.reservations) == 1)
        assert list(relay.service.reservations) == [node.swarm.peer_id]
        through = relay.at.via_circuit()
        assert node.host.addresses.circuits == [through]
        report = node.autorelay.report()["reservations"]
        assert report["wanted"] == 1
        (own,) = report["own"]
        assert own["relay"] == str(relay.swarm.peer_id)
        assert own["addresses"] == [str(through)]
        assert own["expires_in"] > 0


@asynchronous(30)
async def test_a_lost_reservation_is_taken_anew() -> None:
    async with relaying() as relay, reserving(relay.at) as node:
        await so(lambda: len(node.autorelay.reservations) == 1)
        first = node.autorelay.reservations[relay.swarm.peer_id]
        (connection,) = relay.swarm.all_connections()
        connection.close("test")
        await so(lambda: node.autorelay.reservations.get(relay.swarm.peer_id, first) is not first)
        assert list(relay.service.reservations) == [node.swarm.peer_id]


@asynchronous(30)
async def test_one_is_renewed_when_it_is_time() -> None:
    async with relaying() as relay, reserving(relay.at) as node:
        await so(lambda: len(node.autorelay.reservations) == 1)
        first = node.autorelay.reservations[relay.swarm.peer_id]
        first.renew_at = 0.0
        node.host.addresses.changed[-1]()
        await so(lambda: node.autorelay.reservations[relay.swarm.peer_id] is not first)
        assert len(relay.service.reservations) == 1


@asynchronous(30)
async def test_a_relay_that_moves_is_followed() -> None:
    """It pushes identify; a renewal tells where it is to be found."""
    async with relaying() as relay, reserving(relay.at) as node:
        await so(lambda: len(node.autorelay.reservations) == 1)
        (connection,) = node.swarm.all_connections()
        await so(lambda: connection.info is not None)
        moved = Multiaddr.from_string("/ip4/127.0.0.1/tcp/7")
        relay.host.addresses.configure([moved])
        there = moved.with_peer(relay.swarm.peer_id).via_circuit()
        await so(lambda: there in node.host.addresses.circuits)


@asynchronous(30)
async def test_relays_that_are_met_serve_when_those_configured_do_not(hours: None) -> None:
    nobody = PublicKey(type=1, data=crypto.Ed25519Key.generate().public).peer_id()
    dead = Multiaddr.from_string(f"/ip4/127.0.0.1/tcp/{free_port()}").with_peer(nobody)
    async with relaying() as met, reserving(dead) as node:
        await node.host.dialer.connect(met.swarm.peer_id, [met.bound], trusted=True)
        await so(lambda: list(node.autorelay.reservations) == [met.swarm.peer_id])


@asynchronous(30)
async def test_a_microcontroller_serves_when_nobody_else_does() -> None:
    async with relaying() as slow, relaying() as fast, reserving() as node:
        node.autorelay.configure(config(client="no"))
        for relay in (slow, fast):
            await node.host.dialer.connect(relay.swarm.peer_id, [relay.bound], trusted=True)
            [link] = node.swarm.connections[relay.swarm.peer_id]
            await so(lambda link=link: link.info is not None)
        [link] = node.swarm.connections[slow.swarm.peer_id]
        link.info.agent = "kwaainet-esp32/0.1.0"
        candidates = [peer for peer, _ in node.autorelay._candidates()]
        assert candidates == [fast.swarm.peer_id, slow.swarm.peer_id]


# --- rests that end early ---


@asynchronous(30)
async def test_a_corrected_address_is_dialled_at_once(hours: None, failures: list[str]) -> None:
    async with relaying() as relay:
        wrong = Multiaddr.from_string(f"/ip4/127.0.0.1/tcp/{free_port()}")
        async with reserving(wrong.with_peer(relay.swarm.peer_id)) as node:
            await so(lambda: count(failures) == 1)
            node.configure([relay.at])
            await so(lambda: len(node.autorelay.reservations) == 1)


@asynchronous(30)
async def test_a_request_that_fails_after_a_correction_does_not_count(
    hours: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = Multiaddr.from_string("/ip4/192.0.2.1/tcp/4001")
    async with relaying() as relay, reserving(wrong.with_peer(relay.swarm.peer_id)) as node:
        dialled, corrected = asyncio.Event(), asyncio.Event()
        connect = node.host.dialer.connect

        async def hang(
            peer: PeerId, addresses: list[Multiaddr], again: bool, trusted: bool
        ) -> Connection:
            if addresses == [relay.at]:
                return await connect(peer, addresses, again, trusted)
            dialled.set()
            await corrected.wait()
            raise DialError("timed out")

        monkeypatch.setattr(node.host.dialer, "connect", hang)
        await dialled.wait()
        node.configure([relay.at])
        corrected.set()
        await so(lambda: len(node.autorelay.reservations) == 1)


@asynchronous(30)
async def test_another_network_ends_all_rests(hours: None, failures: list[str]) -> None:
    async with relaying(service="no") as relay, reserving(relay.at) as node:
        await so(lambda: count(failures) == 1)
        relay.configure(service="yes")
        for tell in node.host.network_changed:
            tell()
        await so(lambda: len(node.autorelay.reservations) == 1)


@asynchronous(30)
async def test_a_renewal_that_rests_is_tried_on_another_network(
    hours: None, failures: list[str]
) -> None:
    async with relaying() as relay, reserving(relay.at) as node:
        await so(lambda: len(node.autorelay.reservations) == 1)
        first = node.autorelay.reservations[relay.swarm.peer_id]
        relay.service.limits.max_reservations = 0
        relay.service.reservations.remove(node.swarm.peer_id)  # so that it is no renewal there
        first.renew_at = 0.0
        node.host.addresses.changed[-1]()
        await so(lambda: count(failures) == 1)
        relay.service.limits.max_reservations = 8
        for tell in node.host.network_changed:
            tell()
        await so(lambda: node.autorelay.reservations[relay.swarm.peer_id] is not first)


@asynchronous(30)
async def test_the_same_relays_again_change_nothing(hours: None, failures: list[str]) -> None:
    async with relaying(service="no") as relay, reserving(relay.at) as node:
        await so(lambda: count(failures) == 1)
        node.configure([relay.at])
        assert node.autorelay._backoff.rests(relay.swarm.peer_id)

"""How a reload changes limits, keeps what was granted, and ends what is no longer permitted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.budget import default_limit
from edge.config.load import load
from edge.config.schema import SOFT
from edge.config.schema import Node as NodeSection
from edge.config.schema import Relay as RelaySection
from edge.host import Host
from edge.relay.resources import Resources
from edge.relay.service import RelayService
from edge.swarm.errors import SwarmError
from edge.swarm.limits import Limits
from edge.swarm.stream import Stream
from edge.units import KIB, MIB
from edge.wire import circuit
from edge.wire.protobuf import delimited
from tests.counterparts.base import asynchronous, until
from tests.relay.hosts import Peer, Relay, peers, relaying

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


async def so(condition: Callable[[], bool]) -> None:
    async def asked() -> bool:
        return condition()

    await until(asked, every=0.01)


# --- limits ---


def test_the_options_tried_here_are_all_that_limit() -> None:
    limits = set(Limits().__slots__) | set(Resources().__slots__)
    soft = {o.name for o in [*NodeSection.options(), *RelaySection.options()] if o.reload == SOFT}
    assert soft & limits <= NODE.keys() | RELAY.keys() <= soft


@asynchronous(30)
async def test_every_limit_is_taken_over_and_given_up_again(tmp_path: Path) -> None:
    file = tmp_path / "kwaainet.toml"
    file.write_text("")
    config = load(str(file), {}, {"data-dir": [str(tmp_path)]})
    host = Host(config)
    relay = RelayService(host)

    def set_to(node: dict[str, object], options: dict[str, object]) -> dict[str, object]:
        file.write_text("\n".join(["[node]", *_lines(node), "[relay]", *_lines(options), ""]))
        new = config.again({})
        host.configure(new)
        relay.configure(new)
        return in_force(host, relay)

    before = set_to({}, {})
    after = set_to(NODE, RELAY)
    assert after == {**before, **NODE, **RELAY, "max_window": after["max_window"]}
    assert set_to({}, {}) == before
    assert host.budget.limit == default_limit()
    await host.stop()


def _lines(section: dict[str, object]) -> list[str]:
    return [
        f"{name} = {value if type(value) is int else repr(value).lower()}"
        for name, value in section.items()
    ]


def in_force(host: Host, relay: RelayService) -> dict[str, object]:
    found: dict[str, object] = {"memory_limit": host.budget.limit}
    for limits in (host.limits, relay.limits):
        found.update({name: getattr(limits, name) for name in limits.__slots__})
    found["rate"], found["rate_per_peer"] = relay.shaper.rate, relay.shaper.peer_rate
    found["private"] = relay.admission.private
    found["foreign_share"] = relay.admission.foreign_share
    return found


@asynchronous(60)
async def test_what_was_granted_stays_and_what_comes_is_measured_anew() -> None:
    async with relaying() as relay, peers(relay, 3) as (listener, dialer, late):
        assert await listener.reserve() == circuit.OK
        assert await dialer.connect(listener) == circuit.OK
        relay.configure(max_reservations=1, max_circuits=1, foreign_share=100)
        assert await late.reserve() == circuit.RESERVATION_REFUSED
        assert await late.connect(listener) == circuit.RESOURCE_LIMIT_EXCEEDED
        assert await listener.reserve() == circuit.OK  # a renewal
        assert len(relay.service.circuits) == 1
        relay.configure(foreign_share=100, duration=60, data=MIB)
        assert await late.reserve() == circuit.OK
        answer = await late.ask(circuit.HopMessage.CONNECT, listener.id)
        assert answer.status == circuit.OK
        assert answer.limit is not None
        assert (answer.limit.duration, answer.limit.data) == (60, MIB)
        assert len(relay.service.circuits) == 2


@pytest.mark.parametrize("per", ["peer", "ip"])
@asynchronous(60)
async def test_shares_of_a_peer_and_of_an_address_change(per: str) -> None:
    async with relaying() as relay, peers(relay, 2) as (first, second):
        assert await first.reserve() == circuit.OK
        if per == "ip":
            relay.configure(max_reservations_per_ip=1)
            assert await second.reserve() == circuit.RESERVATION_REFUSED
        relay.configure(**{f"max_circuits_per_{per}": 1})
        assert await second.connect(first) == circuit.OK
        assert await second.connect(first) == circuit.RESOURCE_LIMIT_EXCEEDED
        relay.configure(**{f"max_circuits_per_{per}": 2})
        assert await second.connect(first) == circuit.OK
        usage = relay.service.accounts.get(second.id)
        assert usage is not None
        assert usage.circuits == 2
        assert usage.refusals.pop("RESOURCE_LIMIT_EXCEEDED") == 1
        assert usage.refusals == ({"RESERVATION_REFUSED": 1} if per == "ip" else {})


# --- rules ---


async def with_a_circuit(relay: Relay, listener: Peer, dialer: Peer) -> None:
    assert await listener.reserve() == circuit.OK
    assert await dialer.connect(listener) == circuit.OK
    await so(lambda: len(relay.service.circuits) == 1)


@asynchronous(30)
async def test_a_peer_that_is_denied_is_disconnected_at_once() -> None:
    async with relaying() as relay, peers(relay, 3) as (listener, dialer, other):
        await with_a_circuit(relay, listener, dialer)
        assert await other.reserve() == circuit.OK
        relay.configure(deny_peers=[listener.id])
        assert len(relay.service.circuits) == 0
        assert list(relay.service.reservations) == [other.id]
        await so(lambda: not listener.connected)
        with pytest.raises(SwarmError):
            await listener.reserve()
        assert dialer.connected
        assert other.connected


@asynchronous(30)
async def test_a_network_that_is_denied_is_disconnected_at_once() -> None:
    async with relaying() as relay, peers(relay, 2) as (listener, dialer):
        await with_a_circuit(relay, listener, dialer)
        relay.configure(deny_networks=["127.0.0.0/8"])
        assert not relay.swarm.connections
        assert len(relay.service.reservations) == len(relay.service.circuits) == 0
        await so(lambda: not listener.connected and not dialer.connected)


@asynchronous(30)
async def test_a_private_relay_ends_reservations_and_circuits_of_others() -> None:
    async with relaying() as relay, peers(relay, 4) as (listener, dialer, friend, other):
        await with_a_circuit(relay, listener, dialer)
        assert await friend.reserve() == circuit.OK
        assert await dialer.connect(friend) == circuit.OK
        relay.configure(private=True, allow_peers=[friend.id])
        assert list(relay.service.reservations) == [friend.id]
        assert len(relay.service.circuits) == 0  # its dialer is not permitted
        await so(lambda: not listener.connected)  # so that it learns
        assert dialer.connected
        assert friend.connected
        assert await other.reserve() == circuit.PERMISSION_DENIED
        assert await dialer.connect(friend) == circuit.PERMISSION_DENIED
        assert await friend.reserve() == circuit.OK


@asynchronous(30)
async def test_a_private_relay_keeps_what_its_lists_permit() -> None:
    async with relaying() as relay, peers(relay, 2) as (listener, dialer):
        await with_a_circuit(relay, listener, dialer)
        relay.configure(private=True, allow_peers=[listener.id, dialer.id])
        assert len(relay.service.circuits) == 1
        relay.configure(private=True, allow_networks=["127.0.0.0/8"])
        assert len(relay.service.circuits) == 1
        assert list(relay.service.reservations) == [listener.id]
        relay.configure(private=True, allow_peers=[dialer.id])
        assert len(relay.service.circuits) == len(relay.service.reservations) == 0


@asynchronous(30)
async def test_a_circuit_whose_reservation_has_ended_is_judged_by_its_ends() -> None:
    async with relaying() as relay, peers(relay, 2) as (listener, dialer):
        await with_a_circuit(relay, listener, dialer)
        relay.service._expire(listener.id, "expired")
        relay.configure(private=True, allow_peers=[listener.id, dialer.id])
        assert len(relay.service.circuits) == 1
        relay.configure(private=True, allow_peers=[dialer.id])
        assert len(relay.service.circuits) == 0


@asynchronous(30)
async def test_a_service_that_ends_takes_reservations_and_circuits_along_and_tells_peers() -> None:
    async with relaying() as relay, peers(relay, 3, own=True) as (listener, dialer, other):
        await with_a_circuit(relay, listener, dialer)
        there = await other.dial()
        await so(lambda: there.info is not None and circuit.HOP_ID in there.info.protocols)
        relay.configure(service="no")
        assert len(relay.service.reservations) == len(relay.service.circuits) == 0
        await so(lambda: not listener.connected)
        # Others are told by identify push.
        await so(lambda: there.info is not None and circuit.HOP_ID not in there.info.protocols)
        relay.configure(service="yes")
        await so(lambda: there.info is not None and circuit.HOP_ID in there.info.protocols)
        assert await listener.reserve() == circuit.OK


@asynchronous(30)
async def test_a_request_under_way_meets_the_new_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the relay waits for the peer to identify itself, it becomes private."""
    async with relaying(foreign_share=0) as relay, peers(relay, 1) as (late,):
        asked = asyncio.Event()
        answered = asyncio.Event()

        async def is_foreign(_: object) -> bool:
            asked.set()
            await answered.wait()
            return True

        monkeypatch.setattr(relay.service.admission, "is_foreign", is_foreign)
        request = asyncio.create_task(late.reserve())
        await asked.wait()
        relay.configure(private=True, foreign_share=100)
        answered.set()
        assert await request == circuit.RESERVATION_REFUSED
        assert len(relay.service.reservations) == 0


@pytest.mark.parametrize("change", ["private", "paused"])
@asynchronous(30)
async def test_a_circuit_that_is_being_opened_meets_the_new_rules(change: str) -> None:
    """The target accepts after the reload."""
    async with relaying() as relay, peers(relay, 2) as (listener, dialer):
        assert await listener.reserve() == circuit.OK
        offered, accepted = asyncio.Event(), asyncio.Event()

        async def accept_late(stream: Stream) -> None:
            await stream.read_message(circuit.MAX_MESSAGE)
            offered.set()
            await accepted.wait()
            message = circuit.StopMessage(type=circuit.StopMessage.STATUS, status=circuit.OK)
            await stream.write(delimited(message.encode()))

        listener.swarm.handle(circuit.STOP_ID, accept_late)
        request = asyncio.create_task(dialer.connect(listener))
        await offered.wait()
        if change == "private":
            relay.configure(private=True, allow_peers=[listener.id])
        else:
            relay.host.allowance.paused = True
            relay.host.allowance.tell()
        accepted.set()
        assert await request == circuit.CONNECTION_FAILED
        assert len(relay.service.circuits) == 0


@asynchronous(30)
async def test_a_peer_that_is_allowed_counts_as_own_from_then_on() -> None:
    """Of four reservations one is for foreigners."""
    async with relaying(max_reservations=4) as relay, peers(relay, 2) as (first, second):
        assert await first.reserve() == circuit.OK
        assert await second.reserve() == circuit.RESERVATION_REFUSED
        relay.configure(max_reservations=4, allow_peers=[first.id])
        assert await second.reserve() == circuit.OK
        relay.configure(max_reservations=4)
        assert set(relay.service.reservations.foreigners()) == {first.id, second.id}


@asynchronous(30)
async def test_a_sleeper_that_is_here_without_having_reserved_still_sleeps() -> None:
    async with relaying(max_reservations=4) as relay, peers(relay, 2) as (sleeper, other):
        relay.service.keep_reservations(frozenset({sleeper.id}))
        await sleeper.dial()
        await so(lambda: sleeper.id in relay.swarm.connections)
        relay.configure(max_reservations=4)
        kept = relay.service.reservations.get(sleeper.id)
        assert kept is not None
        assert (kept.asleep, kept.foreign) == (True, False)
        assert await other.reserve() == circuit.OK  # the one reservation for foreigners


@asynchronous(30)
async def test_a_pause_ends_circuits_and_keeps_reservations() -> None:
    async with relaying() as relay, peers(relay, 2) as (listener, dialer):
        await with_a_circuit(relay, listener, dialer)
        allowance = relay.host.allowance
        allowance.admits = False
        allowance.tell()
        assert len(relay.service.circuits) == 1
        assert await dialer.connect(listener) == circuit.RESOURCE_LIMIT_EXCEEDED
        assert await dialer.reserve() == circuit.RESERVATION_REFUSED
        assert await listener.reserve() == circuit.OK  # a renewal
        allowance.paused = True
        allowance.tell()
        assert len(relay.service.circuits) == 0
        assert list(relay.service.reservations) == [listener.id]


@asynchronous(30)
async def test_the_least_of_the_rates_holds() -> None:
    async with relaying(rate=MIB, rate_per_peer=64 * KIB) as relay:
        shaper, allowance = relay.service.shaper, relay.host.allowance
        assert (shaper.rate, shaper.peer_rate) == (MIB, 64 * KIB)
        allowance.limit("line", 256 * KIB)
        assert (shaper.rate, shaper.peer_rate) == (256 * KIB, 64 * KIB)
        relay.configure(rate=128 * KIB)
        assert (shaper.rate, shaper.peer_rate) == (128 * KIB, 0)
        relay.configure()
        assert shaper.rate == 256 * KIB
        allowance.limit("line", 0)
        assert not shaper.active

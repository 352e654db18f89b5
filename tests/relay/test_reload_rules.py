"""What a reload or a pause no longer permits ends at once; the rest goes on."""

from __future__ import annotations

import asyncio

import pytest

from edge.swarm.errors import SwarmError
from edge.swarm.stream import Stream
from edge.wire import circuit
from edge.wire.protobuf import delimited
from tests.counterparts.base import asynchronous
from tests.relay.hosts import Peer, Relay, peers, relaying, so


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
async def test_a_reservation_that_is_kept_for_a_sleeper_follows_the_rules_too() -> None:
    async with relaying() as relay, peers(relay, 1) as (sleeper,):
        relay.service.keep_reservations(frozenset({sleeper.id}))
        assert list(relay.service.reservations) == [sleeper.id]
        for rule in (
            {"deny_peers": [sleeper.id]},
            {"private": True},
            {"service": "no"},
        ):
            relay.configure(**rule)
            assert list(relay.service.reservations) == [], rule
            relay.configure()
            assert list(relay.service.reservations) == [sleeper.id], rule
        relay.configure(private=True, allow_peers=[sleeper.id])
        assert list(relay.service.reservations) == [sleeper.id]

"""The service itself: what it answers to RESERVE and CONNECT, what it counts and reports."""

from __future__ import annotations

import math

import pytest

from edge.units import KIB
from edge.wire import circuit, envelope
from edge.wire.peerid import PeerId
from tests.counterparts.base import asynchronous
from tests.relay.hosts import Peer, Relay, peers, relaying, so

RESERVE, CONNECT, STATUS = 0, 1, 2


def held(relay: Relay, peer: Peer) -> float:
    """Until when `peer` has its reservation."""
    found = relay.service.reservations.get(peer.id)
    assert found is not None
    return found.expires_at


# --- reservations ---


@asynchronous(30)
async def test_a_reservation_tells_where_and_until_when() -> None:
    async with relaying(reservation_ttl=600) as relay, peers(relay, 1) as (peer,):
        answer = await peer.ask(RESERVE)
        assert (answer.type, answer.status, answer.limit) == (STATUS, circuit.OK, None)
        reservation = answer.reservation
        assert reservation is not None
        assert reservation.addrs == [relay.at.bytes]
        assert reservation.expire == 1_700_000_000 + 600
        assert reservation.voucher is not None
        voucher = envelope.open_voucher(reservation.voucher)
        assert voucher == (relay.swarm.peer_id, peer.id, reservation.expire)
        assert held(relay, peer) == pytest.approx(relay.swarm.loop.time() + 600, abs=30)


@asynchronous(30)
async def test_while_the_clock_is_wrong_a_reservation_lasts_as_long_as_its_peer() -> None:
    async with relaying() as relay, peers(relay, 1) as (peer,):
        relay.host.utc = lambda: None  # type: ignore[method-assign]
        answer = await peer.ask(RESERVE)
        assert answer.reservation is not None
        assert (answer.reservation.expire or 0) > 4e9
        assert held(relay, peer) == math.inf
        relay.service.sweep()
        assert peer.id in relay.service.reservations


@asynchronous(30)
async def test_a_reservation_is_renewed_and_ends_with_its_time() -> None:
    async with relaying(reservation_ttl=5) as relay, peers(relay, 2) as (first, second):
        assert await first.reserve() == await second.reserve() == circuit.OK
        before = held(relay, first)
        assert await first.reserve() == circuit.OK
        assert held(relay, first) > before
        late = relay.service.reservations.get(second.id)
        assert late is not None
        late.expires_at = relay.swarm.loop.time()
        relay.service.sweep()
        assert list(relay.service.reservations) == [first.id]
        assert second.connected


@asynchronous(30)
async def test_a_reservation_ends_with_the_last_connection() -> None:
    async with relaying() as relay, peers(relay, 1) as (peer,):
        assert await peer.reserve() == circuit.OK
        await peer.dialer.dial(relay.bound, relay.swarm.peer_id)
        await so(lambda: len(relay.swarm.all_connections()) == 2)
        first, second = relay.swarm.all_connections()
        first.close("test")
        assert peer.id in relay.service.reservations
        second.close("test")
        assert peer.id not in relay.service.reservations


@asynchronous(30)
async def test_those_who_ask_are_told() -> None:
    async with relaying() as relay, peers(relay, 1) as (peer,):
        told: list[PeerId] = []
        relay.service.reserved.append(told.append)
        for _ in range(2):
            await peer.reserve()
        await so(lambda: told == [peer.id, peer.id])


@asynchronous(30)
async def test_own_peers_displace_foreigners_without_circuits_first() -> None:
    options = {"max_reservations": 2, "foreign_share": 100}
    async with (
        relaying(**options) as relay,
        peers(relay, 3) as (busy, idle, late),
        peers(relay, 3, own=True) as mine,
    ):
        assert await busy.reserve() == await idle.reserve() == circuit.OK
        assert await late.connect(busy) == circuit.OK
        assert await late.reserve() == circuit.RESERVATION_REFUSED
        assert await mine[0].reserve() == circuit.OK
        assert set(relay.service.reservations) == {busy.id, mine[0].id}
        await so(lambda: not idle.connected)  # so that it learns
        assert await mine[1].reserve() == circuit.OK
        assert await mine[2].reserve() == circuit.RESERVATION_REFUSED
        assert len(relay.service.circuits) == 0
        refusals = {"reservation_refused": 2, "displaced": 2}
        assert relay.service.report()["refusals"] == {"relay": refusals}


@asynchronous(30)
async def test_the_limit_of_an_address_binds_own_peers_when_there_is_nothing_left() -> None:
    options = {"max_reservations": 3, "max_reservations_per_ip": 2, "foreign_share": 100}
    async with (
        relaying(**options) as relay,
        peers(relay, 1) as (foreigner,),
        peers(relay, 4, own=True) as (first, second, third, fourth),
    ):
        for own in (first, second):
            assert await own.reserve() == circuit.OK
        assert await foreigner.reserve() == circuit.RESERVATION_REFUSED
        assert await third.reserve() == circuit.OK
        assert relay.service.reservations.spare() == [third.id]
        assert await fourth.reserve() == circuit.RESERVATION_REFUSED
        refusals = {"reservation_refused": 2, "reservations_per_ip": 2}
        assert relay.service.report()["refusals"] == {"relay": refusals}
        assert await third.reserve() == circuit.OK  # it renews


# --- requests that are refused ---


@asynchronous(30)
async def test_each_refusal_has_the_protocols_own_status() -> None:
    async with relaying() as relay, peers(relay, 2) as (listener, dialer):
        assert await listener.reserve() == circuit.OK
        assert await dialer.connect(dialer) == circuit.PERMISSION_DENIED
        assert (await dialer.ask(CONNECT, Peer(relay).id)).status == circuit.NO_RESERVATION
        assert (await dialer.ask(CONNECT)).status == circuit.MALFORMED_MESSAGE
        assert (await dialer.ask(STATUS)).status == circuit.UNEXPECTED_MESSAGE
        assert (await dialer.say(b"\xff")).status == circuit.MALFORMED_MESSAGE
        listener.client.relays = frozenset()
        assert await dialer.connect(listener) == circuit.CONNECTION_FAILED
        refusals = relay.service.report()["refusals"]["relay"]
        assert refusals == {
            "permission_denied": 1,
            "no_reservation": 1,
            "malformed_message": 2,
            "unexpected_message": 1,
            "connection_failed": 1,
        }
        assert relay.service._report_peer(dialer.id)[1]["refusals"] == refusals
        usage = relay.service.accounts.get(listener.id)
        assert usage is not None
        assert usage.circuits == 0


@asynchronous(30)
async def test_without_memory_there_is_neither_reservation_nor_circuit() -> None:
    async with relaying() as relay, peers(relay, 2) as (listener, dialer):
        assert await listener.reserve() == circuit.OK
        await dialer.dial()
        await so(lambda: all(link.info for link in relay.swarm.all_connections()))
        for name, kind, refused in (
            ("circuits", CONNECT, circuit.RESOURCE_LIMIT_EXCEEDED),
            ("tables", RESERVE, circuit.RESERVATION_REFUSED),
        ):
            pool = relay.swarm.budget.pools[name]
            pool.reclaimers.clear()
            filler = pool.ceiling - pool.used
            assert pool.take(filler)
            assert (await dialer.ask(kind, listener.id)).status == refused
            pool.give(filler)


# --- circuits ---


@asynchronous(30)
async def test_a_circuit_goes_over_the_newest_connection_that_answers() -> None:
    async with relaying() as relay, peers(relay, 2) as (listener, dialer):
        assert await listener.reserve() == circuit.OK
        newer = await listener.dialer.dial(relay.bound, relay.swarm.peer_id)
        await so(lambda: len(relay.swarm.connections[listener.id]) == 2)
        old, new = relay.swarm.connections[listener.id]
        assert await dialer.connect(listener) == circuit.OK
        (one,) = relay.service.circuits
        assert one.destination.connection is new
        new.close("test")
        await so(lambda: newer.closed is not None)
        assert await dialer.connect(listener) == circuit.OK
        (other,) = relay.service.circuits
        assert other.destination.connection is old


@asynchronous(30)
async def test_bytes_and_circuits_are_counted_while_open_and_after() -> None:
    async with relaying() as relay, peers(relay, 2, own=True) as (listener, dialer):
        assert await listener.reserve() == circuit.OK
        through = relay.at.via_circuit(listener.id)
        connection = await dialer.dialer.connect(listener.id, [through], again=True, trusted=True)
        await so(lambda: connection.info is not None)
        report = relay.service.report()
        there, back = report["bytes"]["to_listeners"], report["bytes"]["to_dialers"]
        assert there > 0 < back
        assert report["bytes"]["relayed"] == there + back
        assert (report["circuits"]["open"], report["circuits"]["total"]) == (1, 1)
        connection.close("done")
        await so(lambda: len(relay.service.circuits) == 0)
        after = relay.service.report()
        assert after["bytes"]["relayed"] >= there + back
        assert (after["circuits"]["open"], after["circuits"]["total"]) == (0, 1)
        (tally,) = relay.host.tallies
        assert tally() == {
            "bytes_relayed": after["bytes"]["relayed"],
            "circuits": 1,
            "reservations": 1,
        }
        (report_peer,) = relay.host.peer_reports
        moved, of_dialer = report_peer(dialer.id)
        assert moved == of_dialer["bytes_from"] + of_dialer["bytes_to"]
        assert of_dialer["bytes_from"] == after["bytes"]["to_listeners"]
        assert (of_dialer["reserved"], of_dialer["circuits_ended"]) == (False, 1)
        assert report_peer(listener.id)[1]["reserved"]


def test_a_peer_that_the_relay_does_not_know_is_reported_with_noughts() -> None:
    @asynchronous(10)
    async def ask() -> None:
        async with relaying() as relay, peers(relay, 1) as (peer,):
            (report_peer,) = relay.host.peer_reports
            assert report_peer(peer.id) == (
                0,
                {
                    "reserved": False,
                    "circuits": 0,
                    "bytes_from": 0,
                    "bytes_to": 0,
                    "circuits_ended": 0,
                    "seconds": 0.0,
                    "refusals": {},
                },
            )
            assert len(relay.service.accounts) == 0

    ask()


@asynchronous(30)
async def test_limits_are_told_to_both_ends_and_reported() -> None:
    async with relaying(duration=60, data=64 * KIB) as relay, peers(relay, 2) as two:
        listener, dialer = two
        assert await listener.reserve() == circuit.OK
        through = relay.at.via_circuit(listener.id)
        connection = await dialer.dialer.connect(listener.id, [through], again=True, trusted=True)
        assert connection.limited
        (accepted,) = listener.swarm.connections[dialer.id]
        assert accepted.limited
        report = relay.service.report()["circuits"]
        assert (report["max_duration"], report["max_data"]) == (60, 64 * KIB)


# --- sleepers ---


@asynchronous(30)
async def test_a_sleeper_is_woken_for_the_allowed_alone() -> None:
    """What a peer says of itself, as `own` does, gives it no right to."""
    async with (
        relaying() as relay,
        peers(relay, 1, own=True) as (own,),
        peers(relay, 3) as (sleeper, friend, stranger),
    ):
        woken: list[tuple[PeerId, PeerId]] = []

        async def wake(peer: PeerId, caller: PeerId) -> bool:
            woken.append((peer, caller))
            return await sleeper.reserve() == circuit.OK

        relay.configure(allow_peers=[friend.id])
        relay.service.wake = wake
        relay.service.keep_reservations(frozenset({sleeper.id}))
        assert await stranger.connect(sleeper) == circuit.CONNECTION_FAILED
        await own.dial()
        await so(lambda: all(link.info for link in relay.swarm.all_connections()))
        assert await own.connect(sleeper) == circuit.CONNECTION_FAILED
        assert not woken
        assert await friend.connect(sleeper) == circuit.OK
        assert woken == [(sleeper.id, friend.id)]
        assert await stranger.connect(sleeper) == circuit.OK  # it is awake


@asynchronous(30)
async def test_a_sleeper_that_does_not_come_fails_the_circuit() -> None:
    async with relaying() as relay, peers(relay, 2) as (sleeper, friend):
        relay.configure(allow_peers=[friend.id])
        relay.service.keep_reservations(frozenset({sleeper.id}))
        assert await friend.connect(sleeper) == circuit.CONNECTION_FAILED  # nobody wakes it
        woken: list[PeerId] = []

        async def wake(peer: PeerId, _: PeerId) -> bool:
            woken.append(peer)
            return False

        relay.service.wake = wake
        assert await friend.connect(sleeper) == circuit.CONNECTION_FAILED
        assert woken == [sleeper.id]
        assert relay.service.report()["reservations"]["held"] == 1


@asynchronous(30)
async def test_a_sleeper_falls_asleep_with_its_connection() -> None:
    async with relaying() as relay, peers(relay, 1) as (sleeper,):
        relay.service.keep_reservations(frozenset({sleeper.id}))
        assert await sleeper.reserve() == circuit.OK
        connection = await sleeper.dial()
        connection.close("asleep", say=False)
        await so(lambda: not relay.swarm.connections)
        kept = relay.service.reservations.get(sleeper.id)
        assert kept is not None
        assert kept.asleep
        relay.service.keep_reservations(frozenset())
        assert len(relay.service.reservations) == 0

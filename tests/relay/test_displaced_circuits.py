"""A target that strangers have filled stays within reach of its own network."""

from __future__ import annotations

import pytest

from edge.wire import circuit
from tests.counterparts.base import asynchronous
from tests.relay.hosts import Relay, peers, relaying, so


async def known(relay: Relay) -> None:
    """All who are connected have said who they are."""
    await so(lambda: all(link.info for link in relay.swarm.all_connections()))


def dialers(relay: Relay) -> list[str]:
    return sorted(str(each.source.connection.peer) for each in relay.service.circuits)


@pytest.mark.parametrize("limit", ["of the target", "of a source"])
@asynchronous(30)
async def test_own_peers_displace_foreigners_and_those_allowed_whoever_says_he_is_own(
    limit: str,
) -> None:
    most, count = (2, 2) if limit == "of the target" else (16, 4)
    async with (
        relaying(max_circuits_per_peer=most) as relay,
        peers(relay, 1) as (listener,),
        peers(relay, 5) as foreign,
        peers(relay, 5, own=True) as own,
        peers(relay, 1) as (allowed,),
    ):
        assert await listener.reserve() == circuit.OK
        for each in foreign[:count]:
            assert await each.connect(listener) == circuit.OK
        await foreign[4].dial()
        await known(relay)
        assert await foreign[4].connect(listener) == circuit.RESOURCE_LIMIT_EXCEEDED
        for each in own[:count]:
            assert await each.connect(listener) == circuit.OK
        assert dialers(relay) == sorted(str(each.id) for each in own[:count])
        assert await own[4].connect(listener) == circuit.RESOURCE_LIMIT_EXCEEDED
        relay.configure(allow_peers=[allowed.id], max_circuits_per_peer=most)
        assert await allowed.connect(listener) == circuit.OK
        assert str(allowed.id) in dialers(relay)
        assert len(relay.service.circuits) == count
        refusals = relay.service.report()["refusals"]["relay"]
        assert refusals == {"resource_limit_exceeded": 2, "displaced": count + 1}


@asynchronous(30)
async def test_who_has_not_said_who_he_is_is_waited_for() -> None:
    async with (
        relaying(max_circuits_per_peer=1) as relay,
        peers(relay, 2) as (listener, foreigner),
        peers(relay, 1, own=True) as (own,),
    ):
        assert await listener.reserve() == circuit.OK
        assert await foreigner.connect(listener) == circuit.OK
        assert await own.connect(listener) == circuit.OK
        assert dialers(relay) == [str(own.id)]


@asynchronous(30)
async def test_circuits_that_the_target_dialed_itself_are_kept() -> None:
    async with (
        relaying(max_circuits_per_peer=1) as relay,
        peers(relay, 2) as (listener, other),
        peers(relay, 1, own=True) as (own,),
    ):
        assert await listener.reserve() == await other.reserve() == circuit.OK
        assert await listener.connect(other) == circuit.OK
        assert await own.connect(listener) == circuit.RESOURCE_LIMIT_EXCEEDED
        assert dialers(relay) == [str(listener.id)]


@asynchronous(30)
async def test_nobody_is_displaced_for_whom_another_limit_refuses() -> None:
    async with (
        relaying(max_circuits_per_peer=1) as relay,
        peers(relay, 3) as (listener, foreigner, elsewhere),
        peers(relay, 1, own=True) as (own,),
    ):
        assert await listener.reserve() == await elsewhere.reserve() == circuit.OK
        assert await own.connect(elsewhere) == circuit.OK
        assert await foreigner.connect(listener) == circuit.OK
        await known(relay)
        assert await own.connect(listener) == circuit.RESOURCE_LIMIT_EXCEEDED
        assert len(relay.service.circuits) == 2

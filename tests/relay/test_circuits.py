"""The circuits together: limits, leases, time, which one gives its memory back."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from edge.budget import Budget
from edge.relay.accounting import Usage
from edge.relay.circuits import Circuits
from edge.relay.resources import CIRCUIT, Resources
from edge.relay.shaping import Shaper
from edge.units import MIB
from tests.counterparts.base import asynchronous
from tests.relay.hosts import so
from tests.relay.spliced import Ends, Pair, ends
from tests.swarm.origins import group

HERE, THERE = b"here", b"there"


class Rig:
    """The table on a clock that is ahead of the loop's by `later`."""

    def __init__(self, budget: Budget) -> None:
        loop = asyncio.get_running_loop()
        self.later = 0.0
        self.limits = Resources()
        self.limits.max_circuits = 4
        self.pool = budget.pool("circuits", 0.25)
        shaper = Shaper(loop)
        self.table = Circuits(self.limits, shaper, self.pool, lambda: loop.time() + self.later)

    def begin(self, usages: tuple[Usage, Usage], group: bytes = HERE) -> bool:
        return self.table.begin(usages, group)

    def splice(self, at: Ends, pair: Pair) -> None:
        group = pair.source.connection.group
        assert self.table.begin(at.usages, group)
        self.table.splice(pair.source, pair.destination, at.usages)


def alone() -> Rig:
    return Rig(Budget(64 * MIB, 0))


def fresh() -> tuple[Usage, Usage]:
    return Usage(), Usage()


@asynchronous(10)
async def test_what_could_not_be_opened_leaves_nothing() -> None:
    rig, usages = alone(), fresh()
    assert rig.begin(usages)
    assert [usage.circuits for usage in usages] == [1, 1]
    assert rig.pool.used == CIRCUIT
    rig.table.abandon(usages, HERE)
    assert [usage.circuits for usage in usages] == [0, 0]
    assert (rig.pool.used, len(rig.table), rig.table.total) == (0, 0, 0)


@asynchronous(10)
async def test_one_source_does_not_fill_a_target() -> None:
    rig, target = alone(), Usage()
    rig.limits.max_circuits = 100
    taken = 0
    while rig.begin((Usage(), target)):  # one stranger, with as many peer ids as it likes
        taken += 1
    assert taken == 4
    assert rig.begin((Usage(), target), THERE)
    assert rig.begin(fresh()), "and the source may have another target"
    rig.limits.max_circuits_per_peer = 40
    while rig.begin((Usage(), target)):
        taken += 1
    assert taken == 10


@pytest.mark.parametrize(
    ("pattern", "one", "all_of_it"),
    [
        ("2600:1:2:3{:02x}::1", 4, 8),  # the /64s of a /56
        ("2600:1:2:{:x}00::1", 4, 8),  # the /56s of a /48: no more than half of the target
        ("9.9.9.{}", 4, 8),
    ],
)
@asynchronous(10)
async def test_nor_do_the_networks_around_it(pattern: str, one: int, all_of_it: int) -> None:
    rig, target = alone(), Usage()
    rig.limits.max_circuits = 1000
    groups = [group(pattern.format(number)) for number in range(4)]
    begun = [sum(rig.begin((Usage(), target), each) for _ in range(20)) for each in groups]
    assert begun == [one, all_of_it - one, 0, 0]
    assert rig.begin((Usage(), target), group("2600:1:3::1"))
    assert rig.begin((Usage(), target), group("9.9.10.1"))
    rig.table.abandon((Usage(), target), groups[0])
    assert rig.begin((Usage(), target), groups[3])


@asynchronous(10)
async def test_room_in_a_full_network_is_made_by_one_of_it() -> None:
    rig, target = alone(), Usage()
    rig.limits.max_circuits = 1000
    ended: list[bytes] = []

    class Open:
        """A circuit as far as its place goes."""

        def __init__(self, origin: bytes, opened_at: float) -> None:
            self.source = SimpleNamespace(connection=SimpleNamespace(group=origin))
            self.destination = SimpleNamespace(usage=target)
            self.opened_at = opened_at

        def end(self, _reason: str) -> None:
            origin = self.source.connection.group
            ended.append(origin)
            rig.table.abandon((Usage(), target), origin)

    def open_from(origin: bytes, opened_at: float) -> None:
        assert rig.begin((Usage(), target), origin)
        rig.table._open.add(cast(Any, Open(origin, opened_at)))

    open_from(group("9.9.9.9"), 1.0)
    for number in range(8):
        open_from(group(f"2600:1:2:3{number % 2:02x}::1"), 2.0 + number)
    newcomer, usages = group("2600:1:2:377::1"), (Usage(), target)
    assert not rig.begin(usages, newcomer)
    assert rig.table.make_room(usages, newcomer, lambda _: True)
    assert ended == [group("2600:1:2:300::1")]
    assert rig.begin(usages, newcomer)


@asynchronous(10)
async def test_a_network_of_many_addresses_has_no_more_than_its_part() -> None:
    rig = alone()
    rig.limits.max_circuits = 1000
    rig.limits.max_circuits_per_ip = 2
    assert sum(rig.begin(fresh(), group(f"2600:1:2:3{n:02x}::1")) for n in range(256)) == 4
    assert sum(rig.begin(fresh(), group(f"2600:1:2:{n:x}::1")) for n in range(1000)) == 4
    assert sum(rig.begin(fresh(), group(f"9.9.9.{n}")) for n in range(256)) == 8


@asynchronous(10)
async def test_circuits_that_are_being_opened_count() -> None:
    rig = alone()
    assert all(rig.begin(fresh()) for _ in range(4))
    assert not rig.begin(fresh())
    rig.limits.max_circuits = 5
    assert rig.begin(fresh())


@asynchronous(10)
async def test_a_peer_has_its_limit_at_either_end() -> None:
    rig = alone()
    rig.limits.max_circuits_per_peer = 2
    busy, other = Usage(), Usage()
    assert rig.begin((busy, Usage()))
    assert rig.begin((Usage(), busy))
    assert not rig.begin((busy, other))
    assert not rig.begin((other, busy))
    assert other.circuits == 0


@asynchronous(10)
async def test_dialers_of_one_address_have_a_limit() -> None:
    rig = alone()
    rig.limits.max_circuits_per_ip = 1
    usages = fresh()
    assert rig.begin(usages)
    assert not rig.begin(fresh())
    assert rig.begin(fresh(), THERE)
    rig.table.abandon(usages, HERE)
    assert rig.begin(fresh())


@asynchronous(10)
async def test_without_memory_nothing_is_counted() -> None:
    rig, usages = alone(), fresh()
    filler = rig.pool.ceiling
    assert rig.pool.take(filler)
    assert not rig.begin(usages)
    assert [usage.circuits for usage in usages] == [0, 0]
    assert rig.pool.used == filler


@asynchronous(30)
async def test_an_end_gives_everything_back_and_keeps_the_sums() -> None:
    async with ends() as at:
        rig = Rig(at.relay.budget)
        pair = await at.pair(early=b"there")
        rig.splice(at, pair)
        await pair.far.write(b"back!!")
        assert await pair.near.read_exactly(6) == b"back!!"
        assert (len(rig.table), rig.table.total, rig.table.relayed) == (1, 1, (5, 6))
        rig.later = 10.0
        rig.table.end_all("test")
        assert (len(rig.table), rig.table.total, rig.table.relayed) == (0, 1, (5, 6))
        assert rig.pool.used == 0
        for usage in at.usages:
            assert (usage.circuits, usage.circuits_total) == (0, 1)
            assert usage.seconds == pytest.approx(10.0, abs=5)
        report = rig.table.report()
        assert report["bytes"] == {"relayed": 11, "to_listeners": 5, "to_dialers": 6}
        assert report["circuits"] == {
            "open": 0,
            "total": 1,
            "max": 4,
            "max_duration": 0,
            "max_data": 0,
        }


@asynchronous(30)
async def test_one_that_ends_while_it_is_made_is_not_kept() -> None:
    async with ends() as at:
        rig = Rig(at.relay.budget)
        rig.limits.data = 2
        rig.splice(at, await at.pair(early=b"too much"))
        assert (len(rig.table), rig.table.total, rig.pool.used) == (0, 1, 0)
        assert [usage.circuits for usage in at.usages] == [0, 0]


@asynchronous(30)
async def test_a_circuit_lasts_as_long_as_it_may() -> None:
    async with ends() as at:
        rig = Rig(at.relay.budget)
        rig.splice(at, await at.pair())
        rig.later = 1e6
        rig.table.end_those_over_time()  # there is no limit
        assert len(rig.table) == 1
        rig.limits.duration = 3600
        rig.later = 3000.0
        rig.table.end_those_over_time()
        assert len(rig.table) == 1
        rig.later = 3601.0
        rig.table.end_those_over_time()
        assert len(rig.table) == 0


@asynchronous(30)
async def test_the_one_that_has_stalled_for_longest_gives_its_memory_back() -> None:
    async with ends() as at:
        rig = Rig(at.relay.budget)
        busy, stalled, worse = [await at.pair() for _ in range(3)]
        for pair in (busy, stalled, worse):
            rig.splice(at, pair)
        rig.later = 100.0
        assert not rig.table.end_a_stalled_one()  # nothing is pending
        rig.later = 0.0
        writing = []
        for pair in (worse, stalled):
            writing.append(asyncio.create_task(pair.near.write(bytes(MIB))))
            (leg,) = [c.destination for c in rig.table if c.source.stream is pair.source.yamux]
            await so(lambda leg=leg: len(leg.pending) > 0 and leg.blocked)  # type: ignore[misc]
        assert not rig.table.end_a_stalled_one()  # they have just begun to
        rig.later = 4.0
        assert rig.table.end_a_stalled_one()
        assert {c.source.stream for c in rig.table} == {busy.source.yamux, stalled.source.yamux}
        assert rig.table.end_a_stalled_one()
        assert not rig.table.end_a_stalled_one()
        assert {c.source.stream for c in rig.table} == {busy.source.yamux}
        await asyncio.gather(*writing, return_exceptions=True)
        rig.table.end_all("test")

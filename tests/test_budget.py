"""The budget: nothing beyond the limit, no pool starves another, who can let go is asked first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import budget
from edge.budget import Budget, Pool
from edge.relay.resources import Resources, fitting_counts
from edge.swarm.limits import Limits
from edge.swarm.pools import Pools
from edge.units import KIB, MIB

SHARES = {"connections": 0.5, "handshakes": 0.15, "streams": 0.25, "circuits": 0.25, "buffers": 0.5}


def pool(name: str = "buffers") -> Pool:
    """Of a budget of 64 MiB."""
    return Budget(64 * MIB, 24 * MIB).pool(name, SHARES[name])


def test_a_quarter_of_the_memory_but_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    for memory, limit in ((64, 24), (256, 64), (8192, 2048)):
        monkeypatch.setattr(budget, "memory", lambda memory=memory: memory * MIB)
        assert budget.default_limit() == limit * MIB


def test_what_the_process_takes_itself_is_set_aside() -> None:
    assert Budget(64 * MIB, 24 * MIB).leasable == int(40 * MIB * 0.9)


@given(st.lists(st.tuples(st.sampled_from(sorted(SHARES)), st.integers(1, 4 * MIB))))
def test_leases_never_exceed_a_ceiling_nor_the_whole(leases: list[tuple[str, int]]) -> None:
    whole = Budget(48 * MIB, 32 * MIB)
    pools = {name: whole.pool(name, share) for name, share in SHARES.items()}
    for name, size in leases:
        pools[name].take(size)
        assert pools[name].used <= pools[name].ceiling
        assert whole.used == sum(pool.used for pool in pools.values()) <= whole.available
    for each in pools.values():
        each.give(each.used)
    assert whole.used == 0


def test_a_full_pool_leaves_the_others_theirs() -> None:
    whole = Budget(64 * MIB, 24 * MIB)
    pools = Pools(whole)
    while pools.buffers.take(MIB):
        pass
    assert pools.buffers.refused == 1
    assert pools.connections.take(MIB)


def test_who_asks_for_a_pool_that_is_there_shares_it() -> None:
    whole = Budget(64 * MIB, 24 * MIB)
    assert Pools(whole).tables is Pools(whole).tables is whole.pools["tables"]


def test_reclaimers_are_asked_before_a_lease_is_refused() -> None:
    full = pool()
    while full.take(64 * KIB):
        pass

    def let_go() -> bool:
        full.give(MIB)
        return True

    full.reclaimers.append(let_go)
    assert full.take(MIB // 2)


def test_reclaimers_are_asked_until_it_is_enough_but_not_for_ever() -> None:
    full = pool()
    while full.take(64 * KIB):
        pass
    asked = []

    def let_go() -> bool:
        asked.append(1)
        full.give(64 * KIB)
        return True

    full.reclaimers.append(let_go)
    assert full.take(5 * 64 * KIB)
    assert 4 <= len(asked) <= 5
    assert not full.take(40 * 64 * KIB)
    assert len(asked) <= 13


def test_pressure_is_felt_before_the_ceiling() -> None:
    buffers = pool()
    assert not buffers.pressed
    buffers.take(buffers.ceiling // 2 + KIB)
    assert buffers.pressed
    assert buffers.take(MIB)


def test_leases_that_fall_short_of_the_truth_narrow_the_budget_and_recover() -> None:
    whole = Budget(64 * MIB, 24 * MIB)
    before = whole.available
    assert not whole.measure(40 * MIB)  # 16 MiB that nobody leased
    assert whole.available < before - 10 * MIB
    assert whole.measure(63 * MIB)
    assert not whole.measure(24 * MIB)
    assert whole.available == before


def test_the_kernel_is_asked_again_as_leases_grow() -> None:
    """Each lease costs twice what it says: the limit is kept all the same, without a sweep."""
    whole = Budget(64 * MIB, 24 * MIB, resident=lambda: 24 * MIB + 2 * whole.used)
    pools = Pools(whole)
    while pools.connections.take(64 * KIB) or pools.buffers.take(64 * KIB):
        assert 24 * MIB + 2 * whole.used <= 64 * MIB + 2 * whole.leasable // 32
    assert whole.used > 16 * MIB - 64 * KIB


def test_what_the_c_library_keeps_is_given_back() -> None:
    whole = Budget(64 * MIB, 24 * MIB)
    assert not whole.hoards(30 * MIB)
    assert whole.hoards(40 * MIB)
    whole.pool("buffers", 0.5).take(10 * MIB)
    assert not whole.hoards(40 * MIB)


def test_counts_follow_the_memory() -> None:
    counts = []
    for limit in (24, 64, 1024):
        whole, limits = Budget(limit * MIB, 14 * MIB), Limits()
        limits.max_connections = 0
        limits.fill_in(whole)
        counts.append((limits.max_connections, *fitting_counts(whole)))
    assert counts == sorted(counts)
    assert counts[0][0] >= 64
    assert counts[-1] == (4096, 2048, 2048)


def test_configured_counts_stand() -> None:
    limits, resources = Limits(), Resources()
    limits.max_connections = resources.max_reservations = resources.max_circuits = 7
    limits.fill_in(Budget(64 * MIB, 14 * MIB))
    resources.fill_in(Budget(64 * MIB, 14 * MIB), limits)
    assert limits.max_connections == resources.max_reservations == resources.max_circuits == 7

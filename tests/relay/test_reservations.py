"""The table of reservations by itself: limits, foreigners, expiry, sleepers, leases."""

from __future__ import annotations

import math
from typing import cast

import pytest

from edge.budget import Budget
from edge.relay.accounting import PEER_ENTRY
from edge.relay.admission import Admission
from edge.relay.reservations import Reservations
from edge.relay.resources import Resources
from edge.swarm.addresses import OwnAddresses
from edge.units import MIB
from edge.wire.peerid import PeerId
from tests.relay.hosts import peer_id
from tests.swarm.origins import group

HERE, THERE = b"here", b"there"


A, B, C, D = (peer_id(number) for number in range(4))


class Rig:
    def __init__(self, most: int = 4, per_ip: int = 4, foreign_share: int = 50) -> None:
        self.limits = Resources()
        self.limits.max_reservations = most
        self.limits.max_reservations_per_ip = per_ip
        self.admission = Admission(cast("OwnAddresses", None))
        self.admission.foreign_share = foreign_share
        self.pool = Budget(64 * MIB, 0).pool("tables", 0.25)
        self.table = Reservations(self.limits, self.admission, self.pool)

    def add(self, *peers: PeerId, group: bytes = HERE, foreign: bool = False) -> None:
        for peer in peers:
            assert self.table.add(peer, group, foreign, 100.0)


def test_a_reservation_is_found_and_removed_with_its_lease() -> None:
    rig = Rig()
    rig.add(A, foreign=True)
    held = rig.table.get(A)
    assert held is not None
    assert (held.group, held.foreign, held.expires_at, held.asleep) == (HERE, True, 100.0, False)
    assert (A in rig.table, list(rig.table), len(rig.table)) == (True, [A], 1)
    assert rig.pool.used == PEER_ENTRY
    rig.table.remove(A)
    assert (A in rig.table, rig.table.get(A), len(rig.table)) == (False, None, 0)
    assert rig.pool.used == 0


def test_removing_what_is_not_there_gives_no_lease_back() -> None:
    rig = Rig()
    rig.table.remove(A)
    assert rig.table.expire(A) is False
    assert rig.pool.used == 0


def test_without_memory_there_is_no_reservation_but_a_renewal() -> None:
    rig = Rig()
    rig.add(A)
    filler = rig.pool.ceiling - rig.pool.used
    assert rig.pool.take(filler)
    assert not rig.table.add(B, HERE, False, 100.0)
    assert B not in rig.table
    assert rig.table.add(A, HERE, False, 200.0)
    rig.table.remove(A)
    assert rig.pool.used == filler


def test_a_renewal_counts_once_and_moves_to_the_end() -> None:
    rig = Rig()
    rig.add(A, B)
    assert rig.table.add(A, THERE, foreign=True, expires_at=200.0)
    assert list(rig.table) == [B, A]
    assert rig.pool.used == 2 * PEER_ENTRY
    held = rig.table.get(A)
    assert held is not None
    assert (held.expires_at, held.group, held.foreign) == (200.0, THERE, True)
    assert rig.table.foreigners() == [A]


def test_a_table_is_full_at_its_limit_and_grows_with_it() -> None:
    rig = Rig(most=2)
    rig.add(A)
    assert not rig.table.full(foreign=False)
    rig.add(B)
    assert rig.table.full(foreign=False)
    rig.limits.max_reservations = 3
    assert not rig.table.full(foreign=False)


def test_a_lower_limit_ends_nothing() -> None:
    rig = Rig()
    rig.add(A, B, C)
    rig.limits.max_reservations = 1
    assert rig.table.full(foreign=False)
    assert len(rig.table) == 3


def test_foreigners_have_a_share_and_own_peers_all_of_it() -> None:
    rig = Rig(most=4, foreign_share=50)
    rig.add(A, foreign=True)
    assert not rig.table.full(foreign=True)
    rig.add(B, foreign=True)
    assert rig.table.full(foreign=True)
    assert not rig.table.full(foreign=False)
    rig.table.remove(A)
    assert not rig.table.full(foreign=True)


def test_own_peers_leave_nothing_of_a_full_table_to_foreigners() -> None:
    rig = Rig(most=2, foreign_share=100)
    rig.add(A, B)
    assert rig.table.full(foreign=True)
    assert rig.table.foreigners() == []


def test_a_peer_that_turns_out_to_be_own_or_foreign_is_counted_anew() -> None:
    rig = Rig(most=4, foreign_share=25)
    rig.add(A, foreign=True)
    assert rig.table.full(foreign=True)
    rig.table.classify(A, foreign=False)
    rig.table.classify(A, foreign=False)
    assert not rig.table.full(foreign=True)
    assert rig.table.foreigners() == []
    rig.table.classify(A, foreign=True)
    assert rig.table.full(foreign=True)
    assert rig.table.foreigners() == [A]


def test_each_group_has_its_limit() -> None:
    rig = Rig(per_ip=2)
    rig.add(A, B)
    assert rig.table.group_full(C, HERE)
    assert not rig.table.group_full(C, THERE)
    rig.table.remove(A)
    assert not rig.table.group_full(C, HERE)


def test_a_full_group_lets_its_own_members_renew_and_nobody_move_in() -> None:
    rig = Rig(per_ip=1)
    rig.add(A)
    rig.add(B, group=THERE)
    assert not rig.table.group_full(A, HERE)
    assert rig.table.group_full(A, THERE)


@pytest.mark.parametrize(
    ("pattern", "most"),
    [
        ("2600:1:2:3::{:x}", 2),
        ("2600:1:2:3{:02x}::1", 4),  # the /64s of a /56
        ("2600:1:2:{:x}00::1", 8),  # the /56s of a /48
        ("9.9.9.{}", 8),
    ],
)
def test_so_many_are_for_one_network(pattern: str, most: int) -> None:
    """Whoever has a /48 had 65536 addresses, and all reservations there are."""
    rig = Rig(most=1000, per_ip=2)
    groups = [group(pattern.format(number)) for number in range(20)]
    for number, each in enumerate(groups):
        assert rig.table.group_full(peer_id(number), each) == (number >= most)
        if number < most:
            rig.add(peer_id(number), group=each)
    assert not rig.table.group_full(D, group("2600:1:3::1"))
    assert not rig.table.group_full(A, groups[-1]), "who moves within it takes no more of it"
    rig.table.remove(A)
    assert not rig.table.group_full(A, groups[0])


def test_what_a_full_group_was_given_nonetheless_is_spare() -> None:
    rig = Rig(per_ip=1)
    rig.add(A)
    rig.add(B)
    rig.add(C, group=THERE)
    assert rig.table.spare() == [B]
    rig.add(B)
    assert rig.table.spare() == [B]
    rig.table.keep(frozenset({B}))
    assert rig.table.spare() == []


@pytest.mark.parametrize(("now", "over"), [(99.9, []), (100.0, [A]), (500.0, [A, B])])
def test_whose_time_is_up(now: float, over: list[PeerId]) -> None:
    rig = Rig()
    rig.add(A)
    assert rig.table.add(B, HERE, foreign=False, expires_at=500.0)
    assert rig.table.add(C, HERE, foreign=False, expires_at=math.inf)  # the clock was wrong
    assert rig.table.expired(now) == over


def test_expiry_ends_a_reservation_and_gives_its_lease_back() -> None:
    rig = Rig()
    rig.add(A, foreign=True)
    assert rig.table.expire(A) is False
    assert (len(rig.table), rig.pool.used, rig.table.foreigners()) == (0, 0, [])
    assert not rig.table.group_full(B, HERE)


def test_sleepers_have_reservations_without_having_come() -> None:
    rig = Rig()
    rig.table.keep(frozenset({A, B}))
    assert len(rig.table) == 2
    for peer in (A, B):
        held = rig.table.get(peer)
        assert held is not None
        assert held.asleep
        assert rig.table.may_sleep(peer)
    assert rig.table.expired(1e12) == []
    assert rig.pool.used == 2 * PEER_ENTRY


def test_a_sleeper_that_came_falls_asleep_when_its_reservation_ends() -> None:
    rig = Rig(per_ip=1)
    rig.table.keep(frozenset({A}))
    rig.add(A, foreign=True)
    held = rig.table.get(A)
    assert held is not None
    assert not held.asleep
    assert rig.table.group_full(B, HERE)
    assert rig.table.expire(A) is True
    held = rig.table.get(A)
    assert held is not None
    assert (held.asleep, held.foreign) == (True, False)
    assert not rig.table.group_full(B, HERE)
    assert rig.pool.used == PEER_ENTRY


def test_a_sleeper_yields_to_nobody() -> None:
    rig = Rig()
    rig.table.keep(frozenset({A}))
    rig.add(A, B, foreign=True)
    assert rig.table.foreigners() == [B]


def test_whoever_sleeps_no_more_loses_what_was_kept_and_keeps_what_it_took() -> None:
    rig = Rig()
    rig.table.keep(frozenset({A, B}))
    rig.add(B)
    rig.table.keep(frozenset({C}))
    assert set(rig.table) == {B, C}
    assert rig.table.expire(B) is False
    rig.table.keep(frozenset())
    assert (len(rig.table), rig.pool.used) == (0, 0)


def test_the_table_may_change_while_it_is_walked() -> None:
    rig = Rig()
    rig.add(A, B, C, D)
    for peer in rig.table:
        rig.table.remove(peer)
    assert (len(rig.table), rig.pool.used) == (0, 0)

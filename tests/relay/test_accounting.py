"""Accounts of peers: how many there may be, who is forgotten, what they lease and report."""

from __future__ import annotations

from edge.budget import Budget, Pool
from edge.relay.accounting import PEER_ENTRY, Accounts, Usage
from edge.units import MIB
from edge.wire.peerid import PeerId
from tests.relay.hosts import peer_id

A, B, C, D = (peer_id(number) for number in range(4))


def accounts(most: int = 3) -> tuple[Accounts, Pool]:
    pool = Budget(64 * MIB, 0).pool("tables", 0.25)
    return Accounts(pool, most), pool


def opened(table: Accounts, peer: PeerId) -> Usage:
    usage = table.of(peer)
    assert usage is not None
    return usage


def test_an_account_is_opened_once_and_leased_once() -> None:
    table, pool = accounts()
    assert table.get(A) is None
    usage = opened(table, A)
    assert opened(table, A) is usage
    assert table.get(A) is usage
    assert (len(table), pool.used) == (1, PEER_ENTRY)


def test_the_one_unused_for_longest_gives_way() -> None:
    table, pool = accounts(most=2)
    opened(table, A)
    opened(table, B)
    opened(table, A)
    opened(table, C)
    assert table.get(B) is None
    assert table.get(A) is not None
    assert (len(table), pool.used) == (2, 2 * PEER_ENTRY)


def test_one_with_circuits_is_kept() -> None:
    table, _ = accounts(most=2)
    opened(table, A).circuits = 1
    opened(table, B)
    opened(table, C)
    assert table.get(A) is not None
    assert table.get(B) is None


def test_a_lower_limit_holds_for_the_next_one() -> None:
    table, _ = accounts(most=3)
    for peer in (A, B, C):
        opened(table, peer)
    table.most = 1
    opened(table, D)
    assert table.get(A) is None  # one at a time


def test_both_are_had_together_and_neither_gives_way_to_the_other() -> None:
    table, _ = accounts(most=1)
    both = table.both(A, B)
    assert both is not None
    assert both == (table.get(A), table.get(B))
    assert [usage.circuits for usage in both] == [0, 0]


def test_a_pool_that_is_full_is_refilled_by_the_idle() -> None:
    table, pool = accounts()
    opened(table, A)
    assert pool.take(pool.ceiling - pool.used)
    opened(table, B)
    assert table.get(A) is None


def test_without_memory_there_is_no_account() -> None:
    table, pool = accounts()
    opened(table, A).circuits = 1
    filler = pool.ceiling - pool.used
    assert pool.take(filler)
    assert table.of(B) is None
    assert table.both(A, B) is None
    assert opened(table, A).circuits == 1
    assert pool.used == filler + PEER_ENTRY


def test_what_is_reported_has_the_names_of_status() -> None:
    usage = Usage()
    usage.circuits, usage.circuits_total, usage.seconds = 1, 2, 3.456
    usage.bytes_from, usage.bytes_to = 10, 20
    usage.refusals = {"NO_RESERVATION": 4}
    assert usage.relayed == 30
    assert usage.report() == {
        "circuits": 1,
        "bytes_from": 10,
        "bytes_to": 20,
        "circuits_ended": 2,
        "seconds": 3.5,
        "refusals": {"no_reservation": 4},
    }

"""Provider records: quotas, their end, and a flood that pushes out itself."""

from __future__ import annotations

from edge.budget import Budget
from edge.kad.providers import MAX_PER_KEY, MAX_PER_PEER, RECORD, TTL, Providers
from edge.units import MIB
from tests.relay.hosts import peer_id

HERE, THERE = b"\x05\x01\x01\x01", b"\x05\x02\x02\x02"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def providers(memory: int = 64 * MIB) -> tuple[Providers, Clock, Budget]:
    clock, budget = Clock(), Budget(memory, 0)
    return Providers(budget.pool("kad", 0.1), clock), clock, budget


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_a_record_lasts_for_its_time_and_is_renewed() -> None:
    records, clock, budget = providers()
    assert records.add(key(1), peer_id(1), HERE)
    clock.now = TTL / 2
    assert records.add(key(1), peer_id(2), HERE)
    assert records.of(key(1)) == [peer_id(2), peer_id(1)]
    clock.now = TTL
    assert records.of(key(1)) == [peer_id(2)]
    records.expire()
    assert len(records) == 1
    records.add(key(1), peer_id(2), THERE)
    clock.now = TTL * 3 / 2
    records.expire()
    assert records.of(key(1)) == [peer_id(2)]
    clock.now = TTL * 2
    records.expire()
    assert (len(records), budget.used) == (0, 0)


def test_a_peer_has_so_many_and_a_key_too() -> None:
    records, _, _ = providers()
    taken = [records.add(key(number), peer_id(1), HERE) for number in range(MAX_PER_PEER + 1)]
    assert taken == [True] * MAX_PER_PEER + [False]
    taken = [records.add(b"key", peer_id(2 + number), HERE) for number in range(MAX_PER_KEY + 1)]
    assert taken == [True] * MAX_PER_KEY + [False]
    assert records.add(b"key", peer_id(2), HERE)  # it is there already


def test_a_flood_pushes_out_its_own() -> None:
    records, _, budget = providers(4 * MIB)
    assert records.add(b"key", peer_id(1), HERE)
    for number in range(2 * records.most):
        peer = peer_id(2 + number // MAX_PER_PEER)
        assert records.add(key(number), peer, THERE)
    assert records.of(b"key") == [peer_id(1)]
    assert len(records) == records.most
    assert budget.used == records.most * RECORD


def test_what_is_pushed_out_may_be_of_the_same_key() -> None:
    records, _, _ = providers(4 * MIB)
    while len(records) < records.most:
        number = len(records)
        records.add(key(number), peer_id(number // MAX_PER_PEER), HERE)
    assert records.add(key(0), peer_id(99), HERE)
    assert records.of(key(0)) == [peer_id(99)]


def test_without_memory_there_is_no_record() -> None:
    records, _, budget = providers()
    pool = budget.pool("kad", 0.1)
    assert pool.take(pool.ceiling)
    assert not records.add(key(1), peer_id(1), HERE)
    assert records.of(key(1)) == []

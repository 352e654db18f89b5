"""The budget: nothing beyond the limit, no room starves another, who can let go is asked first."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import budget
from edge.budget import CEILINGS, KIB, MIB, Budget


def test_a_quarter_of_the_memory_but_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    for memory, limit in ((64, 24), (256, 64), (8192, 2048)):
        monkeypatch.setattr(budget, "memory", lambda memory=memory: memory * MIB)
        assert budget.default_limit() == limit * MIB


def test_a_cgroup_narrows_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = budget.memory()
    for text, expected in (("max\n", machine), (f"{32 * MIB}\n", 32 * MIB), ("garbage", machine)):
        (tmp_path / "memory.max").write_text(text)
        monkeypatch.setattr(budget, "cgroup_files", lambda _: [str(tmp_path / "memory.max"), "/no"])
        assert budget.memory() == expected


def test_what_the_process_takes_itself_is_set_aside() -> None:
    assert Budget(64 * MIB, 24 * MIB).leasable == int(40 * MIB * 0.9)


@given(st.lists(st.tuples(st.sampled_from(sorted(CEILINGS)), st.integers(1, 4 * MIB))))
def test_leases_never_exceed_a_ceiling_nor_the_whole(leases: list[tuple[str, int]]) -> None:
    whole = Budget(48 * MIB, 32 * MIB)
    rooms = {room.name: room for room in whole.rooms}
    for name, size in leases:
        rooms[name].take(size)
        assert rooms[name].used <= rooms[name].ceiling
        assert whole.used == sum(room.used for room in whole.rooms) <= whole.available
    for room in whole.rooms:
        room.give(room.used)
    assert whole.used == 0


def test_a_full_room_leaves_the_others_theirs() -> None:
    whole = Budget(64 * MIB, 24 * MIB)
    while whole.buffers.take(MIB):
        pass
    assert whole.buffers.refused == 1
    assert whole.connections.take(MIB)


def test_relief_is_asked_before_a_lease_is_refused() -> None:
    room = Budget(64 * MIB, 24 * MIB).buffers
    while room.take(64 * KIB):
        pass

    def let_go() -> bool:
        room.give(MIB)
        return True

    room.relief.append(let_go)
    assert room.take(MIB // 2)


def test_relief_is_asked_until_it_is_enough_but_not_for_ever() -> None:
    room = Budget(64 * MIB, 24 * MIB).buffers
    while room.take(64 * KIB):
        pass
    asked = []

    def let_go() -> bool:
        asked.append(1)
        room.give(64 * KIB)
        return True

    room.relief.append(let_go)
    assert room.take(5 * 64 * KIB)
    assert 4 <= len(asked) <= 5
    assert not room.take(40 * 64 * KIB)
    assert len(asked) <= 13


def test_pressure_is_felt_before_the_ceiling() -> None:
    room = Budget(64 * MIB, 24 * MIB).buffers
    assert not room.pressed
    room.take(room.ceiling // 2 + KIB)
    assert room.pressed
    assert room.take(MIB)


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
    while whole.connections.take(64 * KIB) or whole.buffers.take(64 * KIB):
        assert 24 * MIB + 2 * whole.used <= 64 * MIB + 2 * whole.leasable // 32
    assert whole.used > 16 * MIB - 64 * KIB


def test_what_the_c_library_keeps_is_given_back() -> None:
    whole = Budget(64 * MIB, 24 * MIB)
    assert not whole.hoards(30 * MIB)
    assert whole.hoards(40 * MIB)
    whole.buffers.take(10 * MIB)
    assert not whole.hoards(40 * MIB)
    budget.give_back()


def test_counts_follow_the_memory() -> None:
    class Any:
        max_connections = max_window = max_reservations = max_circuits = 0
        socket_buffer = 0

    counts = []
    for limit in (24, 64, 1024):
        swarm, relay = Any(), Any()
        Budget(limit * MIB, 14 * MIB).fill_in(swarm, relay)
        counts.append((swarm.max_connections, relay.max_reservations, relay.max_circuits))
    assert counts == sorted(counts)
    assert counts[0][0] >= 64
    assert counts[-1] == (4096, 2048, 2048)
    fixed = Any()
    fixed.max_connections = 7
    Budget(64 * MIB, 14 * MIB).fill_in(fixed, fixed)
    assert fixed.max_connections == 7

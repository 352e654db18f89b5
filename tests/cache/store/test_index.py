"""The tables: small, however much they stand for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from edge.cache import names as naming
from edge.cache.store import index as tables
from edge.cache.store import layout
from edge.cache.store.index import MAX_FILES, MAX_SEGMENTS, NONE, Index, pieces_for
from edge.units import GIB, MIB, TIB
from edge.wire.merkle import PIECE

MOST = 2 << 20


def name(number: int) -> bytes:
    return naming.name(naming.SHA256, number.to_bytes(32, "big"))


def full(quota: int) -> Index:
    """As much as there can be, all of it verified."""
    index = Index(pieces_for(quota))
    per = index.per_segment
    size = MAX_SEGMENTS // MAX_FILES * per * PIECE
    for number in range(MAX_FILES):
        names = [name(number * 4 + one) for one in range(layout.MAX_NAMES)]
        assert index.add_file(size, 0, names) == number
    for slot in range(MAX_SEGMENTS):
        at, first = slot % MAX_FILES, slot // MAX_FILES * per
        assert index.add_segment(at, slot, first, per // 2) == slot  # all slots, half of a segment
        index.set_verified(slot, 0, per // 2, True)
    return index


@pytest.mark.parametrize("quota", [8 * MIB, 64 * MIB, 64 * GIB, TIB, 16 * TIB])
def test_the_tables_have_a_bound_whatever_the_quota(quota: int) -> None:
    index = full(quota)
    assert index.cost() <= MOST
    assert index.add_file(1, 0, [name(1 << 40)]) == -1
    assert index.add_segment(0, 1, 0, 1) == -1
    for number in (0, 5, 4 * MAX_FILES - 1):
        assert index.find(name(number)) == number // 4
    assert index.find(name(4 * MAX_FILES)) == -1


def anonymous() -> int:
    """Resident bytes of this process that no file backs."""
    found = re.search(r"^RssAnon:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def test_a_terabyte_takes_two_megabytes_more() -> None:
    """What the kernel counts, not what we do, in a process of its own; without pages of files, of
    which others have a say.
    """
    script = (
        "from tests.cache.store.test_index import *\n"
        "Index(1).add_file(1, 0, [name(1)])\n"
        "before = anonymous()\n"
        "from edge.cache.policy import Policy\n"
        "index, policy = full(TIB), Policy(MAX_SEGMENTS)\n"
        "print(anonymous() - before, sum(index.kept))\n"
    )
    command = [sys.executable, "-c", script]
    root = Path(__file__).parents[3]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, cwd=root).stdout
    grown, kept = map(int, answer.split())
    assert kept == TIB
    assert grown <= MOST


def test_segments_grow_with_the_quota_and_fit_on_fat() -> None:
    assert pieces_for(4 * MIB) * PIECE * 8 <= 4 * MIB
    assert pieces_for(GIB) * PIECE == 4 * MIB
    assert pieces_for(64 * GIB) * PIECE <= 8 * MIB
    assert pieces_for(TIB) * PIECE <= 128 * MIB
    assert pieces_for(1024 * TIB) * PIECE < 1 << 32
    for quota in (GIB, TIB, tables.MOST_QUOTA):
        assert quota // (pieces_for(quota) * PIECE) <= MAX_SEGMENTS // 2


def test_parts_of_long_segments_are_verified_as_a_whole() -> None:
    index = Index(512)
    at = index.add_file(1 << 40, 0, [name(1)])
    slot = index.add_segment(at, 1, 0, 500)
    assert index.part == 4
    index.set_verified(slot, 4, 4, True)
    assert index.verified_run(slot, 0) == 0
    assert index.verified_run(slot, 4) == 4
    assert index.verified_run(slot, 6) == 2
    index.set_verified(slot, 8, 4, True)
    assert index.verified_run(slot, 5) == 7
    index.set_verified(slot, 5, 1, False)
    assert index.verified_run(slot, 6) == 0


def test_names_come_and_go() -> None:
    index = Index(16)
    for turn in range(2000):
        at = index.add_file(100, 0, [name(turn), name(turn + 10**6)])
        assert index.find(name(turn)) == at
        if turn % 3:
            index.remove_file(at)
            assert index.find(name(turn)) == -1
            assert index.find(name(turn + 10**6)) == -1
    assert index.files == 667
    assert all(index.find(name(turn)) >= 0 for turn in range(0, 2000, 3))


def test_a_file_has_few_names_and_each_is_one_file_s() -> None:
    index = Index(16)
    one, two = index.add_file(1, 0, [name(1)]), index.add_file(1, 0, [name(2)])
    assert not index.add_name(two, name(1))
    assert index.add_name(one, name(1))
    assert [index.add_name(one, name(10 + more)) for more in range(4)] == [True, True, True, False]


def test_a_chain_of_segments_is_kept_in_order() -> None:
    index = Index(4)
    at = index.add_file(40 * PIECE, 0, [name(1)])
    slots = [index.add_segment(at, number, first, 4) for number, first in enumerate((8, 0, 16, 4))]
    assert [index.first[slot] for slot in index.slots(at)] == [0, 4, 8, 16]
    index.cut(slots[1], 0)
    index.cut(slots[2], 1)
    assert [index.first[slot] for slot in index.slots(at)] == [4, 8, 16]
    assert index.kept[at] == 9 * PIECE
    index.clear(at)
    assert index.head[at] == NONE
    assert index.kept[at] == index.bytes == 0

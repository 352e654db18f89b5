"""The routing table: buckets, places, and who cannot take them all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.budget import Budget, Pool
from edge.kad.table import ENTRY, RoutingTable, kad_id
from edge.units import MIB
from edge.wire.kad import K
from edge.wire.peerid import PeerId
from tests.relay.hosts import peer_id

OWN = peer_id(0)


def pool(memory: int = 64 * MIB) -> Pool:
    return Budget(memory, 0).pool("kad", 1.0)


def somebody(number: int) -> PeerId:
    """Nobody's id, and cheaper than one with a key."""
    return PeerId(b"\x12\x20" + number.to_bytes(32, "big"))


def address(number: int) -> bytes:
    """Each in a /24 of its own."""
    return bytes((5, number >> 8, number & 255, 1))


def in_common(peer: PeerId) -> int:
    return 256 - (kad_id(peer.bytes) ^ kad_id(OWN.bytes)).bit_length()


def test_the_nearest_come_first() -> None:
    table = RoutingTable(OWN, pool())
    peers = [somebody(number) for number in range(1, 31)]
    for number, peer in enumerate(peers):
        table.add(peer, address(number))
    key = kad_id(b"key")
    ordered = sorted(filter(table.__contains__, peers), key=lambda p: kad_id(p.bytes) ^ key)
    assert table.nearest(key, 5) == ordered[:5]
    assert table.nearest(key, 3, {ordered[0], None}) == ordered[1:4]
    assert table.nearest(key, 99) == ordered


def test_who_comes_to_a_full_bucket_waits_and_pushes_nobody_out() -> None:
    table = RoutingTable(OWN, pool())
    far = [peer for peer in map(somebody, range(1, 400)) if in_common(peer) == 0]
    for number, peer in enumerate(far):
        table.add(peer, address(number))
    assert [peer for peer in far if peer in table] == far[:K]
    table.remove(far[3])
    assert far[3] not in table and far[K] in table
    table.remove(far[K + 1])  # who waits may go, too
    table.remove(far[4])
    assert far[K + 2] in table and len(table) == K


def test_one_network_does_not_fill_the_table() -> None:
    """Any number of peers from one /24, and of ids that are near to this node."""
    table = RoutingTable(OWN, pool())
    for number in range(2000):
        table.add(somebody(number), bytes((5, 1, 1, number & 255)))
    assert len(table) <= 8
    for number in range(2000, 2010):
        table.add(somebody(number), bytes((6, 1, 1, 1)))
    assert len(table) <= 8 + 2
    for number in range(3000, 3100):  # IPv6: a /48 is what a household is given
        table.add(somebody(number), bytes((0x20, 3, 0, 0, 0, 0, number >> 8, number & 255)) * 2)
    assert len(table) <= 8 + 2 + 8


def test_sybils_around_a_key_do_not_push_out_who_was_there() -> None:
    table = RoutingTable(OWN, pool())
    live = somebody(1)
    table.add(live, address(1))
    key = kad_id(live.bytes)
    near = sorted(map(somebody, range(2, 3000)), key=lambda peer: kad_id(peer.bytes) ^ key)[:200]
    for number, peer in enumerate(near):
        table.add(peer, address(2 + number))
    assert table.nearest(key, 1) == [live]


def test_a_peer_has_one_entry_and_gives_back_what_it_took() -> None:
    leases = pool()
    table = RoutingTable(OWN, leases)
    for _ in range(2):
        table.add(somebody(1), address(1))
    assert (len(table), leases.used) == (1, ENTRY)
    for _ in range(2):
        table.remove(somebody(1))
    assert (len(table), leases.used) == (0, 0)


def test_without_memory_there_is_no_place() -> None:
    leases = pool()
    table = RoutingTable(OWN, leases)
    rest = leases.ceiling
    assert leases.take(rest)
    table.add(somebody(1), address(1))
    assert len(table) == 0
    leases.give(rest)
    table.add(somebody(1), address(1))
    assert len(table) == 1


def test_the_table_leaves_most_of_the_memory_to_others() -> None:
    leases = pool(MIB)
    table = RoutingTable(OWN, leases)
    for number in range(500):
        table.add(somebody(number), address(number))
    assert ENTRY < leases.used <= leases.ceiling // 4


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 40), st.integers(0, 5))))
def test_whatever_comes_and_goes_the_counts_hold(steps: list[tuple[bool, int, int]]) -> None:
    leases = pool()
    table = RoutingTable(OWN, leases)
    there: set[int] = set()
    for comes, number, network in steps:
        if comes:
            table.add(somebody(number), bytes((5, 1, network, number)))
            there.add(number)
        else:
            table.remove(somebody(number))
            there.discard(number)
        assert len(table) * ENTRY <= leases.used <= len(there) * ENTRY
    for number in range(1, 41):
        table.remove(somebody(number))
    assert (leases.used, bool(table._crowd), table._buckets) == (0, False, {})

"""The routing table: who gets a place, who keeps it, and who is nearest."""

import hashlib

import pytest

from edge.budget import Budget
from edge.dht.routing import (
    MAX_PER_GROUP,
    MAX_PER_NETWORK,
    NODE,
    K,
    RoutingTable,
    node_id_of,
    sha1_of,
)
from edge.units import MIB
from edge.wire.peerid import PeerId

OWN = PeerId(b"\x00\x03own")
FAR = 1 << 159  # flips the first bit: the farthest bucket, which holds half of all ids


def peer(number: int) -> PeerId:
    return PeerId(b"\x00\x04" + number.to_bytes(4, "big"))


class Table(RoutingTable):
    """One with a budget of its own. `at`: an id at that distance from this node's."""

    def __init__(self) -> None:
        self.pool = Budget(64 * MIB, 0).pool("nodes", 0.5)
        super().__init__(OWN, self.pool)

    def at(self, distance: int) -> int:
        return self.own ^ distance

    def fill(self, count: int = K) -> None:
        """`count` peers of the farthest bucket, each of another network."""
        for number in range(count):
            self.answered(self.at(FAR + number), peer(number), bytes([1, number]), number)


def test_the_own_id_follows_from_the_peer_id() -> None:
    assert Table().own == int(hashlib.sha1(OWN.bytes).hexdigest(), 16)


def test_a_node_id_is_what_the_peer_says() -> None:
    assert node_id_of(bytes(19) + b"\7", OWN) == 7
    assert node_id_of(OWN.bytes, OWN) == sha1_of(OWN)  # as KwaaiNet's older versions have it
    for said in (b"", bytes(19), bytes(21)):
        assert node_id_of(said, OWN) is None


def test_who_has_answered_has_a_place_until_it_fails() -> None:
    table = Table()
    table.answered(7, peer(1), b"", 0.0)
    assert peer(1) in table and len(table) == 1 and table.pool.used == NODE
    table.failed(peer(1))
    assert peer(1) not in table and len(table) == 0 and table.pool.used == 0


def test_this_node_is_not_in_its_own_table() -> None:
    table = Table()
    table.answered(table.own, peer(1), b"", 0.0)
    assert len(table) == 0


def test_a_newcomer_waits_while_those_of_a_full_bucket_answer() -> None:
    table = Table()
    table.fill()
    rival = table.answered(table.at(FAR + 99), peer(99), b"new", 99.0)
    assert rival is not None and rival.peer == peer(0)  # heard of least recently
    table.answered(rival.id, rival.peer, rival.group, 100.0)  # it is still there
    assert peer(99) not in table and peer(0) in table
    rival = table.answered(table.at(FAR + 99), peer(99), b"new", 101.0)
    assert rival is not None and rival.peer == peer(1)
    table.failed(rival.peer)
    assert peer(99) in table and peer(1) not in table


def test_a_flood_of_ids_pushes_out_nobody_and_is_bounded() -> None:
    table = Table()
    table.fill()
    for number in range(1000):
        table.answered(table.at(FAR + 1000 + number), peer(1000 + number), b"", 1e3 + number)
    assert all(peer(number) in table for number in range(K))
    assert table.pool.used == 2 * K * NODE


@pytest.mark.parametrize("around", [bytes((5, 1, 1)), bytes.fromhex("20010db8000142")])
def test_a_network_has_half_of_a_bucket_however_many_addresses_it_has(around: bytes) -> None:
    table = Table()
    for number in range(100):
        group = around + bytes([number])
        table.answered(table.at(FAR + number), peer(number), group, float(number))
    assert len(table) == min(MAX_PER_NETWORK, 2 * MAX_PER_GROUP if len(around) == 7 else K)
    assert table.pool.used == 2 * len(table) * NODE
    rival = table.answered(table.at(FAR + 100), peer(100), around + b"x", 100.0)
    assert rival is not None and rival.peer == peer(0)
    table.answered(table.at(FAR + 200), peer(200), bytes((5, 1, 2, 1)), 0.0)
    assert peer(200) in table


def test_one_address_has_few_places_in_a_bucket() -> None:
    table = Table()
    for number in range(100):
        table.answered(table.at(FAR + number), peer(number), b"same", 0.0)
    assert len(table) == MAX_PER_GROUP
    assert table.pool.used == 2 * MAX_PER_GROUP * NODE
    table.answered(table.at(FAR + 200), peer(200), b"other", 0.0)
    assert peer(200) in table
    table.answered(table.at(FAR // 2), peer(201), b"same", 0.0)  # another bucket
    assert peer(201) in table


def test_private_networks_have_no_limit() -> None:
    table = Table()
    for number in range(K):
        table.answered(table.at(FAR + number), peer(number), b"", 0.0)
    assert len(table) == K


def test_a_peer_has_one_id() -> None:
    table = Table()
    table.answered(7, peer(1), b"", 0.0)
    table.answered(8, peer(1), b"", 1.0)
    assert [node.id for node in table] == [8]


def test_nobody_takes_the_id_of_another() -> None:
    table = Table()
    table.answered(7, peer(1), b"", 0.0)
    table.answered(7, peer(2), b"", 1.0)
    assert [node.peer for node in table] == [peer(1)]


def test_an_id_that_follows_from_a_peer_id_belongs_to_that_peer() -> None:
    table = Table()
    table.answered(sha1_of(peer(1)), peer(2), b"", 0.0)
    table.answered(sha1_of(peer(1)), peer(1), b"", 1.0)
    assert [node.peer for node in table] == [peer(1)]


def test_nothing_is_kept_without_memory() -> None:
    table = Table()
    table.pool.take(table.pool.ceiling)
    assert table.answered(7, peer(1), b"", 0.0) is None
    assert len(table) == 0


@pytest.mark.parametrize("target", [0, 5, FAR, (1 << 160) - 1])
def test_the_nearest_are_found_whatever_bucket_they_are_in(target: int) -> None:
    table = Table()
    for number in range(60):
        distance = 1 << (100 + number)
        table.answered(table.at(distance), peer(number), b"", 0.0)
    expected = sorted(table, key=lambda node: node.id ^ target)
    assert table.nearest(target, 20) == expected[:20]
    without = [node for node in expected if node.peer != expected[0].peer]
    assert table.nearest(target, 20, but=expected[0].peer) == without[:20]

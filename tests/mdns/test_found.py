"""Whom a node believes to have found, and where it may dial them."""

import pytest

from edge import crypto
from edge.budget import Budget
from edge.mdns.found import CAPACITY, PER_HOST, FoundPeers, near, within
from edge.units import MIB
from edge.wire import ip
from edge.wire.mdns import Entry
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import PeerId, PublicKey

LAN = "lan"
SUBNETS = [
    (ip.parse_ip4("192.168.1.2"), 24),
    (ip.parse_ip6("fd00::2"), 64),
    (ip.parse_ip6("fe80::2"), 64),
]


def peer(number: int) -> PeerId:
    key = crypto.Ed25519Key.from_seed(number.to_bytes(32, "big"))
    return PublicKey(type=1, data=key.public).peer_id()


def entry(number: int, ttl: int = 100) -> Entry:
    return Entry(bytes((1, number, 0)), peer(number), [], ttl)


def host(number: int) -> tuple[bytes, str]:
    return bytes((192, 168, 1, number)), LAN


def table() -> tuple[FoundPeers, Budget]:
    budget = Budget(64 * MIB, 0)
    return FoundPeers(budget.pool("tables", 0.5)), budget


def test_a_host_has_a_part_of_the_table() -> None:
    found, _ = table()
    told = [found.learn(entry(i), [], host(1), 0.0) for i in range(PER_HOST + 5)]
    assert sum(told) == len(found.peers) == PER_HOST
    assert found.learn(entry(99), [], host(2), 0.0)


def test_the_table_has_a_capacity_and_keeps_whom_it_has() -> None:
    found, budget = table()
    for i in range(CAPACITY + 20):
        found.learn(entry(i), [], host(i // PER_HOST), 0.0)
    assert list(found.peers) == [peer(i) for i in range(CAPACITY)]
    assert budget.used > 0
    found.expire(100.0)
    assert (len(found.peers), budget.used) == (0, 0)


def test_nothing_is_learnt_without_memory() -> None:
    budget = Budget(0, 0)
    pool = budget.pool("tables", 0.0)
    assert not FoundPeers(pool).learn(entry(1), [], host(1), 0.0)


def test_a_goodbye_and_a_link_that_is_left() -> None:
    found, budget = table()
    for i in (1, 2):
        found.learn(entry(i), [], host(i), 0.0)
    found.gone(entry(1).instance)
    assert list(found.peers) == [peer(2)]
    found.keep([])
    assert (len(found.peers), budget.used) == (0, 0)


def test_who_is_known_for_long_enough() -> None:
    found, _ = table()
    found.learn(entry(1, ttl=4500), [], host(1), 0.0)
    assert list(found.lasting(LAN, 100.0, 0.0)) == [(entry(1).instance, 4400)]
    assert not list(found.lasting("other", 100.0, 0.0))
    assert not list(found.lasting(LAN, 2400.0, 0.0))  # it would be told again
    assert not list(found.lasting(LAN, 1000.0, 3600.0))  # it ends before the next question


@pytest.mark.parametrize(
    ("address", "usable"),
    [
        ("/ip4/192.168.1.9/tcp/1", True),
        ("/ip6/fd00::9/tcp/1", True),
        ("/ip4/192.168.1.2/tcp/1", False),  # this node's own
        ("/ip4/192.168.1.0/tcp/1", False),
        ("/ip4/192.168.1.255/tcp/1", False),
        ("/ip4/192.168.2.9/tcp/1", False),
        ("/ip4/127.0.0.1/tcp/1", False),
        ("/ip4/8.8.8.8/tcp/1", False),
        ("/ip6/fe80::9/tcp/1", False),
        ("/ip6/fd00:0:0:1::9/tcp/1", False),
        ("/ip6/::ffff:192.168.1.9/tcp/1", False),
        ("/ip6/::1/tcp/1", False),
    ],
)
def test_addresses_of_the_link_alone(address: str, usable: bool) -> None:
    assert bool(near([Multiaddr.from_string(address)], host(9)[0], SUBNETS)) is usable


def test_another_node_on_this_machine() -> None:
    own = SUBNETS[0][0]
    assert near([Multiaddr.from_ip(own, 4002)], own, SUBNETS)


def test_networks_of_one_and_of_two() -> None:
    assert not within(bytes((10, 0, 0, 1)), [(bytes((10, 0, 0, 1)), 32)])
    assert within(bytes((10, 0, 0, 1)), [(bytes((10, 0, 0, 0)), 31)])

"""What follows from dial-backs that arrived or failed, and what two or three liars achieve."""

from __future__ import annotations

import pytest

from edge.swarm.addresses import PRIVATE, PUBLIC, UNKNOWN, OwnAddresses
from edge.wire.multiaddr import Multiaddr
from tests.swarm.test_witnesses import LISTENING, OURS, OURS6, addresses, networks, tell

VICTIM = Multiaddr.from_string("/ip4/8.8.8.8/tcp/4001")


def network(number: int) -> bytes:
    return bytes((5, number))


def dial(own: OwnAddresses, *numbers: int, at: Multiaddr = OURS, reached: bool = True) -> None:
    """Peers in these networks have dialled `at`."""
    for number in numbers:
        own.dialled_back(network(number), at, reached, float(number))


def test_two_that_arrived_confirm_an_address_and_three_make_it_certain() -> None:
    own = addresses()
    dial(own, 1)
    assert (own.nat, own.confirmed) == (UNKNOWN, [])
    dial(own, 1, 1, 2)
    assert (own.nat, own.confirmed, own.certain) == (PUBLIC, [OURS], False)
    dial(own, 3)
    assert (own.confirmed, own.certain, own.dial_backs) == ([OURS], True, (3, 0))


def test_each_family_is_confirmed_for_itself() -> None:
    own = addresses()
    dial(own, 1, 2)
    dial(own, 3, 4, at=OURS6)
    assert set(own.confirmed) == {OURS, OURS6}


def test_no_address_is_confirmed_where_as_many_see_the_node_elsewhere() -> None:
    """Two liars who reach it say that they have reached a victim."""
    own = addresses()
    dial(own, 101, 102, at=VICTIM)
    tell(own, networks(2))
    assert (own.confirmed, own.nat) == ([], PRIVATE)
    tell(own, networks(4))
    assert own.confirmed == [OURS]
    dial(own, 103, at=VICTIM)
    assert (own.confirmed, own.certain) == ([OURS], False)


def test_honest_dial_backs_outweigh_those_of_liars() -> None:
    own = addresses()
    dial(own, 101, 102, at=VICTIM)
    dial(own, 1, 2)
    assert own.confirmed == []
    dial(own, 3)
    assert own.confirmed == [OURS]


def test_an_address_that_is_no_longer_ours_is_not_confirmed() -> None:
    listening = list(LISTENING)
    own = OwnAddresses([], lambda: listening, list)
    dial(own, 1, 2, 3)
    assert own.certain
    listening.clear()
    assert (own.confirmed, own.certain) == ([], False)
    own.set_mapped([OURS])
    assert own.confirmed == [OURS]


def test_a_failure_means_nat_until_one_arrives() -> None:
    own = addresses()
    dial(own, 1, reached=False)
    assert own.nat == PRIVATE
    dial(own, 2)
    assert own.nat == UNKNOWN
    dial(own, 1)
    assert own.nat == PUBLIC


def test_a_confirmed_address_is_doubted_where_three_networks_reach_nothing() -> None:
    """A firewall before a public address: it is still told, and reservations help."""
    own = addresses(OURS)
    dial(own, 1, 2, reached=False)
    assert own.nat == PUBLIC
    dial(own, 3, reached=False)
    assert (own.nat, own.confirmed) == (PRIVATE, [OURS])
    dial(own, 4)
    assert own.nat == PUBLIC


def test_dial_backs_end_with_their_time_and_with_the_network() -> None:
    own = addresses()
    told: list[str] = []
    own.changed.append(lambda: told.append(own.nat))
    dial(own, 1, 2, 3)
    assert own.dialled_back_since(2.0) == {network(2), network(3)}
    own.forget_dial_backs(3.0)
    assert (own.dial_backs, told) == ((1, 0), [PUBLIC, PUBLIC, UNKNOWN])
    own.forget_observations()
    assert own.dial_backs == (0, 0)


def test_what_peers_cause_is_told_as_hearsay() -> None:
    own = addresses()
    hearsay: list[bool] = []
    own.changed.append(lambda: hearsay.append(own.hearsay))
    dial(own, 1, 2)
    assert hearsay == [True]


def test_the_table_of_dial_backs_is_bounded() -> None:
    own = addresses()
    dial(own, *range(100), reached=False)
    assert own.dial_backs == (0, 16)


@pytest.mark.parametrize(
    ("ip", "found"),
    [
        (bytes((9, 9, 9, 9)), [OURS]),
        (bytes((8, 8, 8, 8)), ["/ip4/8.8.8.8/tcp/443", "/ip4/8.8.8.8/tcp/4001"]),
        (OURS6.ip(), [OURS6]),
    ],
)
def test_where_it_may_be_found_at_an_ip(ip: bytes, found: list[object]) -> None:
    """At the ports that it listens on, and where it is configured to be."""
    own = addresses(Multiaddr.from_string("/ip4/8.8.8.8/tcp/443"))
    assert [str(each) for each in own.candidates(ip)] == [str(each) for each in found]

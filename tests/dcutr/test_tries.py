"""How often others may make this node dial."""

from edge.dcutr.tries import IN_ALL, PER_PEER, WINDOW, Tries
from tests.relay.hosts import peer_id


def test_a_peer_and_all_of_them_have_their_limits_in_each_window() -> None:
    now = 100.0
    tries = Tries(lambda: now)
    first = peer_id(0)
    assert [tries.take(first) for _ in range(PER_PEER + 1)] == [True] * PER_PEER + [False]
    others = [peer_id(number) for number in range(1, IN_ALL)]
    assert sum(map(tries.take, others)) == IN_ALL - PER_PEER
    assert not tries.take(peer_id(IN_ALL))
    now += WINDOW - 0.1
    assert not tries.take(first)
    now += 0.2
    assert tries.take(first)

"""What the cache keeps when there is no room for all."""

import random
import sys

from edge.cache.policy import MAX_SLOTS, Ghosts, Policy


def everything(_: int) -> bool:
    return True


def numbers(count: int) -> list[int]:
    made = random.Random(1)
    return [made.getrandbits(32) for _ in range(count)]


def full(slots: int) -> Policy:
    policy = Policy(slots)
    for slot in range(slots):
        policy.kept(slot)
    return policy


def test_the_second_request_is_admitted_the_first_is_not() -> None:
    policy = full(8)
    assert not policy.admits(1)
    assert policy.admits(1)


def test_what_was_admitted_and_went_again_begins_anew() -> None:
    policy = full(8)
    policy.admits(1)
    assert policy.admits(1)
    assert not policy.admits(1)


def test_a_scan_larger_than_the_cache_is_not_admitted_even_if_repeated() -> None:
    policy = full(100)
    keys = numbers(1000)
    assert not any(policy.admits(key) for _ in range(3) for key in keys)


def test_all_but_few_of_the_last_misses_are_remembered_and_no_others() -> None:
    ghosts = Ghosts(1000)
    keys = numbers(5000)
    for key in keys:
        ghosts.add(key)
    assert not any(ghosts.take(key) for key in keys[:3900])
    assert sum(ghosts.take(key) for key in keys[4000:]) > 900


def test_time_goes_round() -> None:
    ghosts = Ghosts(10)
    ghosts._now = (1 << 16) - 3
    keys = numbers(6)
    for key in keys:
        ghosts.add(key)
    assert all(ghosts.take(key) for key in keys)


def test_nothing_is_remembered_at_first() -> None:
    assert not Ghosts(4).take(0)


def test_the_clock_passes_by_what_was_asked_for() -> None:
    policy = full(4)
    policy.hit(0)
    policy.hit(1)
    policy.hit(1)
    gone = []
    for _ in range(4):
        victim = policy.victim(everything)
        assert victim is not None
        gone.append(victim)
        policy.freed(victim)
    assert gone == [2, 3, 0, 1]
    assert policy.victim(everything) is None


def test_what_may_not_go_stays() -> None:
    policy = full(4)
    policy.hit(3)
    assert policy.victim(lambda slot: slot == 3) == 3
    assert policy.victim(lambda _: False) is None


def test_a_victim_stays_the_next_until_it_is_freed() -> None:
    policy = full(4)
    assert policy.victim(everything) == policy.victim(everything) == 0
    policy.freed(0)
    assert policy.victim(everything) == 1


def test_the_largest_store_takes_an_eighth_of_a_megabyte_of_ghosts() -> None:
    ghosts = Ghosts(MAX_SLOTS)
    assert sys.getsizeof(ghosts._keys) + sys.getsizeof(ghosts._times) < 140_000

"""How often something is done for each of many."""

from edge.swarm.rate import Rate


def test_a_rate_is_for_each_and_the_quietest_is_forgotten() -> None:
    now = 0.0
    rate = Rate(lambda: now, times=2, period=60.0, most=2)
    assert [rate.take("a") for _ in range(3)] == [True, True, False]
    assert rate.take("b")
    now = 30.0
    assert [rate.take("a") for _ in range(2)] == [True, False]
    assert rate.take("c")
    assert len(rate._full_at) == 2
    assert not rate.take("a")

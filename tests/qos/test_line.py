"""Counters as the kernel writes them, and whose the bytes are."""

from edge.qos.line import counters, household, parse_counters

COUNTERS = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop
    lo:    1000      10    0    0    0     0          0         0     2000      20    0    0
 wan.7:99999999999   1    0    0    0     0          0         0       44       1    0    0
"""


def test_counters_of_sent_and_received() -> None:
    assert parse_counters(COUNTERS, "lo") == (2000, 1000)
    assert parse_counters(COUNTERS, "wan.7") == (44, 99999999999)
    assert parse_counters(COUNTERS, "wan") is None


def test_no_proc() -> None:
    assert parse_counters("", "lo") is None
    assert counters("nosuch") is None


def test_what_is_not_ours_is_the_households() -> None:
    assert household((1000.0, 5000.0), (0.0, 1000.0)) == (1000.0, 3900.0)
    assert household((1000.0, 1000.0), (1000.0, 5000.0)) == (0.0, 0.0)

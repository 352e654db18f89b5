"""Routes and counters as the kernel writes them, and with something missing."""

import socket

import pytest

from edge.qos import line
from edge.qos.line import Route, find, household, parse_counters

ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
lte\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
lo\t00000000\t017AA8C0\t0003\t0\t0\t5\t00000000\t0\t0\t0
old\t00000000\t027AA8C0\t0002\t0\t0\t1\t00000000\t0\t0\t0
lan\t0000A8C0\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
"""
ZERO = "0" * 32
ROUTES6 = f"""\
{"fe80" + "0" * 28} 40 {ZERO} 00 {ZERO} 00000100 00000001 00000000 00000001      lan
{ZERO} 00 {ZERO} 00 {ZERO} ffffffff 00000001 00000000 00200200       lo
{ZERO} 00 {ZERO} 00 {"fe80" + "0" * 27 + "1"} 00000200 00000002 00000000 00000003       lo
"""
COUNTERS = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop
    lo:    1000      10    0    0    0     0          0         0     2000      20    0    0
 wan.7:99999999999   1    0    0    0     0          0         0       44       1    0    0
"""


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the files hold: of the interfaces there is only `lo`, as everywhere."""
    texts = {line._ROUTES: "", line._ROUTES6: "", line._COUNTERS: COUNTERS}
    monkeypatch.setattr(line, "_read", lambda path: texts[path])
    return texts


def test_the_default_route_with_the_least_metric_that_is_up(told: dict[str, str]) -> None:
    told[line._ROUTES] = ROUTES
    assert find() == Route("lo", socket.inet_aton("192.168.122.1"), socket.if_nametoindex("lo"))
    assert find("lo") == find()


def test_an_interface_that_is_gone_is_no_way(told: dict[str, str]) -> None:
    told[line._ROUTES] = ROUTES
    assert find("lte") is None
    assert find("nosuch") is None


def test_ipv6_alone(told: dict[str, str]) -> None:
    told[line._ROUTES6] = ROUTES6
    route = find()
    assert route is not None
    assert (route.interface, route.gateway) == ("lo", socket.inet_pton(socket.AF_INET6, "fe80::1"))


def test_no_wan_and_no_proc(told: dict[str, str]) -> None:
    assert find() is None
    assert parse_counters("", "lo") is None
    assert line.counters("nosuch") is None


def test_an_interface_named_by_the_operator_needs_no_route(told: dict[str, str]) -> None:
    route = find("lo")
    assert route is not None
    assert route.gateway is None  # lo is no line between two


def test_counters_of_sent_and_received() -> None:
    assert parse_counters(COUNTERS, "lo") == (2000, 1000)
    assert parse_counters(COUNTERS, "wan.7") == (44, 99999999999)
    assert parse_counters(COUNTERS, "wan") is None


def test_files_that_are_not_there_are_empty() -> None:
    assert line._read("/proc/nosuch") == ""


def test_what_is_not_ours_is_the_households() -> None:
    assert household((1000.0, 5000.0), (0.0, 1000.0)) == (1000.0, 3900.0)
    assert household((1000.0, 1000.0), (1000.0, 5000.0)) == (0.0, 0.0)

"""Routes as the kernel writes them, and with something missing."""

import socket

import pytest

from edge.swarm import routes
from edge.swarm.routes import Route, find

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


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the files hold: of the interfaces there is only `lo`, as everywhere."""
    texts = {routes._ROUTES: "", routes._ROUTES6: ""}
    monkeypatch.setattr(routes, "read", lambda path: texts[path])
    return texts


def test_the_default_route_with_the_least_metric_that_is_up(told: dict[str, str]) -> None:
    told[routes._ROUTES] = ROUTES
    assert find() == Route("lo", socket.inet_aton("192.168.122.1"), socket.if_nametoindex("lo"))
    assert find("lo") == find()


def test_an_interface_that_is_gone_is_no_way(told: dict[str, str]) -> None:
    told[routes._ROUTES] = ROUTES
    assert find("lte") is None
    assert find("nosuch") is None


def test_ipv6_alone(told: dict[str, str]) -> None:
    told[routes._ROUTES6] = ROUTES6
    route = find()
    assert route is not None
    assert (route.interface, route.gateway) == ("lo", socket.inet_pton(socket.AF_INET6, "fe80::1"))


def test_no_wan_and_no_proc(told: dict[str, str]) -> None:
    assert find() is None


def test_an_interface_named_by_the_operator_needs_no_route(told: dict[str, str]) -> None:
    route = find("lo")
    assert route is not None
    assert route.gateway is None  # lo is no line between two


def test_files_that_are_not_there_are_empty() -> None:
    assert routes.read("/proc/nosuch") == ""


def test_all_ways(told: dict[str, str]) -> None:
    assert routes.ways() == set()
    told[routes._ROUTES], told[routes._ROUTES6] = (
        ROUTES,
        ROUTES6.replace("003       lo", "003     ppp0"),
    )
    assert routes.ways() == {"lte", "lo", "ppp0"}

"""On which links a node seeks peers, and where it says it is reached on them."""

from collections.abc import Callable

import pytest

from edge.mdns import links
from edge.mdns.link import own_addresses
from edge.swarm import routes
from edge.wire.ip import parse_ip4, parse_ip6
from edge.wire.multiaddr import Multiaddr

NETWORKS = [
    (parse_ip4("127.0.0.1"), "lo", 8),
    (parse_ip4("192.168.1.2"), "eth0", 24),
    (parse_ip4("172.17.0.1"), "docker0", 16),
    (parse_ip4("192.168.5.1"), "eth0.5", 24),
    (parse_ip4("10.8.0.2"), "tun0", 32),
    (parse_ip4("5.1.1.1"), "eth1", 24),
    (parse_ip6("fd00::1"), "wlan0", 64),
]
FLAGS = dict.fromkeys(("eth0", "docker0", "eth0.5", "eth1", "wlan0"), 0x1043)
FLAGS |= {"lo": 0x9, "tun0": 0x1091}

Machine = Callable[..., list[str]]


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """links.chosen() on a machine with NETWORKS and a default route by `way`."""

    def choose(
        *wanted: str, way: str = "eth0", router: bool = False, openwrt: bool = False
    ) -> list[str]:
        texts = {
            "/etc/openwrt_release": "DISTRIB_ID='OpenWrt'\n" if openwrt else "",
            "/sys/class/net/docker0/uevent": "DEVTYPE=bridge\nINTERFACE=docker0\n",
            "/sys/class/net/eth0.5/uevent": "DEVTYPE=vlan\nINTERFACE=eth0.5\n",
        }
        monkeypatch.setattr(routes, "read", lambda path: texts.get(path, ""))
        monkeypatch.setattr(routes, "ways", lambda: {way})
        monkeypatch.setattr(links, "_flags", lambda name: FLAGS[name])
        return links.chosen(wanted, router, NETWORKS)

    return choose


def test_by_itself_those_of_the_household(chosen: Machine) -> None:
    assert chosen() == ["eth0", "wlan0"]


def test_a_bridge_with_the_default_route_is_the_lan(chosen: Machine) -> None:
    assert chosen(way="docker0") == ["eth0", "docker0", "wlan0"]


def test_a_router_never_its_way_to_the_internet(chosen: Machine) -> None:
    assert chosen(router=True) == ["wlan0"]


def test_openwrt_has_one(chosen: Machine) -> None:
    assert chosen(router=True, openwrt=True) == ["br-lan"]


def test_what_is_configured_is_taken_as_it_is(chosen: Machine) -> None:
    assert chosen("docker0", "eth0.5", "docker0", router=True) == ["docker0", "eth0.5"]


def test_own_addresses_are_those_on_the_link() -> None:
    subnets = [
        (parse_ip4("192.168.1.2"), 24),
        (parse_ip6("fe80::1"), 64),
        (parse_ip6("fd00::1"), 64),
    ]

    def told(*listen: str) -> list[str]:
        found = own_addresses([Multiaddr.from_string(each) for each in listen], subnets)
        return [str(address) for address in found]

    assert told("/ip4/0.0.0.0/tcp/4001", "/ip6/::/tcp/4002") == [
        "/ip4/192.168.1.2/tcp/4001",
        "/ip6/fd00::1/tcp/4002",
    ]
    assert told("/ip4/192.168.1.2/tcp/1", "/ip4/192.168.2.2/tcp/1", "/ip4/127.0.0.1/tcp/1") == [
        "/ip4/192.168.1.2/tcp/1"
    ]

"""Who is served, by which names, and where the gateway may connect to."""

import pytest

from edge.cache.lan import Lan, LocalNames, Reach
from edge.config.load import load
from edge.config.schema import Cache, Origin
from edge.swarm import interfaces, routes
from edge.wire.ip import parse_ip4, parse_ip6


def section(**options: str) -> Cache:
    environ = {f"KWAAINET_CACHE_{name.upper()}": value for name, value in options.items()}
    return load(None, {"KWAAINET_CONFIG": "/dev/null", **environ}, {})[Cache]


@pytest.mark.parametrize(
    ("ip", "served"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("192.168.1.7", True),
        ("::ffff:192.168.1.7", True),
        ("10.1.2.3", True),
        ("169.254.1.1", True),
        ("fe80::1", True),
        ("fd12::1", True),
        ("100.64.0.1", False),  # the provider's network, or a VPN's: to be configured
        ("8.8.8.8", False),
        ("::ffff:8.8.8.8", False),
        ("2a00:1:2:3::7", True),  # of br-lan
        ("2a00:1:2:4::7", False),  # of the WAN
        ("198.51.100.9", True),  # configured
        ("nonsense", False),
    ],
)
def test_who_is_served(ip: str, served: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    networks = [
        (parse_ip6("2a00:1:2:3::1"), "br-lan", 64),
        (parse_ip6("2a00:1:2:4::1"), "wan", 64),
    ]
    monkeypatch.setattr(interfaces, "networks", lambda: networks)
    monkeypatch.setattr(routes, "ways", lambda: {"wan"})
    lan = Lan(lambda: 100.0)
    lan.configure(section(gateway_networks="198.51.100.0/24"))
    assert lan.admits(ip) is served


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("router.lan", True),
        ("nas.local", True),
        ("x.home.arpa", True),
        ("a.internal", True),
        ("router", True),  # no domain can be registered that has no dot
        ("cache.example.org", True),  # configured
        ("evil.example", False),
        ("lan.evil.example", False),
        ("evillan", True),
        ("evil.notlan", False),
    ],
)
def test_names(name: str, ours: bool) -> None:
    assert (name in LocalNames(["cache.example.org"])) is ours


@pytest.mark.parametrize(
    ("ip", "host", "port", "allowed"),
    [
        ("8.8.8.8", "huggingface.co", 443, True),
        ("8.8.8.8", "anything.example", 443, True),  # which hosts, the origins' own rules say
        ("192.168.1.2", "cdn.hf.co", 443, False),  # a name server or redirect leads into the house
        ("127.0.0.1", "cdn.hf.co", 443, False),
        ("169.254.169.254", "169.254.169.254", 80, False),  # a cloud's metadata
        ("192.168.1.3", "nas.lan", 8080, True),  # configured
        ("192.168.1.3", "nas.lan", 22, False),
        ("127.0.0.1", "127.0.0.1", 9000, True),
        ("127.0.0.1", "127.0.0.1", 8421, False),  # the gateway itself
    ],
)
def test_where_it_connects(ip: str, host: str, port: int, allowed: bool) -> None:
    reach = Reach()
    origins: list[Origin] = []
    section_ = section(
        hub="http://nas.lan:8080",
        registry="http://127.0.0.1:8421",
        storage_hosts="127.0.0.1:9000,*.hf.co",
    )
    reach.configure(section_, origins, {8421})
    assert reach.allows(parse_ip4(ip), host, port) is allowed
    assert reach.refused == (not allowed)

"""Which own addresses whom is told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from edge.swarm.addresses import OwnAddresses
from edge.swarm.connection import Connection
from edge.wire.ip import parse_ip4, parse_ip6
from edge.wire.multiaddr import Multiaddr

FOUR = ("127.0.0.1", "192.168.1.1", "169.254.7.7", "100.64.5.5", "5.1.1.10")
INTERFACES = (*FOUR, "::1", "fe80::1", "fd00::1")


def from_(remote: str) -> Connection:
    known = SimpleNamespace(
        remote=Multiaddr.from_string(remote), direct=True, initiator=False, dialled_from=0
    )
    return cast("Connection", known)


def ip(text: str) -> bytes:
    return parse_ip6(text) if ":" in text else parse_ip4(text)


@pytest.fixture
def own() -> OwnAddresses:
    """Of a machine with these interfaces."""
    listening = [Multiaddr.from_string(f"/{host}/tcp/1") for host in ("ip4/0.0.0.0", "ip6/::")]
    made = OwnAddresses([], lambda: listening, lambda: map(ip, INTERFACES))
    made.refresh()
    return made


PUBLIC, LAN, LAN6 = "/ip4/5.1.1.10/tcp/1", "/ip4/192.168.1.1/tcp/1", "/ip6/fd00::1/tcp/1"
SHARED = "/ip4/100.64.5.5/tcp/1"  # with other customers of the provider
LOOPBACK = ["/ip4/127.0.0.1/tcp/1", "/ip6/::1/tcp/1"]


@pytest.mark.parametrize(
    ("remote", "told"),
    [
        ("/ip4/8.8.8.8/tcp/9", [PUBLIC]),
        ("/ip4/192.168.1.7/tcp/9", [PUBLIC, LAN, LAN6]),
        ("/ip6/fe80::9/tcp/9", [PUBLIC, LAN, LAN6]),
        ("/ip4/169.254.9.9/tcp/9", [PUBLIC, LAN, LAN6]),
        ("/ip4/127.0.0.1/tcp/9", [PUBLIC, LAN, LAN6, SHARED, *LOOPBACK]),
        ("/ip4/100.127.9.9/tcp/9", [PUBLIC, SHARED]),
        ("/ip4/198.18.9.9/tcp/9", [PUBLIC]),
    ],
)
def test_an_address_is_told_to_those_who_are_where_it_leads_and_link_local_ones_to_nobody(
    own: OwnAddresses, remote: str, told: list[str]
) -> None:
    assert sorted(map(str, own.advertised_to(from_(remote)))) == sorted(told)

"""Who may use the relay: lists, private mode, networks, what tells a peer of this network."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from edge.config.schema import Relay
from edge.relay import admission
from edge.relay.admission import Admission
from edge.swarm.addresses import OwnAddresses
from edge.swarm.connection import Connection
from edge.swarm.places import FOREIGN, LISTED, OWN
from edge.wire.identify import IdentifyInfo
from edge.wire.ip import parse_ip4, parse_ip6
from edge.wire.multiaddr import Multiaddr
from edge.wire.network import Network
from edge.wire.peerid import PeerId
from tests.counterparts.base import asynchronous
from tests.relay.hosts import config, peer_id

HERE = Multiaddr.from_string("/ip4/192.0.2.1/tcp/4001")
LOCAL = Multiaddr.from_string("/ip4/10.0.0.1/tcp/4001")


A, B = peer_id(1), peer_id(2)


class Addresses:
    """The part of OwnAddresses that admission uses."""

    def __init__(self, *usable: Multiaddr) -> None:
        self._usable = list(usable)

    def usable_by(self, _: Connection) -> list[Multiaddr]:
        return list(self._usable)


def admits(*usable: Multiaddr, **relay: object) -> Admission:
    made = Admission(cast("OwnAddresses", Addresses(*usable)))
    made.configure(config(**relay)[Relay])
    return made


def connection(
    remote: str = "/ip4/198.51.100.7/tcp/9", peer: PeerId = A, direct: bool = True
) -> Connection:
    made = SimpleNamespace(
        peer=peer,
        remote=Multiaddr.from_string(remote),
        local=LOCAL,
        direct=direct,
        closed=None,
        info=None,
    )
    return cast("Connection", made)


def info(agent: str = "", *protocols: str) -> IdentifyInfo:
    return cast("IdentifyInfo", SimpleNamespace(agent=agent, protocols=protocols))


@pytest.mark.parametrize(
    ("network", "inside", "outside"),
    [
        ("192.0.2.0/24", ["192.0.2.0", "192.0.2.255"], ["192.0.3.0", "192.0.1.255", "2001:db8::"]),
        ("192.0.2.1/32", ["192.0.2.1"], ["192.0.2.0", "192.0.2.2"]),
        ("0.0.0.0/0", ["0.0.0.0", "255.255.255.255"], ["::"]),
        ("10.0.0.0/9", ["10.127.255.255"], ["10.128.0.0"]),
        ("2001:db8::/33", ["2001:db8:7fff::1"], ["2001:db8:8000::", "192.0.2.1"]),
        ("::/0", ["2001:db8::1"], ["192.0.2.1"]),
    ],
)
def test_a_network_holds_what_its_prefix_says(
    network: str, inside: list[str], outside: list[str]
) -> None:
    found = Network.from_string(network)
    assert all(parsed(ip) in found for ip in inside)
    assert not any(parsed(ip) in found for ip in outside)


def parsed(ip: str) -> bytes:
    return parse_ip6(ip) if ":" in ip else parse_ip4(ip)


def test_until_configured_nobody_is_denied_and_nobody_served() -> None:
    made = Admission(cast("OwnAddresses", Addresses(HERE)))
    assert made.denied(connection()) is None
    assert not made.may_relay(connection())
    assert not made.offered(connection())
    assert made.foreign_limit(1000) == 0


def test_denied_peers_and_networks() -> None:
    made = admits(deny_peers=[A], deny_networks=["198.51.100.0/24"])
    assert made.denied(connection(peer=A, remote="/ip4/8.8.8.8/tcp/1")) == "denied-peer"
    assert made.denied(connection(peer=B)) == "denied-network"
    assert made.denied(connection(peer=B, remote="/ip4/8.8.8.8/tcp/1")) is None


def test_an_ip_is_denied_in_whatever_form_it_comes() -> None:
    made = admits(deny_networks=["5.1.1.0/24", "2001:db8::/32"])
    for text in ("5.1.1.7", "::ffff:5.1.1.7", "2001:db8::7"):
        ip = parse_ip6(text) if ":" in text else parse_ip4(text)
        assert made.denied_ip(ip) == "denied-network"
    assert made.denied_ip(parse_ip4("5.1.2.7")) is None


def test_behind_a_relay_the_peer_is_denied_and_not_the_relays_network() -> None:
    made = admits(deny_peers=[A], deny_networks=["198.51.100.0/24"])
    through = f"/ip4/198.51.100.7/tcp/9/p2p/{B}/p2p-circuit"
    assert made.denied(connection(through, peer=A, direct=False)) == "denied-peer"
    assert made.denied(connection(through, peer=B, direct=False)) is None


def test_an_open_relay_serves_everyone_directly_connected() -> None:
    made = admits()
    assert made.may_relay(connection())
    assert not made.may_relay(connection(direct=False))


def test_a_closed_connection_is_served_no_more() -> None:
    closed = connection()
    closed.closed = "idle"
    assert not admits().may_relay(closed)


def test_a_private_relay_serves_listed_peers_and_networks() -> None:
    made = admits(private=True, allow_peers=[A], allow_networks=["198.51.100.0/24"])
    elsewhere = "/ip4/8.8.8.8/tcp/1"
    assert made.may_relay(connection(peer=A, remote=elsewhere))
    assert made.may_relay(connection(peer=B))
    assert not made.may_relay(connection(peer=B, remote=elsewhere))
    assert not admits(private=True).may_relay(connection())


def test_lists_that_allow_restrict_nothing_unless_private() -> None:
    assert admits(allow_peers=[A]).may_relay(connection(peer=B))


@pytest.mark.parametrize(
    ("service", "usable", "expected"),
    [
        ("no", [HERE], []),
        ("auto", [HERE], [HERE]),
        ("auto", [], []),
        ("yes", [HERE], [HERE]),
        ("yes", [], [LOCAL]),
    ],
)
def test_where_a_peer_is_found_through_the_relay(
    service: str, usable: list[Multiaddr], expected: list[Multiaddr]
) -> None:
    made = admits(*usable, service=service)
    assert made.usable_by(connection()) == expected
    assert made.offered(connection()) == bool(expected)
    assert made.usable_by(connection(direct=False)) == []


@pytest.mark.parametrize("local", ["/ip6/fe80::1/tcp/4001", "/ip4/169.254.1.1/tcp/4001"])
def test_nobody_is_found_at_a_link_local_address(local: str) -> None:
    met = connection()
    met.local = Multiaddr.from_string(local)
    assert admits(service="yes").usable_by(met) == []


@pytest.mark.parametrize(
    "own",
    [
        info("KwaaiNet/1.2"),
        info("go-libp2p kwaai"),
        info("hivemind"),
        info("Petals 2.3"),
        info("", "/ipfs/ping/1.0.0", "/kwaai/dht/1.0.0"),
        info("", "DHTProtocol.rpc_ping"),
        info("", "/hivemind/0"),
    ],
)
def test_what_tells_a_peer_of_this_network(own: IdentifyInfo) -> None:
    assert admits().is_own(B, own)


@pytest.mark.parametrize("foreign", [None, info(), info("kubo/0.30", "/ipfs/ping/1.0.0")])
def test_anyone_else_is_foreign_unless_allowed_by_name(foreign: IdentifyInfo | None) -> None:
    assert not admits().is_own(B, foreign)
    assert admits(allow_peers=[B]).is_own(B, foreign)


def test_an_agent_counts_in_any_case_and_a_protocol_as_it_is() -> None:
    assert admits().is_own(B, info("KWAAINET"))
    assert not admits().is_own(B, info("", "/KWAAI/1"))


@pytest.mark.parametrize(
    ("share", "reservations", "limit"), [(0, 128, 0), (25, 128, 32), (25, 3, 0), (100, 7, 7)]
)
def test_the_share_of_foreigners(share: int, reservations: int, limit: int) -> None:
    assert admits(foreign_share=share).foreign_limit(reservations) == limit


@asynchronous(10)
async def test_a_peer_that_has_identified_itself_is_not_waited_for() -> None:
    known = connection()
    known.info = info("kubo")
    assert await admits().is_foreign(known)
    known.info = info("kwaainet")
    assert not await admits().is_foreign(known)


@asynchronous(10)
async def test_a_peer_has_a_moment_to_identify_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = connection()
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            peer.info = info("kwaainet")

    monkeypatch.setattr(admission.asyncio, "sleep", sleep)
    assert not await admits().is_foreign(peer)
    assert len(slept) == 3
    peer.info = None
    assert await admits().is_foreign(peer)
    assert sum(slept[3:]) == pytest.approx(3.0)
    slept.clear()
    peer.closed = "gone"
    assert await admits().is_foreign(peer)
    assert not slept


def test_what_a_peer_says_of_itself_favours_it_less_than_being_listed() -> None:
    rules = admits(allow_peers=[A])
    listed, other = connection(peer=A), connection(peer=B)
    assert (rules.favour(listed), rules.favour(other)) == (LISTED, FOREIGN)
    other.info = info("kwaainet-edge/0.1")
    assert rules.favour(other) == OWN
    listed.info = info("foreigner/1.0")
    assert rules.favour(listed) == LISTED

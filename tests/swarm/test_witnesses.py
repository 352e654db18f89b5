"""What peers say of where they see us: whose word counts for what, and for how long."""

from __future__ import annotations

import itertools
from typing import cast

import pytest

from edge import crypto
from edge.swarm import identify
from edge.swarm.addresses import PRIVATE, PUBLIC, UNKNOWN, OwnAddresses
from edge.swarm.connection import Connection
from edge.swarm.dialer import Dialer
from edge.swarm.identify import IdentifyService
from edge.swarm.swarm import Swarm
from edge.wire.multiaddr import Multiaddr
from tests.counterparts.base import asynchronous
from tests.relay.hosts import LOOPBACK, so

OURS = Multiaddr.from_string("/ip4/9.9.9.9/tcp/4001")
OURS6 = Multiaddr.from_string("/ip6/2a09::9/tcp/4001")
LISTENING = [Multiaddr.from_string(f"/{host}/tcp/4001") for host in ("ip4/0.0.0.0", "ip6/::")]
ports = itertools.count(1024)


def addresses(*external: Multiaddr) -> OwnAddresses:
    return OwnAddresses(external, lambda: LISTENING, list)


class Met:
    """As much of a connection as is asked."""

    def __init__(self, remote: Multiaddr, direct: bool, initiator: bool, dialled_from: int) -> None:
        self.remote = remote
        self.direct = direct
        self.initiator = initiator
        self.dialled_from = dialled_from


def peer(
    host: str, initiator: bool = False, direct: bool = True, dialled_from: int = 0
) -> Connection:
    """A connection from `host`; we have dialled it if we are the initiator, or there is a port."""
    remote = Multiaddr.from_string(f"/{host}/tcp/{next(ports)}")
    return cast("Connection", Met(remote, direct, initiator, dialled_from))


def networks(count: int) -> list[Connection]:
    """Peers in as many networks."""
    return [peer(f"ip4/5.{number}.1.1") for number in range(1, count + 1)]


def tell(own: OwnAddresses, peers: list[Connection], observed: Multiaddr = OURS) -> None:
    for each in peers:
        own.observe(each, observed)


def test_four_public_peers_in_as_many_networks_confirm_what_they_dialled() -> None:
    own, peers = addresses(), networks(4)
    tell(own, peers[:3])
    assert (own.confirmed, own.observed) == ([], {OURS: 3})
    tell(own, peers[3:])
    assert (own.confirmed, own.nat) == ([OURS], PUBLIC)
    assert not own.certain


@pytest.mark.parametrize(
    "liars",
    [
        ["ip4/5.1.1.1", "ip4/5.1.1.2", "ip4/5.1.2.1", "ip4/5.1.3.1", "ip4/5.1.255.1"],
        ["ip4/192.168.1.1", "ip4/10.0.0.1", "ip4/172.16.0.1", "ip4/127.0.0.1", "ip4/100.64.0.1"],
        ["ip6/2a00:1::1", "ip6/2a01:1::1", "ip6/2a02:1::1", "ip6/2a03:1::1", "ip4/5.1.1.1"],
        ["ip4/198.51.100.1", "ip4/203.0.113.1", "ip4/192.0.2.1", "ip4/5.1.1.1"],
    ],
)
def test_one_network_private_peers_and_the_other_family_are_no_four_witnesses(
    liars: list[str],
) -> None:
    own = addresses()
    tell(own, list(map(peer, liars)))
    assert own.confirmed == []


@pytest.mark.parametrize(
    "observed",
    ["/ip4/8.8.8.8/tcp/53", "/ip4/9.9.9.9/udp/4001/quic-v1", "/ip4/192.168.1.1/tcp/4001"],
)
def test_a_port_that_is_not_ours_and_what_is_not_public_is_never_confirmed(observed: str) -> None:
    own = addresses()
    tell(own, networks(9), Multiaddr.from_string(observed))
    assert own.confirmed == []


def test_who_was_dialled_and_who_is_behind_a_relay_confirm_no_address() -> None:
    own = addresses()
    tell(own, [peer(f"ip4/5.{n}.1.1", direct=False) for n in range(9)])
    assert own.nat == UNKNOWN
    tell(own, [peer(f"ip4/5.{n}.1.1", initiator=True) for n in range(9)])
    assert (own.confirmed, own.nat) == ([], PRIVATE)


def test_two_peers_tell_of_a_nat() -> None:
    own = addresses()
    tell(own, [peer("ip4/5.1.1.1", initiator=True)] * 3)
    assert own.nat == UNKNOWN
    tell(own, [peer("ip4/5.1.1.2", initiator=True)])
    assert own.nat == PRIVATE


def test_a_voice_ends_with_its_connection_and_with_the_network() -> None:
    own, peers = addresses(), networks(4)
    told: list[bool] = []
    own.changed.append(lambda: told.append(own.hearsay))
    tell(own, peers)
    own.forget(peers[0])
    own.forget(peers[0])
    assert (own.confirmed, own.nat) == ([], PRIVATE)
    tell(own, peers[:1])
    assert own.confirmed == [OURS]
    own.forget_observations()
    assert (own.confirmed, own.nat) == ([], UNKNOWN)
    assert told == [True] * len(told)
    assert not own.hearsay


def test_who_says_something_else_takes_his_word_back() -> None:
    own, peers = addresses(), networks(4)
    tell(own, peers)
    tell(own, peers[:1], Multiaddr.from_string("/ip4/9.9.9.8/tcp/4001"))
    assert own.confirmed == []


def test_few_of_each_family_and_port_however_many_say_so() -> None:
    own = addresses()
    liars = networks(60)
    for number in range(15):
        lie = Multiaddr.from_string(f"/ip4/8.8.8.{number}/tcp/4001")
        tell(own, liars[4 * number : 4 * number + 4], lie)
    assert len(own.confirmed) == 3
    tell(own, [peer(f"ip6/2a0{n}::1") for n in range(4)], OURS6)
    assert OURS6 in own.confirmed
    assert len(own.confirmed) == 4


def test_what_is_configured_is_certain() -> None:
    own = addresses(OURS)
    assert own.certain
    assert own.nat == PUBLIC


def test_so_many_voices_are_heard() -> None:
    own = addresses()
    tell(own, [peer(f"ip4/{a}.{b}.1.1") for a in (5, 9, 11) for b in range(200)])
    assert sum(own.observed.values()) <= 64


@asynchronous(30)
async def test_lies_cause_one_push_a_minute_and_the_owner_one_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(identify, "_PUSH_DELAY", 0.0)
    server, client = (Swarm(crypto.Ed25519Key.generate()) for _ in range(2))
    own = OwnAddresses([], lambda: LISTENING, list)
    service = IdentifyService(server, own)
    IdentifyService(client, OwnAddresses([], list, list))
    connection = await Dialer(client).dial(server.listen(LOOPBACK), server.peer_id)
    await so(lambda: bool(server.connections and server.all_connections()[0].info))
    peers = networks(4)
    tell(own, peers)

    def told() -> tuple[Multiaddr, ...]:
        return connection.info.addresses if connection.info is not None else ()

    await so(lambda: told() == (OURS,))
    await so(lambda: service._push_due is None)
    own.forget(peers[0])
    due = service._push_due
    assert due is not None
    assert 50 < due.when() - server.loop.time() <= 60
    own.observe(peers[0], OURS)
    assert service._push_due is due, "one for all that is said meanwhile"
    other = Multiaddr.from_string("/dns4/relay.example.org/tcp/1")
    own.configure([other])
    await so(lambda: told() == (other, OURS))
    for each in (client, server):
        await each.stop()


def test_the_gateways_word_and_two_networks_confirm_what_is_mapped() -> None:
    """The peers may be any that see our IP, those that we have dialled among them."""
    own = addresses()
    elsewhere = Multiaddr.from_string("/ip4/9.9.9.9/tcp/50000")
    seen_at = Multiaddr.from_string("/ip4/9.9.9.9/tcp/33333")
    own.set_mapped([elsewhere])
    assert (own.confirmed, own.nat) == ([], UNKNOWN)
    same_network = [peer("ip4/5.1.1.1", initiator=True), peer("ip4/5.1.2.2", initiator=True)]
    tell(own, same_network, seen_at)
    assert (own.confirmed, own.nat) == ([], PRIVATE)
    tell(own, [peer("ip4/6.1.1.1", initiator=True)], seen_at)
    assert (own.confirmed, own.nat) == ([elsewhere], PUBLIC)
    assert not own.certain  # it gives up no reservation
    own.set_mapped([])
    assert (own.confirmed, own.nat) == ([], PRIVATE)


@pytest.mark.parametrize("claimed", ["8.8.8.8", "192.168.1.1", "100.64.0.1"])
def test_a_liar_in_the_lan_has_nobody_announced(claimed: str) -> None:
    """An IP that is not ours, or not public, is seen by nobody."""
    own = addresses()
    own.set_mapped([Multiaddr.from_string(f"/ip4/{claimed}/tcp/4001")])
    tell(own, [peer(f"ip4/5.{n}.1.1", initiator=True) for n in range(9)])
    assert own.confirmed == []


def test_a_mapped_port_is_ours_wherever_the_gateway_says_it_is() -> None:
    """Behind two NATs of which the outer one forwards everything."""
    own = addresses()
    at = Multiaddr.from_string("/ip4/9.9.9.9/tcp/50000")
    tell(own, networks(4), at)
    assert own.confirmed == []
    own.set_mapped([Multiaddr.from_string("/ip4/192.168.1.1/tcp/50000")])
    assert own.confirmed == [at]


def test_what_is_mapped_is_told_when_it_changes() -> None:
    own, told = addresses(), []
    own.changed.append(lambda: told.append(own.hearsay))
    for _ in range(2):
        own.set_mapped([OURS])
    assert told == [False]
    tell(own, networks(2))
    assert True in told


def test_what_is_seen_of_a_dial_from_a_listening_port_is_a_hole_and_confirms_nothing() -> None:
    own = addresses()
    mapped = Multiaddr.from_string("/ip4/9.9.9.9/tcp/61234")
    tell(own, [peer(f"ip4/5.{n}.1.1", initiator=True, dialled_from=4001) for n in range(4)])
    tell(own, [peer("ip4/6.1.1.1", initiator=True, dialled_from=4001)], mapped)
    tell(own, [peer("ip4/6.2.1.1", initiator=True, dialled_from=40001)], OURS6)
    assert own.holes == [OURS, mapped]
    assert (own.observed, own.confirmed, own.nat) == ({}, [], PRIVATE)


def test_a_hole_lasts_as_long_as_the_connection_that_made_it() -> None:
    own, made = addresses(), peer("ip4/5.1.1.1", initiator=True, dialled_from=4001)
    tell(own, [made])
    own.forget_observations()
    assert own.holes == [OURS]
    own.forget(made)
    assert own.holes == []


def test_who_was_punched_through_to_has_not_found_us_by_itself() -> None:
    """In a simultaneous open the node may be the listener of a connection that it has dialled."""
    own = addresses()
    tell(own, [peer(f"ip4/5.{n}.1.1", dialled_from=4001) for n in range(4)])
    assert (own.observed, own.confirmed, own.holes) == ({}, [], [OURS])

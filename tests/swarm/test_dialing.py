"""Where others can make a node dial to, and what a dial costs the DNS."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence
from typing import NoReturn

import pytest

from edge import crypto
from edge.swarm import dns
from edge.swarm.dialer import Dialer
from edge.swarm.dns import Lookups, resolve
from edge.swarm.errors import DialError
from edge.swarm.swarm import Swarm
from edge.wire.ip import parse_ip4, parse_ip6
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import PeerId, PublicKey
from tests.counterparts.base import asynchronous

PUBLIC = ["/ip4/8.8.8.8/tcp/4001", "/ip6/2606:4700::1/tcp/4001", "/ip6/::ffff:8.8.8.8/tcp/4001"]
NOT_PUBLIC = [
    "/ip4/0.0.0.0/tcp/80",
    "/ip4/10.1.2.3/tcp/80",
    "/ip4/100.64.0.1/tcp/80",  # CGNAT
    "/ip4/127.0.0.1/tcp/80",
    "/ip4/127.9.9.9/tcp/80",
    "/ip4/169.254.169.254/tcp/80",  # what clouds tell their machines
    "/ip4/172.31.0.1/tcp/80",
    "/ip4/192.0.2.1/tcp/80",  # documentation
    "/ip4/192.168.1.1/tcp/80",
    "/ip4/224.0.0.251/tcp/80",
    "/ip4/255.255.255.255/tcp/80",
    "/ip6/::/tcp/80",
    "/ip6/::1/tcp/80",
    "/ip6/::7f00:1/tcp/80",  # the IPv4 loopback, as it was once embedded
    "/ip6/::ffff:192.168.1.1/tcp/80",
    "/ip6/64:ff9b::7f00:1/tcp/80",  # 127.0.0.1 behind NAT64
    "/ip6/2002:c0a8:101::1/tcp/80",  # 192.168.1.1 as 6to4
    "/ip6/2001:db8::1/tcp/80",
    "/ip6/fc00::1/tcp/80",
    "/ip6/fe80::1/tcp/80",
    "/ip6zone/eth0/ip6/fe80::1/tcp/80",
    "/ip6zone/eth0/ip6/2606:4700::1/tcp/80",  # the zone is one of ours
    "/ip6/fec0::1/tcp/80",
    "/ip6/ff02::1/tcp/80",
]


def address(text: str) -> Multiaddr:
    return Multiaddr.from_string(text)


def nobody() -> PeerId:
    return PublicKey(type=1, data=crypto.Ed25519Key.generate().public).peer_id()


class Lone:
    """A swarm whose sockets are refused before they reach anything; `tried`: how many there were.

    `own`: IPs of its machine.
    """

    def __init__(self, own: Sequence[bytes] = ()) -> None:
        self.swarm = Swarm(crypto.Ed25519Key.generate())
        self.swarm.new_socket = self._refuse
        self.dialer = Dialer(self.swarm, lambda: own)
        self.dialer.dial_circuit = self._no_circuit
        self.tried = 0

    async def _no_circuit(self, *_: object) -> NoReturn:
        raise DialError("no circuit")

    def _refuse(self, _: socket.socket) -> None:
        self.tried += 1
        raise OSError(errno.ENETUNREACH, "kept here")

    async def dial(
        self, *texts: str, peer: PeerId | None = None, again: bool = True, trusted: bool = False
    ) -> str:
        """Dial, and return why that failed."""
        addresses = [address(text) for text in texts]
        with pytest.raises(DialError) as failed:
            await self.dialer.connect(peer or nobody(), addresses, again, trusted)
        return str(failed.value)


class Names:
    """A DNS: the IPs and TXT records by name. `asked`: in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ips: dict[str, list[str]] = {}
        self.texts: Callable[[str], list[str]] = lambda _: []
        self.asked: list[str] = []
        monkeypatch.setattr(dns, "_look_up", self._look_up)
        monkeypatch.setattr(dns, "_texts", self._texts)

    async def _look_up(self, host: str, _family: int) -> list[bytes]:
        self.asked.append(host)
        found = self.ips.get(host)
        if found is None:
            raise OSError(0, "no such name")
        return [parse_ip6(ip) if ":" in ip else parse_ip4(ip) for ip in found]

    async def _texts(self, name: str, _servers: object) -> list[bytes]:
        self.asked.append(name)
        return [text.encode() for text in self.texts(name)]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    return Names(monkeypatch)


# --- whither ---


@pytest.mark.parametrize("text", NOT_PUBLIC)
@asynchronous(20)
async def test_what_is_not_public_is_dialled_for_its_owner_only(text: str) -> None:
    lone = Lone()
    assert "can be dialled now" in await lone.dial(text)
    assert not lone.tried
    assert text in await lone.dial(text, trusted=True)
    await lone.swarm.stop()


@asynchronous(20)
async def test_what_is_public_is_dialled() -> None:
    lone = Lone()
    why = await lone.dial(*NOT_PUBLIC[:13], *PUBLIC)
    assert sorted(why.split("; ")) == sorted(f"{text}: kept here" for text in PUBLIC)
    assert lone.tried == len(PUBLIC)
    await lone.swarm.stop()


@asynchronous(20)
async def test_a_stranger_makes_nobody_connect_to_the_loopback() -> None:
    """The same over real sockets: whoever listens there notices nothing."""
    client, server = Swarm(crypto.Ed25519Key.generate()), Swarm(crypto.Ed25519Key.generate())
    at = server.listen(address("/ip4/127.0.0.1/tcp/0"))
    port = str(at).rpartition("/")[2]
    noticed = server.new_socket = []  # type: ignore[assignment, var-annotated]
    server.new_socket = noticed.append
    told = [at, *(address(f"/{kind}/localhost/tcp/{port}") for kind in ("dns", "dns4", "dns6"))]
    told += [address(f"/dns4/{odd}/tcp/{port}") for odd in ("127.1", "0x7f000001", "2130706433")]
    with pytest.raises(DialError, match="can be dialled now"):
        await Dialer(client).connect(server.peer_id, told)
    assert not noticed
    connection = await Dialer(client).connect(server.peer_id, told, again=True, trusted=True)
    assert connection.peer == server.peer_id
    for each in (client, server):
        await each.stop()


@asynchronous(20)
async def test_names_are_judged_by_what_they_lead_to(names: Names) -> None:
    lone = Lone()
    names.ips["printer.lan"] = ["192.168.1.9", "fe80::9"]
    names.ips["both.test"] = ["10.0.0.1", "8.8.8.8"]
    names.texts = lambda name: ["dnsaddr=/dns4/printer.lan/tcp/9", "dnsaddr=/ip4/127.0.0.1/tcp/9"]
    said = await lone.dial("/dns4/printer.lan/tcp/9", "/dnsaddr/x.test")
    assert "can be dialled now: /dns4/printer.lan/tcp/9, /dnsaddr/x.test leads to none" in said
    assert not lone.tried
    assert await lone.dial("/dns4/both.test/tcp/9") == "/ip4/8.8.8.8/tcp/9: kept here"
    assert "/ip4/192.168.1.9" in await lone.dial("/dnsaddr/x.test", trusted=True)
    await lone.swarm.stop()


@asynchronous(20)
async def test_this_machine_and_its_ipv6_network_are_not_the_internet() -> None:
    """From inside, its own firewall does not count: what it has, others must not reach so."""
    lone = Lone([parse_ip4("8.8.8.8"), parse_ip6("2606:4700:1:2::1")])
    near = ["/ip4/8.8.8.8/tcp/80", "/ip6/::ffff:8.8.8.8/tcp/80", "/ip6/2606:4700:1:2:3::4/tcp/80"]
    assert "can be dialled now" in await lone.dial(*near)
    far = ["/ip4/8.8.8.9/tcp/80", "/ip6/2606:4700:1:3::1/tcp/80"]
    for text in far:
        assert text in await lone.dial(text)
    assert near[0] in await lone.dial(*near, trusted=True)
    await lone.swarm.stop()


@asynchronous(20)
async def test_an_address_that_names_another_peer_is_not_dialled() -> None:
    lone, peer = Lone(), nobody()
    for text in PUBLIC:
        assert "can be dialled now" in await lone.dial(f"{text}/p2p/{nobody()}", peer=peer)
        assert text in await lone.dial(f"{text}/p2p/{peer}", peer=peer)
    through = f"{PUBLIC[0]}/p2p/{nobody()}/p2p-circuit/p2p/{nobody()}"
    assert "can be dialled now" in await lone.dial(through, peer=peer)
    await lone.swarm.stop()


@asynchronous(20)
async def test_an_attempt_at_lies_delays_no_dial_of_the_owner() -> None:
    """A trusted dial does not wait for an untrusted one to the same peer."""
    client, server = Swarm(crypto.Ed25519Key.generate()), Swarm(crypto.Ed25519Key.generate())
    at = server.listen(address("/ip4/127.0.0.1/tcp/0"))
    dialer, hangs = Dialer(client), asyncio.Event()

    async def hang(*_: object) -> object:
        hangs.set()
        return await asyncio.Event().wait()

    dialer.dial_circuit = hang  # type: ignore[assignment]
    relay = Swarm(crypto.Ed25519Key.generate())
    bound = relay.listen(address("/ip4/127.0.0.1/tcp/0"))
    await dialer.dial(bound, relay.peer_id)
    through = bound.with_peer(relay.peer_id).via_circuit(server.peer_id)
    lies = asyncio.ensure_future(dialer.connect(server.peer_id, [through]))
    await hangs.wait()
    connection = await dialer.connect(server.peer_id, [at], trusted=True)
    assert connection.direct
    lies.cancel()
    for each in (client, relay, server):
        await each.stop()


# --- at what cost ---


@asynchronous(20)
async def test_names_of_one_dial_share_its_lookups(names: Names) -> None:
    lone = Lone()
    names.texts = lambda name: [f"dnsaddr=/dnsaddr/{n}.{name}" for n in range(9)]
    await lone.dial(*[f"/dnsaddr/bomb{n}.test" for n in range(16)])
    assert len(names.asked) == dns.MAX_QUERIES
    names.asked.clear()
    relays = [f"/dnsaddr/bomb{n}.test/p2p/{nobody()}/p2p-circuit" for n in range(16)]
    names.texts = lambda name: [
        f"dnsaddr=/dnsaddr/{n}.{name[9:]}{relay[relay.index('/p2p/') : -12]}"
        for relay in relays
        for n in range(9)
    ]
    await lone.dial(*relays)
    assert len(names.asked) == dns.MAX_QUERIES
    await lone.swarm.stop()


@asynchronous(20)
async def test_what_names_yield_is_bounded_for_all_of_them(names: Names) -> None:
    names.ips = {f"n{n}.test": [f"8.8.{n}.{i}" for i in range(9)] for n in range(4)}
    lookups, found = Lookups(), list[Multiaddr]()
    for n in range(4):
        found += await resolve(address(f"/dns4/n{n}.test/tcp/1"), lookups)
    assert len(found) == dns.MAX_RESULTS
    assert await resolve(address(PUBLIC[0]), lookups) == [address(PUBLIC[0])]  # it has no name


@asynchronous(20)
async def test_a_name_that_leads_nowhere_rests(names: Names) -> None:
    lone, peer = Lone(), nobody()
    names.ips["lan.test"] = ["192.168.1.1"]
    dead = ["/dns4/dead.test/tcp/1", "/dns4/lan.test/tcp/1", "/dnsaddr/dead.test"]
    asked = ["dead.test", "lan.test", "_dnsaddr.dead.test"]
    for again in (False, False, True):
        await lone.dial(*dead, peer=peer, again=again)
    assert names.asked == [*asked, *asked]
    lone.dialer.forget_failures()
    await lone.dial(*dead, peer=peer, again=False)
    assert names.asked == asked * 3
    names.ips["dead.test"] = ["8.8.8.8"]
    await lone.dial(dead[0], peer=peer)
    await lone.dial(dead[0], peer=peer, again=False)  # the name is well, its address rests
    assert names.asked[-2:] == ["dead.test"] * 2
    await lone.swarm.stop()


@asynchronous(20)
async def test_of_a_circuit_the_relays_name_rests(names: Names) -> None:
    lone, relay = Lone(), nobody()
    for peer in (nobody(), nobody()):
        through = f"/dns4/dead.test/tcp/1/p2p/{relay}/p2p-circuit/p2p/{peer}"
        assert f"no address of {relay}" in await lone.dial(through, peer=peer, again=False)
    assert names.asked == ["dead.test"]
    await lone.swarm.stop()


@asynchronous(20)
async def test_an_address_rests_for_the_peer_alone_that_was_not_there() -> None:
    lone, liar, peer = Lone(), nobody(), nobody()
    for one, why in ((liar, "kept here"), (peer, "kept here"), (liar, "can be dialled now")):
        assert why in await lone.dial(PUBLIC[0], peer=one, again=False)
    await lone.swarm.stop()

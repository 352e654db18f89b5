"""Finds the peers of the local network, and is found by them, by multicast DNS.

The node takes part on each link where it listens. Who is found and not connected is dialled, at
the addresses that edge/mdns/found.py lets through and at no others: a few peers, one at a time, and
each more and more rarely. What is learnt on a link is told to nobody elsewhere.

Source: libp2p/specs discovery/mdns.md
"""

from __future__ import annotations

import asyncio
import os
from functools import partial

from edge import log
from edge.config.schema import Mdns, Relay, Tier
from edge.mdns import links
from edge.mdns.found import FoundPeers, near, within
from edge.mdns.link import Counts, Link, own_addresses
from edge.mdns.talk import Talk
from edge.swarm import interfaces
from edge.swarm.backoff import Backoff
from edge.swarm.errors import SwarmError
from edge.swarm.work import CONTROL
from edge.wire import mdns
from edge.wire.errors import WireError
from edge.wire.peerid import PeerId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.config.load import Config
    from edge.host import Host, Status
    from edge.mdns.found import Found, Subnet
    from edge.swarm.connection import Connection
    from edge.wire.mdns import Message
    from edge.wire.multiaddr import Multiaddr

MOST_CONNECTED = 8  # peers that are connected because they were found
_TICK = 1.0  # seconds between two dials, times the slowdown
_FIRST_REST, _LONGEST_REST = 60.0, 3600.0  # seconds until a peer is dialled again
_COURTESY = 3.0  # seconds that one of two who find each other leaves the dial to the other
# Seconds from one look at the links to the next: what the kernel refused may be had meanwhile, an
# interface may be another one of the same name and address, the default route may lead elsewhere.
_LOOK_INTERVAL = 60.0
_NAME = 36  # characters, of which libp2p wants 32 at least
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


class MdnsService:
    """Keeps `links` on the interfaces of the configuration, by name."""

    def __init__(self, host: Host) -> None:
        self.links: dict[str, Link] = {}
        self.found = FoundPeers(host.swarm.pools.tables)
        self.counts = Counts()
        self._host = host
        self._swarm = host.swarm
        self._loop = host.swarm.loop
        self._share = host.swarm.work[CONTROL].share
        self._settings = host.config[Mdns]
        self._router = False
        self._denied: frozenset[PeerId] = frozenset()
        self._name = "".join([_LETTERS[byte % len(_LETTERS)] for byte in os.urandom(_NAME)])
        self._rests = Backoff(self._loop.time, _LONGEST_REST)
        self._made: set[PeerId] = set()  # dialled because found, and connected
        self._dial: asyncio.Task[None] | None = None
        self._running = False
        self._look_at = 0.0  # when to look at the links again
        self._missing: set[str] = set()  # links that cannot be had, which was said
        self._wake = asyncio.Event()
        host.swarm.closed.append(self._on_close)
        host.swarm.listening_changed.append(self._look)
        host.network_changed.append(self._start_afresh)

    # --- Service ---

    def configure(self, config: Config) -> None:
        """Follow [mdns]: leave the links that are no longer wanted, and join others."""
        self._settings = config[Mdns]
        router = config[Tier].router
        self._router = router == "yes" or (router == "auto" and links.is_openwrt())
        self._denied = frozenset(map(PeerId.from_string, config[Relay].deny_peers))
        self._look()

    async def run(self) -> None:
        """Ask, answer and dial, until cancelled."""
        self._running = True
        self._look()
        while True:
            self._wake.clear()
            now = self._loop.time()
            if self._look_at <= now:
                self._look()
            for link in self.links.values():
                link.send(link.talk.say(now, partial(self.found.lasting, link.name, now)))
            self._dial_next(now)
            try:
                async with asyncio.timeout(max(0.0, self._due() - self._loop.time())):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def stop(self) -> None:
        """Say goodbye on all links."""
        self._running = False
        if self._dial is not None:
            self._dial.cancel()
        for name in list(self.links):
            self._leave(name)

    def report(self) -> Status:
        """The links, and who was found on them."""
        counts = self.counts
        return {
            "mdns": {
                "interfaces": list(self.links),
                "peers": [
                    {
                        "peer": str(peer),
                        "interface": found.interface,
                        "addresses": [str(address) for address in found.addresses],
                        "connected": peer in self._swarm.connections,
                    }
                    for peer, found in self.found.peers.items()
                ],
                "messages": {name: getattr(counts, name) for name in counts.__slots__},
            }
        }

    # --- links ---

    def _look(self) -> None:
        """Be on the links that there are now, and tell what has changed on them."""
        if not self._running:
            return
        networks = interfaces.networks()
        enabled, wanted = self._settings.enabled, self._settings.interfaces
        names = links.chosen(wanted, self._router, networks) if enabled else []
        there = {name: links.subnets(name, networks) for name in names}
        kept = {name: nets for name, nets in there.items() if self._own(nets)}
        for name in [name for name in self.links if name not in kept]:
            self._leave(name)
        self.found.keep(kept)
        refused = {name for name, nets in kept.items() if not self._join(name, nets)}
        absent = {name for name in names if name in wanted and name not in kept}
        for name in absent - self._missing:
            log.warning(
                "mdns-failed", interface=name, error="this node listens at no address there"
            )
        self._missing = refused | absent
        self._look_at = self._loop.time() + _LOOK_INTERVAL * self._swarm.slowdown
        self._wake.set()

    def _own(self, subnets: list[Subnet]) -> list[Multiaddr]:
        own = own_addresses(self._swarm.listening, subnets)
        return [address.with_peer(self._swarm.peer_id) for address in own]

    def _join(self, name: str, subnets: list[Subnet]) -> bool:
        """Be on this link, in these networks; False if the kernel refuses."""
        link = self.links.get(name)
        if link is None or link.subnets != subnets or not link.alive:
            link = self._open(name, subnets)
        if link is None:
            return False
        own = self._own(subnets)
        if own != link.own:
            link.own = own
            link.talk.announce(mdns.own_records(self._name, own), self._loop.time())
            log.info("mdns-announced", interface=name, addresses=own)
        return True

    def _open(self, name: str, subnets: list[Subnet]) -> Link | None:
        """A link with sockets of its own, which goes on with what was said there before."""
        before = self.links.pop(name, None)
        talk = Talk(self._loop.time(), _spread) if before is None else before.talk
        if before is not None:
            before.close()
        try:
            link = Link(self._loop, name, subnets, talk, self._share, self.counts, self._heard)
        except OSError as error:
            if name not in self._missing:
                log.warning("mdns-failed", interface=name, error=error.strerror or str(error))
            return None
        self.links[name] = link
        self._rests.clear()  # whoever rests may be reached in these networks
        return link

    def _leave(self, name: str) -> None:
        link = self.links.pop(name)
        link.send(link.talk.goodbye())
        link.close()
        log.info("mdns-left", interface=name)

    def _start_afresh(self) -> None:
        """The network may be another one: look at the links, and ask anew."""
        self._look()
        for link in self.links.values():
            link.talk.ask_anew(self._loop.time())

    def _due(self) -> float:
        due = [link.talk.due() for link in self.links.values()]
        due.append(self._loop.time() + _TICK * self._swarm.slowdown)
        return min(due)

    def _heard(self, link: Link, message: Message, source: bytes) -> None:
        now = self._loop.time()
        if not message.response:
            link.talk.heard(message, source, now)
            self._wake.set()
            return
        for entry in mdns.entries(message):
            if not entry.ttl:
                self.found.gone(entry.instance)
            elif entry.peer not in (None, self._swarm.peer_id):
                usable = near(entry.addresses, source, link.subnets)
                if usable and self.found.learn(entry, usable, (source, link.name), now):
                    log.info("mdns-found", peer=entry.peer, addresses=usable)
                    self._wake.set()

    # --- dialling ---

    def _dial_next(self, now: float) -> None:
        """Dial the first of those found who is not connected, if it is time."""
        self.found.expire(now)
        if self._dial is not None or len(self._made) >= MOST_CONNECTED:
            return
        for peer, found in self.found.peers.items():
            later = _COURTESY if self._swarm.peer_id.bytes > peer.bytes else 0.0
            if now >= found.since + later and self._may_dial(peer):
                self._rests.failed(peer, _FIRST_REST)
                self._dial = self._swarm.spawn(self._connect(peer, found))
                return

    def _may_dial(self, peer: PeerId) -> bool:
        if peer in self._denied or self._rests.rests(peer):
            return False
        return not any(each.direct for each in self._swarm.connections.get(peer, ()))

    async def _connect(self, peer: PeerId, found: Found) -> None:
        """One try at each address, while no other way has led to `peer`."""
        try:
            for address in list(found.addresses):
                if not self._may_still_dial(peer, address):
                    return
                try:
                    async with asyncio.timeout(self._host.limits.handshake_timeout):
                        await self._host.dialer.dial(address.without_peer(), peer)
                    if peer in self._swarm.connections:  # and not gone again
                        self._made.add(peer)
                    return
                except (SwarmError, WireError, OSError) as error:
                    log.debug("mdns-dial-failed", address=address, error=error)
        finally:
            self._dial = None

    def _may_still_dial(self, peer: PeerId, address: Multiaddr) -> bool:
        """Whether what was so at the start of a dial is so still."""
        connected = any(each.direct for each in self._swarm.connections.get(peer, ()))
        ip = address.ip()
        there = [subnet for link in self.links.values() for subnet in link.subnets]
        return not connected and peer not in self._denied and ip is not None and within(ip, there)

    def _on_close(self, connection: Connection) -> None:
        peer = connection.peer
        if peer in self._made and peer not in self._swarm.connections:
            self._made.discard(peer)


def _spread() -> float:
    return os.urandom(1)[0] / 255

"""The libp2p host: a swarm and what belongs to it. Every service is made with one.

It listens, dials, identifies, remembers peers and keeps to its memory. What services do for others
is theirs; where they depend on each other, they meet at what stands here: the allowance, the
registries, the hooks of the swarm.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from typing import Protocol

from edge import clock, log
from edge.allowance import Allowance
from edge.budget import LEAST_TO_SERVE, Budget, default_limit
from edge.config.errors import ConfigError
from edge.config.schema import Node, Peer, Section
from edge.crypto.identity import load_or_create
from edge.machine import file_limit, resident, this_sizing
from edge.networks import NETWORKS
from edge.swarm import interfaces, ping
from edge.swarm.addresses import OwnAddresses
from edge.swarm.dialer import Dialer
from edge.swarm.errors import DialError
from edge.swarm.identify import IdentifyService
from edge.swarm.limits import Limits, fitting_buffer_size
from edge.swarm.peerstore import REMEMBERED, PeerStore, fitting_peers
from edge.swarm.pools import SMALL_TABLES
from edge.swarm.reconnect import Reconnector
from edge.swarm.swarm import Swarm
from edge.units import MIB
from edge.wire.ip import LINK_LOCAL, PUBLIC, scope
from edge.wire.multiaddr import Multiaddr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from typing import Any

    from edge.config.load import Config
    from edge.swarm.connection import Connection
    from edge.wire.peerid import PeerId

    Status = dict[str, Any]  # a tree of str, int, float, bool, list and dict
    Answer = Callable[[Status], Awaitable[Mapping[str, Any]]]
    Finder = Callable[[PeerId], Awaitable[list[Multiaddr]]]  # where a peer may be dialled
    # Bytes moved for a peer, by which peers are ranked, and what `peers` tells of it.
    PeerReport = Callable[[PeerId], tuple[int, Status]]

DESCRIPTOR = "descriptor"  # in a request of the status socket: a file that its sender has opened
_OUTAGE = 10.0  # seconds without a connection, after which the next one tells that others may work
_SAVE_INTERVAL = 60.0  # seconds between two looks at whether peers are to be saved


class Service(Protocol):
    """Something the node does. Made with a Host, and with those services that it depends on."""

    def configure(self, config: Config) -> None:
        """Follow `config` from now on, at the start and at each reload, down to what exists."""

    async def run(self) -> None:
        """Do the regular work, until cancelled or done."""

    async def stop(self) -> None:
        """Undo what must not outlive the node; `run` has ended. Seconds may be few."""

    def report(self) -> Status:
        """Its keys of `kwaainet status --json`; a dictionary is merged with that of others."""


class ContentRouting(Protocol):
    """Who provides what, by keys that are multihashes."""

    async def provide(self, key: bytes) -> int:
        """Tell others that this node provides `key`; how many. To be said again within a day."""

    def withdraw(self, key: bytes) -> None:
        """Say so no more to whoever asks this node; what others were told is forgotten in time."""

    async def providers(self, key: bytes) -> dict[PeerId, list[Multiaddr]]:
        """Some peers that provide `key`, and where they may be dialled."""


class Host:
    """`config`: the one in force. `share`, `buffer_size`: bytes of memory to use where the
    configuration says auto, and to read at once; 0 for what suits the machine.

    `allowance`: what may be done for others now. `utc()`: seconds since 1970, None while the clock
    cannot be right. Services register what they add: `answers` to the status socket, by verb;
    `tallies`, counters of what was done for others since the start (those in edge.tiers.ledger are
    entered there); `overviews`, their parts of the overview; `rates` and `gauges`, what its graphs
    show by name: counters that only grow, and figures as they are; `peer_reports`; `finders`, which
    are asked in turn for addresses of a peer; `content_routing`, which knows who provides what;
    `relays_for`, which tells whether others reach a peer by a circuit through this node; `roles`,
    what the node does for everybody, by name: whether it does so now.
    """

    def __init__(self, config: Config, share: int = 0, buffer_size: int = 0) -> None:
        node = config[Node]
        self.config = config
        self.data_dir = node.data_dir  # until a restart
        key = load_or_create(
            config.identity_file(), lambda line: log.warning("identity", note=line)
        )
        self._share = share or default_limit()
        self.budget = Budget(node.memory_limit or self._share, resident(), this_sizing(), resident)
        self.limits = Limits()
        self.limits.buffer_size = buffer_size or fitting_buffer_size(self.budget)
        self.swarm = Swarm(key, self.limits, self.budget)
        self.started_at = self.swarm.loop.time()
        self.allowance = Allowance()
        self.addresses = OwnAddresses(
            parsed(node.external_address),
            lambda: self.swarm.listening,
            _own_ips,
        )
        remembered = fitting_peers(self.swarm.pools.tables, self.budget.sizing)
        self.store = PeerStore(os.path.join(node.data_dir, "peers"), remembered)
        self.store.load()
        self.dialer = Dialer(self.swarm, _own_ips)
        self._built = clock.build_time()
        self.identify = IdentifyService(
            self.swarm, self.addresses, max(self._built, clock.newest(_files(node.data_dir)))
        )
        self.swarm.handle(ping.PROTOCOL_ID, ping.serve)
        self.identify.identified.append(self._remember)
        self.reconnector = Reconnector(self.swarm, self.dialer, self.store)
        # Told when the network may be another one, or answers again: what failed is tried anew.
        self.network_changed: list[Callable[[], None]] = [
            self.dialer.forget_failures,
            self.reconnector.retry,
            self.swarm.listen_anew,
        ]
        self._alone_since = self.started_at
        self.swarm.opened.append(self._on_open)
        self.swarm.closed.append(self._on_close)
        self.answers: dict[str, Answer] = {}
        self.tallies: list[Callable[[], Mapping[str, int]]] = []
        self.overviews: list[Callable[[], Status]] = []
        self.rates: dict[str, Callable[[], int]] = {}
        self.gauges: dict[str, Callable[[], int]] = {}
        self.peer_reports: list[PeerReport] = []
        self.finders: list[Finder] = []
        self.content_routing: ContentRouting | None = None
        self.relays_for: Callable[[PeerId], bool] = lambda _: False
        self.roles: dict[str, Callable[[], bool]] = {}
        self._watcher: interfaces.Watcher | None = None
        self._known_ips: set[bytes] = set()

    def configure(self, config: Config) -> None:
        """Follow `config` from now on."""
        node = config[Node]
        self.config = config
        log.set_level(node.log_level)
        copy_options(node, self.limits)
        self._set_memory_limit(node.memory_limit or self._share)
        self.limits.fill_in(self.budget)
        self._fit_files()
        self.addresses.configure(parsed(node.external_address))
        if self._watcher is not None:
            self._stay_connected()
        self.retry()

    def start(self) -> None:
        """Listen, and keep to the network. Raises SwarmError."""
        self.swarm.listen_at(parsed(self.config[Node].listen))
        self.swarm.listening_changed.append(self.addresses.refresh)
        self.addresses.refresh()
        self._known_ips = _ips_beyond_links()
        self._watcher = interfaces.Watcher(self.swarm.loop, self._on_interfaces)
        self._stay_connected()
        self.swarm.spawn(self.reconnector.run())
        self.swarm.spawn(self._save_now_and_then())

    def retire(self) -> None:
        """Take on nothing new: the node stops."""
        self.allowance.admits = False
        self.swarm.close_listeners()

    def _stay_connected(self) -> None:
        """To the configured peers; they are dialed once there are addresses to tell them."""
        self.reconnector.configure(self.bootstraps)

    async def stop(self) -> None:
        """Close all connections, and what was started."""
        if self._watcher is not None:
            self._watcher.close()
        await self.swarm.stop()

    @property
    def bootstraps(self) -> list[Multiaddr]:
        """Addresses of the configured peers, and of those of the network."""
        peers = [peer.address for peer in self.config.all(Peer)]
        return parsed([*peers, *NETWORKS[self.config[Node].network]])

    async def reach(self, peer: PeerId) -> Connection:
        """A connection to `peer`: the one there is, else one at addresses that are remembered, else
        at those that finders know. Raises DialError.
        """
        try:
            return await self.dialer.connect(peer, self.store.addresses(peer))
        except DialError as error:
            for find in self.finders:
                found = await find(peer)
                with suppress(DialError):
                    return await self.dialer.connect(peer, found)
            raise error from None

    def utc(self) -> float | None:
        """The time, None while the clock cannot be right."""
        return clock.now_if_plausible(self._built)

    def learn_addresses_anew(self) -> None:
        """The network has changed, by what the kernel says or whoever sent SIGUSR1 knows."""
        self.addresses.forget_observations()
        self.addresses.refresh()
        self.retry()

    def _on_interfaces(self) -> None:
        """What peers see is forgotten with the IPs that they may have seen.

        A link-local one tells nothing of the way to the internet, and comes late after a start.
        """
        before, self._known_ips = self._known_ips, _ips_beyond_links()
        if self._known_ips != before:
            self.learn_addresses_anew()
        else:
            self.retry()

    def retry(self) -> None:
        """Try anew what could not be reached: the reason may be gone."""
        for tell in self.network_changed:
            tell()

    def _on_open(self, connection: Connection) -> None:
        outage = self.swarm.loop.time() - self._alone_since
        if connection.initiator and self.swarm.connection_count == 1 and outage > _OUTAGE:
            self.retry()  # the first that answers after none did

    def _on_close(self, _: Connection) -> None:
        if not self.swarm.connection_count:
            self._alone_since = self.swarm.loop.time()

    def _fit_files(self) -> None:
        wanted, files = self.limits.max_connections, file_limit()
        if not self.limits.fit_files(files):
            most = self.limits.max_connections
            log.warning("few-files", limit=files, max_connections=most, wanted=wanted)

    # --- memory ---

    def _set_memory_limit(self, limit: int) -> None:
        least = self.budget.baseline + LEAST_TO_SERVE
        if limit < least:
            log.warning("memory-limit-too-low", limit=limit, least=least)
        self.budget.limit = max(limit, least)

    def settle_budget(self) -> None:
        """Set aside what the node takes before it serves anyone. Raises ConfigError.

        Called once, when all services are made.
        """
        config, budget = self.config, self.budget
        budget.baseline = resident()
        # What strangers can fill and what has a fixed capacity is leased as a whole.
        tables = self.swarm.pools.tables
        tables.take(SMALL_TABLES + fitting_peers(tables, budget.sizing) * REMEMBERED)
        refuse_low_memory(config, budget.baseline)
        budget.limit = max(budget.limit, budget.baseline + LEAST_TO_SERVE)

    # --- remembered peers ---

    def _remember(self, connection: Connection) -> None:
        info, peer = connection.info, connection.peer
        assert info is not None
        assert peer is not None
        told = list(info.addresses)
        if connection.initiator and connection.direct:
            told.insert(0, connection.remote)
        routable = [a for a in told if a.is_circuit or a.scope() in (PUBLIC, None)]
        if routable:
            self.store.learn(peer, routable, info.agent, time.time())

    async def _save_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(_SAVE_INTERVAL * self.swarm.slowdown)
            self.store.save_in_background()


def refuse_low_memory(config: Config, taken: int) -> None:
    """Raises ConfigError if a node that takes `taken` bytes by itself could not serve anyone."""
    limit, least = config[Node].memory_limit, taken + LEAST_TO_SERVE
    if 0 < limit < least:
        origin = config.origin("node", "memory_limit")
        raise ConfigError(
            f"{origin}: [node] memory_limit: got {limit // MIB}M; expected"
            f" {-(-least // MIB)}M or more, as the node itself takes {taken // MIB}M here"
        )


def parsed(texts: Iterable[str]) -> list[Multiaddr]:
    """Addresses that the configuration has checked."""
    return [Multiaddr.from_string(text) for text in texts]


def copy_options(section: Section, limits: object) -> None:
    """Every option of `section` that `limits` knows by the same name."""
    for option in section.options():
        if hasattr(limits, option.name):
            setattr(limits, option.name, section.value(option))


def by_reason(counts: Mapping[str, int]) -> dict[str, int]:
    """The counts under snake_case names, for `status`, whatever they are called inside."""
    found: dict[str, int] = {}
    for reason, count in counts.items():
        name = reason.lower().replace("-", "_").replace(" ", "_")
        found[name] = found.get(name, 0) + count
    return found


def _own_ips() -> list[bytes]:
    return [ip for ip, _ in interfaces.addresses()]


def _ips_beyond_links() -> set[bytes]:
    return {ip for ip in _own_ips() if scope(ip) != LINK_LOCAL}


def _files(directory: str) -> list[str]:
    try:
        return [entry.path for entry in os.scandir(directory)]
    except OSError:
        return []

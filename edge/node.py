"""The composition root: from a configuration to a running node, and back down in reverse.

Rooms do not know each other; what one needs of another is handed over here. The order of the start
is identity, swarm, relay, status, listeners: when the ready line is printed, everything serves.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from edge import atomic, clock, log, machine
from edge.budget import (
    LEAST_TO_SERVE,
    MIB,
    REMEMBERED,
    SMALL_TABLES,
    Budget,
    default_limit,
    resident,
)
from edge.config.errors import ConfigError
from edge.config.load import diff
from edge.crypto.errors import CryptoError
from edge.crypto.identity import load_or_create
from edge.qos.service import QosService
from edge.relay.accounting import MAX_PEERS
from edge.relay.admission import Admission, Network
from edge.relay.client import RelayClient
from edge.relay.resources import Resources
from edge.relay.service import RelayService
from edge.status.banner import banner
from edge.status.errors import StatusError
from edge.status.report import Sources
from edge.status.server import StatusServer
from edge.status.verbs import verbs
from edge.swarm import interfaces, ping
from edge.swarm.addresses import PRIVATE, UNKNOWN, OwnAddresses
from edge.swarm.dialer import Dialer
from edge.swarm.errors import SwarmError
from edge.swarm.identify import IdentifyService
from edge.swarm.keeper import Keeper
from edge.swarm.limits import Limits
from edge.swarm.peerstore import PeerStore
from edge.swarm.swarm import Swarm
from edge.swarm.transport import SocketTransport
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import PeerId

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from edge.config.load import Config
    from edge.config.schema import Relay, Section
    from edge.relay.circuit import Circuit
    from edge.swarm.connection import Connection
    from edge.tiers.decision import Decision

GOODBYE = 3.0  # seconds a stop may take
_UNKNOWN_GRACE = 60.0  # seconds after which a node nobody has observed counts as not public
_SAVE_INTERVAL = 60.0


class NodeError(Exception):
    """The node cannot start; the text is one line for the person who started it."""


class Node:
    """One running node. `config`: what it was started or last reloaded with.

    `decision`: what the machine is fit for, None if nobody asked or could tell.
    """

    def __init__(self, config: Config, decision: Decision | None = None) -> None:
        self.config = config
        self.mode = "relay"
        key = load_or_create(
            config.identity_file(), lambda line: log.warning("identity", note=line)
        )
        profile = machine.this_profile()
        share = decision.relay_memory if decision else default_limit()
        self.budget = Budget(config.node.memory_limit or share, resident(), profile)
        self.limits = Limits()
        self.limits.buffer_size = config.relay.buffer_size or self.budget.buffer_size
        self.resources = Resources()
        self.swarm = Swarm(key, self.limits, self.budget)
        self.addresses = OwnAddresses(
            _parsed(config.node.external_address),
            lambda: self.swarm.listening,
            lambda: [ip for ip, _ in interfaces.addresses()],
        )
        self.store = PeerStore(
            os.path.join(config.node.data_dir, "peers"), self.budget.max_remembered
        )
        self.store.load()
        self.dialer = Dialer(self.swarm)
        self.identify = IdentifyService(self.swarm, self.addresses)
        self.swarm.handle(ping.PROTOCOL_ID, ping.serve)
        made = clock.made()
        self.relay = RelayService(
            self.swarm, self.resources, self._relayed_by, lambda: clock.believed(made)
        )
        self.relay.accounts.most = int(MAX_PEERS * profile.tables)
        self.swarm.admits = self.relay.admission.denied
        self.identify.identified += [self._on_identified, self.relay.on_identified]
        self.client = RelayClient(self.swarm, self.dialer, self.addresses)
        self.keeper = Keeper(self.swarm, self.dialer, self.store)
        self.addresses.changed.append(self._decide_client)
        self.qos = QosService(
            config.qos, self.swarm.traffic, self.relay.shaper.set_rate, self._ports
        )
        self.swarm.new_socket = self.qos.marks.new_socket
        self.relay.opened.append(self._mark_circuit)
        reason = _mode_reason(config.node.mode, decision)
        self.sources = Sources(self.swarm, config.node.data_dir, self.mode, reason)
        self.sources.decision = decision._asdict() if decision else None
        self.sources.budget = self.budget
        self.sources.addresses = self.addresses
        self.sources.relay = self.relay
        self.sources.client = self.client
        self.sources.qos = self.qos
        self.sources.flash_written = lambda: atomic.flash.written
        self.status = StatusServer(config.node.run_dir, verbs(self.sources, self.dialer))
        self._watcher: interfaces.Watcher | None = None
        self._settle_budget(config)
        self._apply(config)

    async def start(self) -> None:
        """Serve. Raises SwarmError or StatusError."""
        await self.status.start()
        for address in _parsed(self.config.node.listen):
            self.swarm.listen(address)
        self.addresses.refresh()
        self._watcher = interfaces.Watcher(self.swarm.loop, self.learn_addresses_anew)
        self.swarm.spawn(self.client.run())
        self.swarm.spawn(self.keeper.run())
        self.swarm.spawn(self._save_now_and_then())
        self.swarm.spawn(self.qos.run())
        self.keeper.configure(self._bootstraps(self.config))
        self.swarm.loop.call_later(_UNKNOWN_GRACE, self._decide_client)

    async def stop(self) -> None:
        """Say goodbye, save what must outlive the process."""
        if self._watcher is not None:
            self._watcher.close()
        await self.status.stop()
        self.relay.stop()
        await self.swarm.stop()
        self.store.save(force=True)
        await self.qos.stop()

    def reload(self, environ: dict[str, str]) -> None:
        """Read the configuration anew and change what can be changed while serving.

        A wrong configuration is logged and leaves everything as it is.
        """
        try:
            new = self.config.again(environ)
        except ConfigError as error:
            log.error("reload-refused", error=error)
            return
        soft, hard = diff(self.config, new)
        for change in hard:
            log.warning("restart-needed", change=change)
        self._apply(new)
        self.keeper.configure(self._bootstraps(new))
        self.config = new
        log.info("reloaded", changes="; ".join(str(change) for change in soft) or "none")

    def learn_addresses_anew(self) -> None:
        """The network has changed, by what the kernel says or whoever sent SIGUSR1 knows."""
        self.addresses.forget_observations()
        self.addresses.refresh()

    # --- decisions ---

    def _apply(self, config: Config) -> None:
        log.set_level(config.node.log_level)
        _copy(config.node, self.limits)
        _copy(config.relay, self.resources)
        if config.node.memory_limit:
            self.budget.limit = config.node.memory_limit
        self.budget.fill_in(self.limits, self.resources)
        _admit(config.relay, self.relay.admission)
        self.relay.shaper.configure(config.relay.rate, config.relay.rate_per_peer)
        self.qos.configure(config.qos, config.relay.rate)
        self.addresses.external = _parsed(config.node.external_address)
        self.client.configure(_parsed(config.relay.relays))
        self.config = config
        self._decide_client()
        for connection in [*self.swarm.pending, *self.swarm.all_connections()]:
            if isinstance(connection.transport, SocketTransport):
                self.qos.marks.again(connection.transport.sock)

    def _settle_budget(self, config: Config) -> None:
        """Set aside what the node takes before it serves anyone. Raises ConfigError."""
        budget = self.budget
        budget.baseline = resident()
        # What strangers can fill and what has a fixed capacity is leased as a whole.
        budget.tables.take(SMALL_TABLES + budget.max_remembered * REMEMBERED)
        least = budget.baseline + LEAST_TO_SERVE
        if budget.limit >= least:
            return
        if not config.node.memory_limit:
            budget.limit = least
            return
        origin = config.origin("node", "memory_limit")
        raise ConfigError(
            f"{origin}: [node] memory_limit: got {budget.limit // MIB}M; expected"
            f" {-(-least // MIB)}M or more, as the node itself takes {budget.baseline // MIB}M here"
        )

    def _relayed_by(self, connection: Connection) -> list[Multiaddr]:
        """Where the peer on `connection` can tell others to find it through us; none: no relay."""
        service = self.config.relay.service
        if service == "no":
            return []
        addresses = self.addresses.usable_by(connection)
        if not addresses and service == "yes" and connection.local is not None:
            return [connection.local]
        return addresses

    def _decide_client(self) -> None:
        """Behind NAT the node keeps reservations on relays; a public one needs none."""
        relay = self.config.relay
        needed = self.addresses.nat == PRIVATE
        if self.addresses.nat == UNKNOWN:
            started = self.sources.started_at
            needed = bool(relay.relays) or self.swarm.loop.time() - started >= _UNKNOWN_GRACE
        wanted = relay.client == "yes" or (relay.client == "auto" and needed)
        self.client.wanted = relay.reservations if wanted else 0
        self.client.wake()

    def _ports(self) -> list[int]:
        ends = [address.host_port() for address in self.swarm.listening]
        return [end[1] for end in ends if end is not None]

    @staticmethod
    def _bootstraps(config: Config) -> list[Multiaddr]:
        return _parsed([peer.address for peer in config.peers])

    # --- what happens ---

    def _on_identified(self, connection: Connection) -> None:
        info, peer = connection.info, connection.peer
        assert info is not None
        assert peer is not None
        routable = [a for a in info.addresses if a.is_circuit or a.scope() in ("public", None)]
        if connection.initiator and connection.direct:
            routable.insert(0, connection.remote)
        if routable:
            self.store.learn(peer, routable, info.agent, time.time())
        self.client.wake()

    def _mark_circuit(self, circuit: Circuit) -> None:
        for leg in (circuit.source, circuit.destination):
            transport = leg.connection.transport
            if isinstance(transport, SocketTransport):
                self.qos.marks.carries_circuit(transport.sock)

    async def _save_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(_SAVE_INTERVAL)
            self.store.save_in_background()


def main(config: Config, uvloop: bool, decision: Decision | None) -> int:
    """Run a node until it is told to stop; returns the exit status. `uvloop`: as its loop."""
    try:
        _make_directory(config.node.data_dir, "the data directory")
        _make_directory(config.node.run_dir, "the directory of the status socket")
        return _run_loop(_run(config, decision), uvloop)
    except (NodeError, SwarmError, StatusError, CryptoError) as error:
        print(f"kwaainet: {error}", file=sys.stderr)
        return 1


async def _run(config: Config, decision: Decision | None) -> int:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    score = machine.go_first()
    node = Node(config, decision)
    profile = machine.this_profile()
    log.info("machine", profile=profile.name, why=profile.why, oom_score=score)
    if clock.believed(clock.made()) is None:
        log.warning("clock-wrong", year=time.gmtime().tm_year)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    loop.add_signal_handler(signal.SIGHUP, lambda: node.reload(dict(os.environ)))
    loop.add_signal_handler(signal.SIGUSR1, node.learn_addresses_anew)
    try:
        await node.start()
        if sys.stdout.isatty():
            print(banner(node.sources), end="", flush=True)
        listen = ",".join(str(address) for address in node.swarm.listening)
        print(f"ready peer_id={node.swarm.peer_id} listen={listen}", flush=True)
        await stopping.wait()
        log.info("stopping")
    finally:
        async with asyncio.timeout(GOODBYE):
            await node.stop()
    return 0


def _run_loop(work: Coroutine[None, None, int], uvloop: bool) -> int:
    if not uvloop:
        return asyncio.run(work)
    from uvloop import run

    return int(run(work))


def _make_directory(path: str, what: str) -> None:
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
    except OSError as error:
        raise NodeError(f"{path}: cannot be {what}: {error.strerror}") from None


def _mode_reason(asked: str, decision: Decision | None) -> str:
    if asked == "relay":
        return "configured"
    if asked != "auto":
        return f"{asked} was asked for, but this version only relays"
    if decision is None:
        return "what else the machine is fit for is unknown"
    if decision.mode != "relay":
        return f"fit for {decision.mode}, but this version only relays"
    return decision.reasons[0].rstrip(".")


def _copy(section: Section, limits: Limits | Resources) -> None:
    """Every option of `section` that `limits` knows by the same name."""
    for option in section.options():
        if hasattr(limits, option.name):
            setattr(limits, option.name, section.value(option))


def _admit(relay: Relay, admission: Admission) -> None:
    admission.private = relay.private
    admission.foreign_share = relay.foreign_share
    admission.allow_peers = frozenset(PeerId.from_string(text) for text in relay.allow_peers)
    admission.deny_peers = frozenset(PeerId.from_string(text) for text in relay.deny_peers)
    admission.allow_networks = [Network.from_string(text) for text in relay.allow_networks]
    admission.deny_networks = [Network.from_string(text) for text in relay.deny_networks]


def _parsed(texts: Sequence[str]) -> list[Multiaddr]:
    return [Multiaddr.from_string(text) for text in texts]

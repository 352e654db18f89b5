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

from edge import atomic, clock, lock, log, machine, zone
from edge.budget import LEAST_TO_SERVE, Budget, default_limit
from edge.config.errors import ConfigError
from edge.config.load import diff
from edge.crypto.errors import CryptoError
from edge.crypto.identity import load_or_create
from edge.qos.service import QosService, least
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
from edge.swarm.limits import Limits, fitting_buffer_size
from edge.swarm.peerstore import REMEMBERED, PeerStore, fitting_peers
from edge.swarm.pools import SMALL_TABLES
from edge.swarm.reconnect import Reconnector
from edge.swarm.swarm import Swarm
from edge.swarm.transport import SocketTransport
from edge.tiers import ledger
from edge.tiers.controller import Hold, Settings
from edge.tiers.modes import PAUSED, RELAY
from edge.tiers.schedule import MINUTES, Schedule, Window, minutes
from edge.tiers.sensors import Sensors
from edge.tiers.service import ModeService
from edge.tiers.wake import Sleeper, Waker
from edge.units import MIB
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import PeerId

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from edge.config.load import Config
    from edge.config.schema import Adapt, Relay, Section
    from edge.status.http import HttpServer
    from edge.status.server import Answer, Request
    from edge.swarm.connection import Connection
    from edge.tiers.controller import Decision as Step
    from edge.tiers.decision import Decision

GOODBYE = 3.0  # seconds a stop may take
_UNKNOWN_GRACE = 60.0  # seconds after which a node nobody has observed counts as not public
_SAVE_INTERVAL = 60.0
_PAUSED_SLOWDOWN = 10.0  # how much longer all regular work waits during a pause


class NodeError(Exception):
    """The node cannot start; the text is one line for the person who started it."""


class Node:
    """One running node. `config`: what it was started or last reloaded with.

    `decision`: what the machine is fit for, None if nobody asked or could tell.
    """

    def __init__(self, config: Config, decision: Decision | None = None) -> None:
        self.config = config
        self._lock = lock.hold(config.node.data_dir)
        key = load_or_create(
            config.identity_file(), lambda line: log.warning("identity", note=line)
        )
        sizing = machine.this_sizing()
        self._share = decision.relay_memory if decision else default_limit()
        limit = config.node.memory_limit or self._share
        self.budget = Budget(limit, machine.resident(), sizing, machine.resident)
        self.limits = Limits()
        self.limits.buffer_size = config.relay.buffer_size or fitting_buffer_size(self.budget)
        self.resources = Resources()
        self.swarm = Swarm(key, self.limits, self.budget)
        self.addresses = OwnAddresses(
            _parsed(config.node.external_address),
            lambda: self.swarm.listening,
            lambda: [ip for ip, _ in interfaces.addresses()],
        )
        self.store = PeerStore(
            os.path.join(config.node.data_dir, "peers"),
            fitting_peers(self.swarm.pools.tables, sizing),
        )
        self.store.load()
        self.dialer = Dialer(self.swarm)
        self._made = clock.build_time()
        kept = [os.path.join(config.node.data_dir, name) for name in ("peers", *ledger.FILES)]
        since = max(self._made, clock.newest(kept))
        self.identify = IdentifyService(self.swarm, self.addresses, since)
        self.swarm.handle(ping.PROTOCOL_ID, ping.serve)
        self.relay = RelayService(self.swarm, self.resources, self._relayed_by, self._utc)
        self.relay.accounts.most = int(MAX_PEERS * sizing.tables)
        self.swarm.admits = self.relay.admission.denied
        self.waker = Waker(self._utc)
        self.relay.wake = self.waker.wake
        self.relay.reserved.append(self.waker.returned)
        self.identify.identified += [self._on_identified, self.relay.on_identified]
        self.client = RelayClient(self.swarm, self.dialer, self.addresses)
        self.reconnector = Reconnector(self.swarm, self.dialer, self.store)
        self.addresses.changed.append(self._decide_client)
        self.qos = QosService(
            config.qos, self.swarm.traffic, self.relay.shaper.set_rate, self._ports
        )
        self.swarm.new_socket = self.qos.marks.new_socket
        self.swarm.work_begun.append(self._mark)
        self.ledger = ledger.Ledger(config.node.data_dir)
        self._resting: asyncio.TimerHandle | None = None
        self.modes = ModeService(
            Hold("machine", _mode_reason(config.node.mode, decision), RELAY),
            _schedule(config),
            _settings(config.adapt),
            Sensors(machine.memory()),
            self.ledger,
            self._utc,
            self._on_mode,
        )
        self.modes.counts = self._counts
        self.modes.wan = lambda: self.qos.busy
        self.sources = Sources(self.swarm, config.node.data_dir, self.modes)
        self.sources.decision = decision._asdict() if decision else None
        self.sources.budget = self.budget
        self.sources.addresses = self.addresses
        self.sources.relay = self.relay
        self.sources.client = self.client
        self.sources.qos = self.qos
        self.sources.flash_written = lambda: atomic.flash.written
        answers = {**verbs(self.sources, self.dialer), "ledger": self._tell_ledger}
        one = os.path.samefile(config.node.data_dir, config.node.run_dir)
        self.status = StatusServer(config.node.run_dir, answers, locked=one and self._lock >= 0)
        self.http: HttpServer | None = None
        self._watcher: interfaces.Watcher | None = None
        self._settle_budget(config)
        self._apply(config)

    async def start(self) -> None:
        """Serve. Raises SwarmError or StatusError."""
        await self.status.start()
        for address in _parsed(self.config.node.listen):
            self.swarm.listen(address)
        self._serve_http(self.config)
        self.addresses.refresh()
        self._watcher = interfaces.Watcher(self.swarm.loop, self.learn_addresses_anew)
        self.swarm.spawn(self.client.run())
        self.swarm.spawn(self.reconnector.run())
        self.swarm.spawn(self.modes.run())
        self.swarm.spawn(self._save_now_and_then())
        self.swarm.spawn(self.qos.run())
        self.reconnector.configure(self._bootstraps(self.config))
        self.swarm.loop.call_later(_UNKNOWN_GRACE, self._decide_client)

    async def stop(self) -> None:
        """Say goodbye, save what must outlive the process."""
        if self._watcher is not None:
            self._watcher.close()
        await self.status.stop()
        if self.http is not None:
            await self.http.stop()
        self.relay.stop()
        await self.swarm.stop()
        self.store.save(force=True)
        self.ledger.save()
        await self.qos.stop()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

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
        try:
            self._serve_http(new)
        except StatusError as error:
            log.error("http-not-served", error=error)
        self.reconnector.configure(self._bootstraps(new))
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
        self._set_memory_limit(config.node.memory_limit or self._share)
        self.limits.fill_in(self.budget)
        self.resources.fill_in(self.budget, self.limits)
        _admit(config.relay, self.relay.admission)
        self.addresses.configure(_parsed(config.node.external_address))
        self.client.configure(_parsed(config.relay.relays))
        self.config = config
        sleepers = _sleepers(config)
        self.waker.configure(sleepers, _zone(config))
        self.relay.keep_slots(frozenset(sleeper.peer for sleeper in sleepers))
        self.modes.configure(_schedule(config), _settings(config.adapt), config.adapt.enabled)
        self._on_mode(self.modes.decision)
        self._decide_client()
        for connection in [*self.swarm.pending, *self.swarm.all_connections()]:
            if isinstance(connection.transport, SocketTransport):
                self.qos.marks.again(connection.transport.sock)

    def _set_memory_limit(self, limit: int) -> None:
        least = self.budget.baseline + LEAST_TO_SERVE
        if limit < least:
            log.warning("memory-limit-too-low", limit=limit, least=least)
        self.budget.limit = max(limit, least)

    def _settle_budget(self, config: Config) -> None:
        """Set aside what the node takes before it serves anyone. Raises ConfigError."""
        budget = self.budget
        budget.baseline = machine.resident()
        # What strangers can fill and what has a fixed capacity is leased as a whole.
        tables = self.swarm.pools.tables
        tables.take(SMALL_TABLES + fitting_peers(tables, budget.sizing) * REMEMBERED)
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

    def _shape(self) -> None:
        """The configured rate, or what the mode leaves of it; a busy line takes from that."""
        relay = self.config.relay
        cap = least(relay.rate, self.modes.decision.rate)
        self.relay.shaper.configure(cap, relay.rate_per_peer)
        self.qos.configure(self.config.qos, cap)

    def _on_mode(self, decision: Step) -> None:
        """Do as was decided; a pause begins when the circuits have had time to finish."""
        self.relay.admits = decision.admits
        self._shape()
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None
        if decision.mode != PAUSED:
            self.swarm.slowdown = self.qos.slowdown = 1.0
            return
        at_once = decision.urgent or not self.relay.circuits
        wait = 0 if at_once else self.config.adapt.drain
        self._resting = self.swarm.loop.call_later(wait, self._rest)

    def _rest(self) -> None:
        self.relay.end_circuits("paused")
        self.swarm.slowdown = self.qos.slowdown = _PAUSED_SLOWDOWN

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

    def _serve_http(self, config: Config) -> None:
        """As configured, from now on. Raises StatusError."""
        wanted = _parsed(config.status.http_listen) if config.status.http else []
        if self.http is None and not wanted:
            return
        if self.http is None:
            from edge.status.http import HttpServer
            from edge.status.pages import pages

            self.http = HttpServer(pages(self.sources))
        self.http.configure([_ip_port(each) for each in wanted])

    # --- accounts ---

    def _counts(self) -> ledger.Counts:
        stats, counts = self.relay.stats, ledger.Counts()
        counts.bytes_relayed = stats.bytes_to_listeners + stats.bytes_to_dialers
        counts.circuits = stats.circuits
        counts.reservations = len(self.relay.reservations)
        return counts

    def _utc(self) -> float | None:
        """The time, None while the clock cannot be right."""
        return clock.now_if_plausible(self._made)

    async def _tell_ledger(self, _: Request) -> Answer:
        return {"days": ledger.report(self.ledger)}

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

    def _mark(self, connection: Connection) -> None:
        if isinstance(connection.transport, SocketTransport):
            self.qos.marks.carries_circuit(connection.transport.sock)

    async def _save_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(_SAVE_INTERVAL * self.swarm.slowdown)
            self.store.save_in_background()


def main(config: Config, uvloop: bool, decision: Decision | None) -> int:
    """Run a node until it is told to stop; returns the exit status. `uvloop`: as its loop."""
    try:
        _make_directory(config.node.data_dir, "the data directory")
        _make_directory(config.node.run_dir, "the directory of the status socket")
        return _run_loop(_run(config, decision), uvloop)
    except (NodeError, SwarmError, StatusError, CryptoError, lock.Held) as error:
        print(f"kwaainet: {error}", file=sys.stderr)
        return 1


async def _run(config: Config, decision: Decision | None) -> int:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    score = machine.raise_oom_score()
    node = Node(config, decision)
    sizing = machine.this_sizing()
    log.info("machine", profile=sizing.name, why=sizing.why, oom_score=score)
    if decision is not None:
        log.info("tier", fit=decision.mode, tier=decision.tier, reason=decision.reasons[0])
    if clock.now_if_plausible(clock.build_time()) is None:
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


def _schedule(config: Config) -> Schedule:
    windows = [
        Window(each.days, minutes(each.start), minutes(each.end), each.mode, each.rate)
        for each in config.schedule
    ]
    return Schedule(windows, _zone(config))


def _sleepers(config: Config) -> list[Sleeper]:
    found = []
    for each in config.wake:
        start, end = minutes(each.start), minutes(each.end)
        always = not each.days and (start, end) == (0, MINUTES)
        window = None if always else Window(each.days, start, end)
        peer = PeerId.from_string(each.peer)
        found.append(Sleeper(peer, each.mac, each.interface, each.port, window, each.wait))
    return found


def _zone(config: Config) -> zone.Zone:
    text = config.node.timezone
    return zone.system_zone() if text == "auto" else zone.Zone.from_string(text)


def _settings(adapt: Adapt) -> Settings:
    settings = Settings()
    settings.stay = adapt.stay
    settings.max_cpu = adapt.max_cpu / 100
    settings.max_temperature = adapt.max_temperature
    settings.max_wan = adapt.max_wan / 100
    settings.reduced_rate = adapt.reduced_rate
    return settings


def _admit(relay: Relay, admission: Admission) -> None:
    admission.private = relay.private
    admission.foreign_share = relay.foreign_share
    admission.allow_peers = frozenset(PeerId.from_string(text) for text in relay.allow_peers)
    admission.deny_peers = frozenset(PeerId.from_string(text) for text in relay.deny_peers)
    admission.allow_networks = [Network.from_string(text) for text in relay.allow_networks]
    admission.deny_networks = [Network.from_string(text) for text in relay.deny_networks]


def _parsed(texts: Sequence[str]) -> list[Multiaddr]:
    return [Multiaddr.from_string(text) for text in texts]


def _ip_port(address: Multiaddr) -> tuple[str, int]:
    """Of an address with a number for a host."""
    target = address.host_port()
    assert target is not None
    return target[0], target[1]

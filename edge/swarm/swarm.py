"""The swarm: the table of connections and its limits; what listens, dials and serves meets here.

Services register protocol handlers and are told of connections opening and closing; they dial
through `edge.swarm.dialer`. One sweep a second does all the timing there is: handshake deadlines,
keep-alive, idle connections.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

from edge import log
from edge.budget import Budget, default_limit
from edge.machine import resident
from edge.swarm.apart import Apart
from edge.swarm.clones import Clones
from edge.swarm.connection import Connection
from edge.swarm.errors import LimitReached
from edge.swarm.handlers import Handlers
from edge.swarm.handshake_rate import HandshakeRate
from edge.swarm.limits import Limits
from edge.swarm.listener import Listener
from edge.swarm.places import FOREIGN, LISTED, PATIENCE, Places, most_wanted
from edge.swarm.pools import CONNECTION, HANDSHAKE
from edge.swarm.relief import Relief
from edge.swarm.shared import Shared
from edge.swarm.transport import SocketTransport
from edge.swarm.work import BULK, CONTROL
from edge.wire.ip import ip_group
from edge.wire.noise import Identity
from edge.wire.upgrade import MUXERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from edge.crypto import Ed25519Key
    from edge.swarm.handlers import Handler, Offered
    from edge.swarm.stream import Stream
    from edge.swarm.transport import Transport
    from edge.wire.multiaddr import Multiaddr
    from edge.wire.peerid import PeerId

CONFIGURED = "configured"  # the reason for which peers that the owner has named are protected
_SWEEP = 1.0  # seconds, times `slowdown`
_SWEEPS_PER_KEEPALIVE = 4  # at least so many, however slow the rest
_FRAME_TIME = 30.0  # seconds for a noise message to come whole: 64 KiB at 2 KB/s
_FORGIVEN = 50  # nuisances of a connection that are forgotten each second
_OWN_IDLES = 5  # times as long as others may a peer of this network idle
_SUSPENDED = 10.0  # a sweep so late means that the process was stopped: nobody is to blame


class Swarm:
    """All connections of one node. `key`: its identity; `budget`: where its memory comes from.

    `slowdown`: how many times longer than usual everyone's regular work may wait: 1 but in a pause.
    """

    def __init__(
        self, key: Ed25519Key, limits: Limits | None = None, budget: Budget | None = None
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.key = key
        self.limits = limits or Limits()
        self.budget = budget or Budget(default_limit(), resident())
        self.identity = Identity(key, MUXERS)
        self.peer_id = self.identity.peer_id
        self._shared = Shared(self.loop, self.identity, self.limits, self.budget)
        self.pools = self._shared.pools
        self.work = self._shared.work  # by class: CONTROL, BULK, INTERACTIVE
        self.traffic = self._shared.traffic
        self.refusals = self._shared.refusals
        self.count_refusal = self._shared.count_refusal
        self.connections: dict[PeerId, list[Connection]] = {}
        self.pending: set[Connection] = set()
        self.opened: list[Callable[[Connection], None]] = []
        self.closed: list[Callable[[Connection], None]] = []
        # Told of an open connection on which its peer takes no new streams any more.
        self.leaving: list[Callable[[Connection], None]] = []
        # Told when the highest class of work that a connection carries rises above CONTROL.
        self.work_begun: list[Callable[[Connection], None]] = []
        # Told when peers may use other protocols than before.
        self.protocols_changed: list[Callable[[], None]] = []
        # Why a peer may not connect, or None: by its IP before the handshake, as a whole after it;
        # by its id before it is dialled.
        self.admits_ip: Callable[[bytes], str | None] = lambda _: None
        self.admits_peer: Callable[[PeerId], str | None] = lambda _: None
        self.admits: Callable[[Connection], str | None] = lambda _: None
        # Told of every socket before it carries anything.
        self.new_socket: Callable[[socket.socket], None] = lambda _: None
        self.slowdown = 1.0
        self.clones = Clones(self.loop.time)
        self._protected: dict[PeerId | None, set[str]] = {}
        self._handshake_rate = HandshakeRate(self.limits, self.loop.time)
        self._open = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._handlers = Handlers(self._shared, self.spawn)
        self.apart = Apart(self._shared)
        self._listener = Listener(self._shared, self.prepare, self._accepted)
        self.listening_changed = self._listener.changed  # told when a missing address has come
        self.places = Places(self._shared, self.connections, self._protected)
        self._relief = Relief(self._shared, self.all_connections, self._protected)
        self._swept_at = self.loop.time()
        self._sweep_due = self._swept_at + _SWEEP
        self._sweeper = self.loop.call_at(self._sweep_due, self._sweep)

    # --- protocols ---

    def handle(
        self,
        protocol: str,
        handler: Handler,
        offered: Offered | None = None,
        work: int = CONTROL,
    ) -> None:
        """Serve `protocol` with `handler(stream)`; `offered`: to which connections (None: all).

        `work`: the class of work that the handler and the bytes of its streams count as. Above
        CONTROL `offered` is what admits it. Raises ValueError if that is missing.
        """
        if work > CONTROL and offered is None:
            raise ValueError(f"{protocol}: work above CONTROL needs `offered`")
        self._handlers.add(protocol, handler, offered, work)
        for tell in self.protocols_changed:
            tell()

    def offers(self, protocol: str, connection: Connection) -> bool:
        """Whether the peer on `connection` may use `protocol`."""
        return self._handlers.offers(protocol, connection)

    def protocols(self, connection: Connection) -> list[str]:
        """The protocols that the peer on `connection` is told of."""
        return self._handlers.offered(connection)

    def spawn(self, work: Awaitable[None]) -> asyncio.Task[None]:
        """Run `work` as a task that lives no longer than the swarm; its failure is logged."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("task-failed", error=f"{type(error).__name__}: {error}", at=_place(error))

    @property
    def protocol_errors(self) -> int:
        """Connections that broke a protocol."""
        return self._shared.protocol_errors

    # --- sockets ---

    def listen(self, address: Multiaddr) -> Multiaddr:
        """Accept connections at an /ip4 or /ip6 TCP address; port 0 takes a free one.

        Returns the address with the port it has. Raises SwarmError.
        """
        return self._listener.listen(address)

    def listen_at(self, addresses: Iterable[Multiaddr]) -> None:
        """Listen at each of `addresses`, at those that cannot be had now as soon as they can.

        Raises SwarmError if there are some and none can be had.
        """
        self._listener.listen_at(addresses)

    def listen_anew(self) -> None:
        """Try the addresses that could not be had: the network may be another one."""
        self._listener.listen_anew()

    def lend_port(self, sock: socket.socket) -> bool:
        """Bind `sock`, which is to dial, to a port that is listened at; False: none can be had."""
        return self._listener.lend(sock)

    @property
    def listening(self) -> list[Multiaddr]:
        """Where connections are accepted."""
        return self._listener.addresses

    def close_listeners(self) -> None:
        """Accept nothing more; what is connected stays."""
        self._listener.close()

    @property
    def missing(self) -> list[Multiaddr]:
        """Where connections will be accepted once the address is there."""
        return self._listener.missing

    @property
    def accepting(self) -> bool:
        """Whether connections are accepted somewhere, now."""
        return self._listener.accepting

    def prepare(self, sock: socket.socket) -> None:
        """Set up a socket: a listener before it is bound, any other before it connects."""
        size = self.limits.socket_buffer
        if size:  # on the listener too: the window's scale is agreed on with the first packet
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
        self.new_socket(sock)

    def _accepted(self, sock: socket.socket, remote: Multiaddr, local: Multiaddr) -> None:
        refusal = self.refusal_of_source(remote.ip() or b"")
        if refusal is not None:
            self.count_refusal(refusal)
            sock.close()
            return
        self.prepare(sock)
        with suppress(LimitReached):  # counted where it was raised
            self.upgrade(SocketTransport(self.loop, sock, self.traffic), False, remote, local)

    def refusal_of_source(self, ip: bytes, relay: bytes = b"") -> str | None:
        """Why a connection from `ip` does not get a handshake; None: it does.

        `relay`: the peer id of the relay at `ip`, where it is one that brings the connection.
        """
        refusal = self.admits_ip(ip)
        if refusal is not None:
            return refusal
        if not self._handshake_rate.take(ip, relay):
            return "handshakes-per-ip"
        return self.refusal_for(relay or ip_group(ip))

    def refusal_for(self, group: bytes) -> str | None:
        """The limit that leaves no room for another handshake of `group`; None: there is room.

        Whether there is a place behind it depends on who comes.
        """
        if self.places.crowded(group):
            return "connections-per-ip"
        limit = self.limits.max_pending_handshakes
        if len(self.pending) >= limit and not self._end_a_handshake():
            return "pending-handshakes"
        return "connections" if self.places.full_for_all(self._open) else None

    def _end_a_handshake(self) -> bool:
        """Make room for a newcomer: the oldest handshake ends, if it has had its time."""
        theirs = [connection for connection in self.pending if not connection.initiator]
        oldest = min(theirs, key=lambda connection: connection.opened_at, default=None)
        if oldest is None or self.loop.time() - oldest.opened_at < PATIENCE:
            return False
        self.count_refusal("handshake-displaced")
        oldest.close("another one needs its place", say=False)
        return True

    # --- connections ---

    def upgrade(
        self,
        transport: Transport,
        initiator: bool,
        remote: Multiaddr,
        local: Multiaddr | None = None,
        expected: PeerId | None = None,
    ) -> Connection:
        """Upgrade `transport`; the connection counts against the limits from here on.

        Raises LimitReached when there is no memory for one more handshake.
        """
        if not self.pools.handshakes.take(HANDSHAKE):
            self.count_refusal("memory-handshakes")
            transport.close()
            raise LimitReached("no memory for another handshake")
        connection = Connection(self._shared, self, transport, initiator, remote, local, expected)
        connection.group = _origin(connection)
        self.places.origins.enter(connection.group)
        self.pending.add(connection)
        connection.start()
        return connection

    def invited(self, connection: Connection) -> bool:
        """Whether we have dialled `connection`, or the owner has named its peer."""
        if connection.initiator or self.places.favour(connection) == LISTED:
            return True
        return CONFIGURED in self._protected.get(connection.peer, ())

    def connection_open(self, connection: Connection, to_itself: bool) -> str | None:
        """The upgrade is done; returns why the connection cannot stay, or None."""
        peer = connection.peer
        assert peer is not None
        self.pending.discard(connection)
        self.pools.handshakes.give(HANDSHAKE)
        refusal = "own-peer-id" if peer == self.peer_id else self.admits(connection)
        if peer == self.peer_id and not to_itself:
            self.clones.met(connection.remote)
        if refusal is None and not self.places.make_room(connection, self._open):
            refusal = "connections"
        if refusal is None and not self.pools.connections.take(CONNECTION):
            refusal = "memory-connections"
        if refusal is not None:
            connection.peer = None  # it has never been in the table
            self.count_refusal(refusal)
            return refusal
        siblings = self.connections.setdefault(peer, [])
        siblings.append(connection)
        self._open += 1
        if len(siblings) > self.limits.max_connections_per_peer:
            # The newest is the one that is alive: a peer that lost its network comes back anew.
            oldest = min(siblings, key=_least_wanted)
            oldest.close("replaced by a newer connection")
        for tell in self.opened:
            tell(connection)
        return None

    def connection_closed(self, connection: Connection) -> None:
        """Told by a connection, once, when it ends."""
        self.places.origins.leave(connection.group)
        peer = connection.peer
        if peer is None:
            if connection in self.pending:
                self.pending.discard(connection)
                self.pools.handshakes.give(HANDSHAKE)
            return
        self._open -= 1
        self.pools.connections.give(CONNECTION)
        siblings = self.connections[peer]
        siblings.remove(connection)
        if not siblings:
            del self.connections[peer]
        for tell in self.closed:
            tell(connection)

    def connection_promoted(self, connection: Connection) -> None:
        """Told by a connection when the highest class of work that it carries has risen."""
        for tell in self.work_begun:
            tell(connection)

    def connection_leaving(self, connection: Connection) -> None:
        """Told by a connection when its peer takes no new streams on it any more."""
        for tell in self.leaving:
            tell(connection)

    def stream_ready(self, stream: Stream) -> None:
        """Told by a connection when its peer has opened `stream` and agreed on a protocol."""
        self._handlers.stream_ready(stream)

    def readmit(self) -> None:
        """Close the connections that `admits`, whose rules have changed, refuses now."""
        for connection in [*self.pending, *self.all_connections()]:
            refusal = self.admits(connection) if connection.closed is None else None
            if refusal is not None:
                self.count_refusal(refusal)
                connection.close(refusal)

    def connection_to(self, peer: PeerId) -> Connection | None:
        """The best connection for new streams to `peer`: direct before relayed, then the newest."""
        usable = [each for each in self.connections.get(peer, ()) if not each.leaving]
        return max(usable, key=most_wanted, default=None)

    def all_connections(self) -> list[Connection]:
        """Every open connection."""
        return [connection for some in self.connections.values() for connection in some]

    @property
    def connection_count(self) -> int:
        return self._open

    def protect(self, peer: PeerId, reason: str) -> None:
        """Keep connections to `peer` though they idle, until `unprotect` with the same reason."""
        self._protected.setdefault(peer, set()).add(reason)

    def unprotect(self, peer: PeerId, reason: str) -> None:
        """Take `protect` back."""
        reasons = self._protected.get(peer)
        if reasons is not None:
            reasons.discard(reason)
            if not reasons:
                del self._protected[peer]

    @property
    def at_work(self) -> bool:
        """Whether work that a service has admitted is under way."""
        return any(work.open for work in self.work[BULK:])

    # --- time ---

    def _sweep(self) -> None:
        now = self.loop.time()
        late = now - self._sweep_due
        elapsed, self._swept_at = now - self._swept_at, now
        longest = self.limits.keepalive_interval / _SWEEPS_PER_KEEPALIVE
        self._sweep_due = now + max(_SWEEP, min(_SWEEP * self.slowdown, longest))
        self._sweeper = self.loop.call_at(self._sweep_due, self._sweep)
        if late > _SUSPENDED:
            log.warning("suspended", seconds=int(late))
            self._forgive(late)
        limits = self.limits
        for connection in list(self.pending):
            if now - connection.opened_at > limits.handshake_timeout:
                self.count_refusal("handshake-timeout")
                connection.close("handshake timed out", say=False)
        self._end_negotiations(now - limits.negotiation_timeout)
        self._relief.measure()
        for connection in self.all_connections():
            if connection.closed is not None:
                continue  # another one's turn has ended it
            connection.session.forgive(int(_FORGIVEN * elapsed))
            connection.load.cost /= 2
            connection.keep_alive(now, limits.keepalive_interval)
            if connection.stuck_for(now) > _FRAME_TIME:
                self.count_refusal("frame-timeout")
                connection.close("a frame did not come whole in time")
            elif connection.closed is None and self._is_idle(connection, now):
                connection.close("idle")

    def _end_negotiations(self, before: float) -> None:
        """Reset the streams opened before then that have agreed on no protocol."""
        late = []
        for stream, opened_at in self._shared.negotiating.items():
            if opened_at > before:
                break  # as all that follow
            late.append(stream)
        for stream in late:
            self.count_refusal("negotiation-timeout")
            stream.reset()

    def _forgive(self, seconds: float) -> None:
        for stream in self._shared.negotiating:
            self._shared.negotiating[stream] += seconds
        for connection in self.pending:
            connection.opened_at += seconds
        for connection in self.all_connections():
            if connection.stuck_since:
                connection.stuck_since += seconds
            connection.heard_at += seconds
            connection.idle_since += seconds

    def _is_idle(self, connection: Connection, now: float) -> bool:
        protected = connection.peer in self._protected and not connection.leaving
        if connection.busy or protected:
            connection.idle_since = now
        most = self.limits.idle_timeout
        if self.places.favour(connection) != FOREIGN:
            most *= _OWN_IDLES
        return now - connection.idle_since > most

    # --- the end ---

    async def stop(self) -> None:
        """Close everything: listeners, connections (with a go-away), tasks."""
        self._sweeper.cancel()
        self._listener.close()
        for connection in [*self.pending, *self.all_connections()]:
            connection.close("node stops")
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _origin(connection: Connection) -> bytes:
    """What it is counted under: its IP, or the relay that has brought it to us."""
    remote = connection.remote
    if connection.direct:
        return ip_group(remote.ip() or b"")
    relay = None if connection.initiator else remote.relay_part()
    relay_id = None if relay is None else relay.peer_id()
    return b"" if relay_id is None else relay_id.bytes


def _place(error: BaseException) -> str:
    """Where it was raised, for a bug report."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "unknown"
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"


def _least_wanted(connection: Connection) -> tuple[bool, int, float]:
    return not connection.leaving, len(connection.session.streams), connection.opened_at

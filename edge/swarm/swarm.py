"""The swarm: listens, keeps the table of connections within its limits, finds handlers.

Services register protocol handlers and are told of connections opening and closing; they dial
through `edge.swarm.dialer`. One sweep a second does all the timing there is: handshake deadlines,
keep-alive, idle connections.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from edge import log
from edge.budget import (
    CONNECTION,
    HANDLER,
    HANDSHAKE,
    Budget,
    default_limit,
    give_back,
    resident,
)
from edge.machine import is_short
from edge.swarm.connection import Connection
from edge.swarm.errors import LimitReached, SwarmError
from edge.swarm.limits import Limits
from edge.swarm.pace import Charged, Pace
from edge.swarm.transport import CircuitTransport, SocketTransport, Traffic
from edge.swarm.turns import Turns
from edge.wire import connection as wire
from edge.wire.errors import WireError
from edge.wire.ip import ip_group
from edge.wire.multiaddr import Multiaddr
from edge.wire.noise import Identity
from edge.wire.upgrade import MUXERS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from edge.crypto import Ed25519Key
    from edge.swarm.stream import Stream
    from edge.wire.peerid import PeerId

    SocketAddress = tuple[str, int] | tuple[str, int, int, int]
    Handler = Callable[[Stream], Awaitable[None]]
    Offered = Callable[[Connection], bool]

_BACKLOG = 256  # of the listening socket
_ACCEPTS_PER_EVENT = 16
_ACCEPT_PAUSE = 1.0  # seconds, when no file descriptor is left
_SWEEP = 1.0  # seconds, times `slowdown`
_SWEEPS_PER_KEEPALIVE = 4  # at least so many, however slow the rest
_FRAME_TIME = 30.0  # seconds for a noise message to come whole: 64 KiB at 2 KB/s
_FORGIVEN = 50  # nuisances of a connection that are forgotten each second
_STARTS_PER_TURN = 4
_GREEDY = 64 * 1024  # bytes held for one connection, from which memory may be taken back
_PATIENCE = 2.0  # seconds a handshake may take before it gives way to a newcomer
_SPARE_AFTER = 3.0  # seconds of idling or sticking after which memory may be taken back
_GIVE_BACK = 5.0  # seconds from one time to the next: it takes milliseconds
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
        self.budget.connections.relief.append(self._close_an_idle_one)
        self.budget.buffers.relief += [self._close_a_stuck_one, self._close_the_greediest]
        self.noise_identity = Identity(key, MUXERS)
        self.peer_id = self.noise_identity.peer_id
        self.connections: dict[PeerId, list[Connection]] = {}
        self.pending: set[Connection] = set()
        self.listening: list[Multiaddr] = []
        self.opened: list[Callable[[Connection], None]] = []
        self.closed: list[Callable[[Connection], None]] = []
        self.admits: Callable[[Connection], str | None] = lambda _: None
        # Told of every socket before it carries anything.
        self.new_socket: Callable[[socket.socket], None] = lambda _: None
        self.traffic = Traffic()
        self.depth = 0  # of receive callbacks running inside each other
        self.reading: Connection | None = None  # whose event is being handled
        self.slowdown = 1.0
        self.relayed = 0  # bytes that circuits have received: what `pace` protects
        self.pace = Pace(time.monotonic, time.thread_time)
        self.protocol_errors = 0
        self.refusals: dict[str, int] = {}
        # Streams that wait for their handler to start; the connections take turns.
        self._ready: dict[Connection, deque[Stream]] = {}
        self._starting = False
        self.turns = Turns(self.loop, lambda: self.pace.wait(self.relayed))
        self._handlers: dict[str, tuple[Handler, Offered | None]] = {}
        self._protected: dict[PeerId, set[str]] = {}
        self._per_group: dict[bytes, int] = {}
        self._open = 0
        self._sockets: list[socket.socket] = []
        self._resting: set[socket.socket] = set()  # of them, while no file descriptor is left
        self._dirty: list[Connection] = []
        self._flush_due = False
        self._scratch = [wire.Buffers(self.limits.buffer_size)]
        self._tasks: set[asyncio.Task[None]] = set()
        self._gives_back_at = self.loop.time()
        self._swept_at = self.loop.time()
        self._sweep_due = self._swept_at + _SWEEP
        self._sweeper = self.loop.call_at(self._sweep_due, self._sweep)

    # --- protocols ---

    def handle(self, protocol: str, handler: Handler, offered: Offered | None = None) -> None:
        """Serve `protocol` with `handler(stream)`; `offered`: to which connections (None: all)."""
        self._handlers[protocol] = (handler, offered)

    def offers(self, protocol: str, connection: Connection) -> bool:
        """Whether the peer on `connection` may use `protocol`."""
        entry = self._handlers.get(protocol)
        return entry is not None and (entry[1] is None or entry[1](connection))

    def protocols(self, connection: Connection) -> list[str]:
        """What the peer on `connection` is told we speak."""
        return [protocol for protocol in self._handlers if self.offers(protocol, connection)]

    def stream_ready(self, stream: Stream) -> None:
        """Run the handler of the protocol that `stream` has agreed on, when its turn comes.

        A few start in each turn of the loop, each for another connection, so that who asks for many
        does not hold up who is being served; a stream that is gone by then costs no more.
        """
        self._ready.setdefault(stream.connection, deque()).append(stream)
        if not self._starting:
            self._starting = True
            self.loop.call_soon(self._start_handlers)

    def _start_handlers(self) -> None:
        if self.pace.wait(self.relayed):
            self.turns.take(self._start_handlers)
            return
        for _ in range(_STARTS_PER_TURN):
            if self._ready:
                self._start_handler()
        self._starting = bool(self._ready)
        if self._starting:
            self.loop.call_soon(self._start_handlers)  # behind the first steps of these

    def _start_handler(self) -> None:
        connection, streams = next(iter(self._ready.items()))
        del self._ready[connection]
        stream = streams.popleft()
        if streams and connection.closed is None:
            self._ready[connection] = streams  # behind all others
        if stream.is_open:
            assert stream.protocol is not None
            self.spawn(self._serve(self._handlers[stream.protocol][0], stream))

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

    async def _serve(self, handler: Handler, stream: Stream) -> None:
        if not self.budget.streams.take(HANDLER):
            self.count_refusal("memory-handlers")
            stream.reset()
            return
        try:
            await Charged(self.pace, handler(stream))
        except (WireError, SwarmError, TimeoutError) as error:
            log.debug(
                "stream-failed",
                peer=stream.connection.peer,
                protocol=stream.protocol,
                error=str(error) or type(error).__name__,
            )
            stream.reset()
        except BaseException:
            stream.reset()
            raise
        finally:
            self.budget.streams.give(HANDLER)

    # --- listening ---

    def listen(self, address: Multiaddr) -> Multiaddr:
        """Accept connections at an /ip4 or /ip6 TCP address; port 0 takes a free one.

        Returns the address with the port it has. Raises SwarmError.
        """
        target = address.host_port()
        ip = address.ip()
        if target is None or ip is None:
            raise SwarmError(f"cannot listen on {address}: /ip4/... or /ip6/.../tcp/PORT expected")
        sock = socket.socket(socket.AF_INET if len(ip) == 4 else socket.AF_INET6)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if len(ip) == 16:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            self.prepare(sock)
            sock.bind((target[0], target[1]))
            sock.listen(_BACKLOG)
        except OSError as error:
            sock.close()
            raise SwarmError(f"cannot listen on {address}: {error.strerror}") from None
        bound = Multiaddr.from_ip(ip, sock.getsockname()[1])
        self._sockets.append(sock)
        self.listening.append(bound)
        self.loop.add_reader(sock, self._acceptable, sock)
        return bound

    @property
    def accepting(self) -> bool:
        """Whether connections are accepted somewhere."""
        return len(self._sockets) > len(self._resting)

    def _acceptable(self, sock: socket.socket) -> None:
        for _ in range(_ACCEPTS_PER_EVENT):
            if self.pace.wait(self.relayed):
                self.turns.take(self._rest(sock))
                return
            began = self.pace.worked()
            try:
                accepted, peer = sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    raise
                log.warning("accept-paused", error=error.strerror, seconds=_ACCEPT_PAUSE)
                self.count_refusal("file-descriptors")
                self.loop.call_later(_ACCEPT_PAUSE, self._rest(sock))
                return
            self._accepted(accepted, peer)
            self.pace.spent(began)

    def _rest(self, sock: socket.socket) -> Callable[[], None]:
        """Accept nothing more on `sock` until what this returns is called."""
        self.loop.remove_reader(sock)
        self._resting.add(sock)

        def again() -> None:
            self._resting.discard(sock)
            if sock in self._sockets:
                self.loop.add_reader(sock, self._acceptable, sock)
                self._acceptable(sock)

        return again

    def _accepted(self, sock: socket.socket, peer: SocketAddress) -> None:
        sock.setblocking(False)
        try:
            remote, local = _multiaddr(peer), _multiaddr(sock.getsockname())
        except OSError:
            sock.close()  # gone again already
            return
        group = ip_group(remote.ip() or b"")
        refusal = self.no_room(group)
        if refusal is not None:
            self.count_refusal(refusal)
            sock.close()
            return
        self.prepare(sock)
        with suppress(LimitReached):  # counted where it was raised
            self.adopt(SocketTransport(self.loop, sock, self.traffic), False, remote, local)

    def prepare(self, sock: socket.socket) -> None:
        """What every socket gets, those that dial before they connect."""
        size = self.limits.socket_buffer
        if size:  # on the listener too: the window's scale is agreed on with the first packet
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
        self.new_socket(sock)

    def no_room(self, group: bytes) -> str | None:
        limits = self.limits
        if len(self.pending) >= limits.max_pending_handshakes and not self._end_a_handshake():
            return "pending-handshakes"
        if self._open + len(self.pending) >= limits.max_connections:
            return "connections"
        if self._per_group.get(group, 0) >= limits.max_connections_per_ip:
            return "connections-per-ip"
        return None

    def _end_a_handshake(self) -> bool:
        """Make room for a newcomer: the oldest handshake ends, if it has had its time."""
        theirs = [connection for connection in self.pending if not connection.initiator]
        oldest = min(theirs, key=lambda connection: connection.opened_at, default=None)
        if oldest is None or self.loop.time() - oldest.opened_at < _PATIENCE:
            return False
        self.count_refusal("handshake-displaced")
        oldest.close("another one needs its place", say=False)
        return True

    # --- connections ---

    def adopt(
        self,
        transport: SocketTransport | CircuitTransport,
        initiator: bool,
        remote: Multiaddr,
        local: Multiaddr | None = None,
        expected: PeerId | None = None,
    ) -> Connection:
        """Upgrade `transport`; the connection counts against the limits from here on.

        Raises LimitReached when there is no memory for one more handshake.
        """
        if not self.budget.handshakes.take(HANDSHAKE):
            self.count_refusal("memory-handshakes")
            transport.close()
            raise LimitReached("no memory for another handshake")
        connection = Connection(self, transport, initiator, remote, local, expected)
        if connection.direct:
            group = connection.group = ip_group(remote.ip() or b"")
            self._per_group[group] = self._per_group.get(group, 0) + 1
        self.pending.add(connection)
        connection.start()
        return connection

    def connection_open(self, connection: Connection) -> str | None:
        """The upgrade is done; returns why the connection cannot stay, or None."""
        peer = connection.peer
        assert peer is not None
        self.pending.discard(connection)
        self.budget.handshakes.give(HANDSHAKE)
        refusal = "own-peer-id" if peer == self.peer_id else self.admits(connection)
        if refusal is None and not self.budget.connections.take(CONNECTION):
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
        if connection.direct:
            left = self._per_group[connection.group] - 1
            if left:
                self._per_group[connection.group] = left
            else:
                del self._per_group[connection.group]
        self.turns.forget(connection)
        peer = connection.peer
        if peer is None:
            if connection in self.pending:
                self.pending.discard(connection)
                self.budget.handshakes.give(HANDSHAKE)
            return
        self._open -= 1
        self.budget.connections.give(CONNECTION)
        siblings = self.connections[peer]
        siblings.remove(connection)
        if not siblings:
            del self.connections[peer]
        for tell in self.closed:
            tell(connection)

    def connection_to(self, peer: PeerId) -> Connection | None:
        """The best open connection to `peer`: direct before relayed, then the newest."""
        return max(self.connections.get(peer, ()), key=_most_wanted, default=None)

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

    def count_refusal(self, reason: str) -> None:
        """Keep account of what was refused, by reason."""
        self.refusals[reason] = self.refusals.get(reason, 0) + 1

    # --- output ---

    def scratch(self, direct: bool) -> wire.Buffers:
        """The scratch buffers of direct connections, or of those inside a circuit.

        The latter are fed while an event of the former is being handled, hence a second set.
        """
        if direct:
            return self._scratch[0]
        if len(self._scratch) == 1:
            self._scratch.append(wire.Buffers(2 * wire.MIN_BUFFER))
        return self._scratch[1]

    def has_output(self, connection: Connection) -> None:
        """`connection` has bytes to send: at the end of the running event, or soon."""
        self._dirty.append(connection)
        if self.depth == 0 and not self._flush_due:
            self._flush_due = True
            self.loop.call_soon(self.flush)

    def flush(self) -> None:
        """Send what all connections have queued."""
        self._flush_due = False
        while self._dirty:
            self._dirty.pop().flush()  # one that has been flushed since has nothing to send

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
        self._measure()
        for connection in self.all_connections():
            if connection.closed is not None:
                continue  # another one's turn has ended it
            connection.session.forgive(int(_FORGIVEN * elapsed))
            connection.cost /= 2
            connection.keep_alive(now, limits.keepalive_interval)
            if connection.stuck_for(now) > _FRAME_TIME:
                self.count_refusal("frame-timeout")
                connection.close("a frame did not come whole in time")
            elif connection.closed is None and self._is_idle(connection, now):
                connection.close("idle")

    def _measure(self) -> None:
        """Compare the leases with the kernel's count, and see that what is free is free."""
        if self.budget.hoards(resident()) and self._gives_back_at <= self.loop.time():
            self._gives_back_at = self.loop.time() + _GIVE_BACK
            give_back()
        short = is_short()
        if short != self.budget.short:
            log.warning("machine-memory", short=short)
        if self.budget.measure(resident(), short):
            self._close_an_idle_one()

    def _forgive(self, seconds: float) -> None:
        for connection in self.pending:
            connection.opened_at += seconds
        for connection in self.all_connections():
            if connection.stuck_since:
                connection.stuck_since += seconds
            connection.heard_at += seconds
            connection.idle_since += seconds

    def _is_idle(self, connection: Connection, now: float) -> bool:
        if connection.session.streams or connection.peer in self._protected:
            connection.idle_since = now
        return now - connection.idle_since > self.limits.idle_timeout

    # --- letting go, when memory is short ---

    def _close_an_idle_one(self) -> bool:
        """The one that has idled for longest, unless someone wants it kept."""
        now = self.loop.time()
        idle = [c for c in self.all_connections() if self._spare(c, now)]
        if not idle:
            return False
        min(idle, key=lambda c: c.idle_since).close("memory is short")
        return True

    def _spare(self, connection: Connection, now: float) -> bool:
        busy = connection.session.streams or connection.peer in self._protected
        return not busy and now - connection.idle_since > _SPARE_AFTER

    def _close_a_stuck_one(self) -> bool:
        """The one whose frame has been incomplete for longest."""
        now = self.loop.time()
        stuck = [c for c in self.all_connections() if c.stuck_for(now) > _SPARE_AFTER]
        if not stuck:
            return False
        max(stuck, key=lambda c: c.stuck_for(now)).close("memory is short")
        return True

    def _close_the_greediest(self) -> bool:
        """The one for which most is held that nobody reads; not one that carries circuits.

        Nor the one whose event is being handled: that one is refused what it asks for.
        """
        held = {c: c.unread() for c in self.all_connections() if c is not self.reading}
        greediest = max(held, key=lambda c: held[c], default=None)
        if greediest is None or held[greediest] < _GREEDY:
            return False
        greediest.close("memory is short")
        return True

    # --- the end ---

    async def stop(self) -> None:
        """Close everything: listeners, connections (with a go-away), tasks."""
        self._sweeper.cancel()
        for sock in self._sockets:
            self.loop.remove_reader(sock)
            sock.close()
        self._sockets.clear()
        for connection in [*self.pending, *self.all_connections()]:
            connection.close("node stops")
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _place(error: BaseException) -> str:
    """Where it was raised, for a bug report."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "unknown"
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"


def _most_wanted(connection: Connection) -> tuple[bool, float]:
    return connection.direct, connection.opened_at


def _least_wanted(connection: Connection) -> tuple[int, float]:
    return len(connection.session.streams), connection.opened_at


def _multiaddr(name: SocketAddress) -> Multiaddr:
    host = name[0].split("%")[0]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return Multiaddr.from_ip(socket.inet_pton(family, host), name[1])

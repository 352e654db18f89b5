"""One connection to one peer: moves bytes between a transport and edge.wire, owns the streams.

What is read is dispatched at once, inside the read's own callback; what was written to any
connection meanwhile is flushed when the callback ends (`Shared.flush`).
"""

from __future__ import annotations

import time
from typing import Protocol

from edge import log
from edge.swarm.errors import ConnectionClosed, LimitReached
from edge.swarm.load import Load
from edge.swarm.pools import STREAM
from edge.swarm.stream import Stream
from edge.swarm.transport import MAX_BACKLOG
from edge.swarm.work import CONTROL
from edge.wire import connection as framing
from edge.wire import multistream, yamux
from edge.wire.errors import LocalProtocolError, RemoteProtocolError
from edge.wire.upgrade import Upgrade

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from edge.swarm.shared import Shared
    from edge.swarm.transport import Transport
    from edge.wire.identify import IdentifyInfo
    from edge.wire.multiaddr import Multiaddr
    from edge.wire.peerid import PeerId
    from edge.wire.types import Buffer

_PING = 0x6B776169  # "kwai"
_FEW_STREAMS = 8
# Bytes read at once: of a handshake, whose messages are shorter, and what follows them has to wait
# its turn; and of what gives way to work of a higher class.
_HANDSHAKE = 1024
_SIP = 16 * 1024


def _now() -> int:
    """Microseconds of a monotonic clock: the unit of a session's rtt."""
    return int(time.monotonic() * 1e6)


class Owner(Protocol):
    """The owner of a connection, told of what happens to it: the swarm."""

    def invited(self, connection: Connection) -> bool:
        """Whether `connection`, whose upgrade is done, is one that this node wants."""

    def connection_open(self, connection: Connection, to_itself: bool) -> str | None:
        """The upgrade is done; returns why the connection cannot stay, or None.

        `to_itself`: this process is at both ends.
        """

    def connection_closed(self, connection: Connection) -> None:
        """It has ended."""

    def connection_promoted(self, connection: Connection) -> None:
        """The highest class of work that it carries has risen."""

    def connection_leaving(self, connection: Connection) -> None:
        """Its peer takes no new streams on it any more."""

    def stream_ready(self, stream: Stream) -> None:
        """A stream that the peer opened has agreed on its protocol."""

    def offers(self, protocol: str, connection: Connection) -> bool:
        """Whether the peer may use `protocol`."""


class Connection:
    """A connection, upgrading (`peer` is None) or open, direct or through a relay.

    `group`: what limits by origin count it under; see edge.swarm.crowd.
    """

    __slots__ = (
        "__weakref__",
        "_dirty",
        "_held",
        "_host",
        "_info_size",
        "_level",
        "_pinged_at",
        "_sources",
        "_streams",
        "_turn",
        "_upgrade",
        "_waiter",
        "_wire",
        "closed",
        "dialled_from",
        "direct",
        "group",
        "heard",
        "heard_at",
        "idle_since",
        "info",
        "initiator",
        "limited",
        "load",
        "local",
        "loop",
        "opened_at",
        "peer",
        "plain",
        "remote",
        "shared",
        "stuck_since",
        "transport",
    )

    def __init__(
        self,
        shared: Shared,
        host: Owner,
        transport: Transport,
        initiator: bool,
        remote: Multiaddr,
        local: Multiaddr | None = None,
        expected: PeerId | None = None,
    ) -> None:
        self.shared = shared
        self.loop = shared.loop
        self._host = host
        self.transport = transport
        self.direct = transport.direct  # a socket of ours, not a stream of another connection
        self.initiator = initiator
        self.remote = remote
        self.local = local
        self.dialled_from = 0  # the port from which this node has dialled it; 0: its peer has
        self.group = b""
        self.limited = False  # whether the relay it goes through ends it after some time or bytes
        self.peer: PeerId | None = None
        self.info: IdentifyInfo | None = None
        self.closed: str | None = None
        self.opened_at = self.heard_at = self.idle_since = self.loop.time()
        self.heard = True
        self.load = Load(shared.work, transport)
        self._pinged_at = 0
        self._sources: set[Connection] = set()  # paused until our backlog has drained
        self._turn = 0
        self._dirty = False
        self.stuck_since = 0.0  # when the incomplete frame there is began to come; 0: there is none
        self._held = 0  # bytes leased of the buffers
        self._info_size = 0  # leased of the tables
        self._streams = 0  # leased
        self._waiter: asyncio.Future[Connection] | None = None
        self._wire: framing.Connection | None = None
        self._upgrade: Upgrade | None = Upgrade(shared.identity, initiator, expected)
        self._level = shared.scratch(self.direct)
        self.plain = self._level.plain_view

    def start(self) -> None:
        """Begin the upgrade."""
        assert self._upgrade is not None
        hello = self._upgrade.start()
        self.transport.start(self)
        if hello and self.closed is None:
            self.transport.write(memoryview(hello))

    async def upgraded(self) -> Connection:
        """Wait for the end of the upgrade. Raises ConnectionClosed."""
        if self.closed is not None:
            raise ConnectionClosed(self.closed)
        if self.peer is None:
            self._waiter = self.loop.create_future()
            await self._waiter
        return self

    @property
    def session(self) -> yamux.Session:
        if self._wire is None:
            raise ConnectionClosed(self.closed or "not upgraded yet")
        return self._wire.session

    @property
    def leaving(self) -> bool:
        """Whether the peer has said that it takes no new streams: this connection is to end."""
        return self._wire is not None and self._wire.session.going_away

    # --- Receiver ---

    def get_buffer(self) -> memoryview:
        if self._wire is None:
            return self._level.rx_view[:_HANDSHAKE]
        room = self._wire.get_buffer()
        share = self.load.share
        if share is not None and share.protects:
            return room[:_SIP]
        return room

    def buffer_updated(self, length: int) -> None:
        self.heard = True
        shared, share = self.shared, self.load.share
        began = share.worked() if share is not None else 0.0
        if shared.depth == 0:
            shared.reading = self
        shared.depth += 1
        try:
            if self._wire is None:
                self._continue_upgrade(bytes(self._level.rx_view[:length]))
            else:
                before = self._wire.held
                events = self._wire.buffer_updated(length)
                if self._wire.held != before + length:
                    self.stuck_since = 0.0
                elif not self.stuck_since:
                    self.stuck_since = self.loop.time()
                self._dispatch(events)
        except RemoteProtocolError as error:
            self._protocol_error(error)
        finally:
            shared.depth -= 1
            if shared.depth == 0:
                shared.flush()
                shared.reading = None
            self.settle()
            if share is not None:
                self.load.charge(share, began)
                if self._wire is not None:
                    self.load.pace()

    def eof_received(self, reason: str) -> None:
        share = self.shared.work[CONTROL].share  # coming and going is what anybody can cause
        began = share.worked()
        self.close(reason, say=False)
        if not self.initiator:
            share.spent(began)

    def writable(self) -> None:
        """The backlog has drained: everyone who waited may write, each time another one first."""
        if self._wire is None:
            return
        streams = list(self._wire.session.streams.values())
        first = self._turn = (self._turn + 1) % max(1, len(streams))
        for stream in streams[first:] + streams[:first]:
            if stream.owner is not None:
                stream.owner.writable()
            if self._dirty:
                self.flush()
            if self.transport.congested:
                return
        self._resume_sources()

    # --- what streams ask for ---

    @property
    def congested(self) -> bool:
        return self.transport.congested

    def open_stream(self, protocols: Sequence[str]) -> Stream:
        """A new stream on which the first of `protocols` is proposed at once.

        Raises ConnectionClosed, and LimitReached when the peer lets too many go unacknowledged.
        """
        session = self.session
        try:
            opened = session.open_stream()
        except LocalProtocolError as error:
            raise LimitReached(str(error)) from None
        self.idle_since = self.loop.time()
        stream = Stream(self, opened)
        opened.owner = stream
        stream.propose(multistream.Dialer(protocols))
        return stream

    def send(self, stream: yamux.Stream, data: Buffer) -> int:
        """Queue a copy of what the window admits of `data`; return how many bytes."""
        session = self.session
        length = session.send(stream, data)
        if len(session.out) >= self._level.size:
            self.flush()  # so that `congested` tells the next writer the truth
        else:
            self.touch()
        return length

    def forward(self, stream: yamux.Stream, start: int, end: int) -> None:
        """Send plain[start:end] of the running event on `stream` (edge.wire.connection)."""
        assert self._wire is not None
        self._wire.forward(stream, start, end)
        self.touch()

    def consumed(self, stream: yamux.Stream, length: int, grow: bool = True) -> None:
        """`length` received bytes were dealt with: credit the peer in time.

        `grow`: whether a larger window could make the stream faster.
        """
        if self._wire is None:
            return
        session = self._wire.session
        session.consumed(stream, length, _now(), grow)
        if session.out:
            self.touch()

    def finish(self, stream: yamux.Stream) -> None:
        if self._wire is not None:
            self._wire.session.finish(stream)
            self.touch()

    def reset(self, stream: yamux.Stream) -> None:
        if self._wire is not None:
            self._wire.session.reset(stream)
            self.touch()

    def stream_ready(self, stream: Stream) -> None:
        """A stream the peer opened has agreed on its protocol."""
        self._host.stream_ready(stream)

    # --- sending ---

    def touch(self) -> None:
        """There is something to send."""
        if not self._dirty:
            self._dirty = True
            self.shared.has_output(self)

    def flush(self) -> None:
        """Seal and send all that is queued; what the kernel does not take waits as ciphertext."""
        self._dirty = False
        link = self._wire
        if link is None:
            return
        transport = self.transport
        while link.wants_to_send:
            transport.write(link.data_to_send())
        if not transport.congested:
            return
        if transport.backlog > MAX_BACKLOG + 2 * self._level.size:
            self.close("peer does not read", say=False)
            return
        self.settle()
        source = self.shared.reading
        if source is not None and source.feeds_only(self):
            source.pause_for(self)

    def feeds_only(self, target: Connection) -> bool:
        """Whether all that comes in here goes out to `target`, so that reading it can wait."""
        if self._wire is None or self is target or not self.direct:
            return False
        streams = self._wire.session.streams
        return 0 < len(streams) <= _FEW_STREAMS and all(
            stream.owner is not None and stream.owner.target is target
            for stream in streams.values()
        )

    def pause_for(self, target: Connection) -> None:
        """Read nothing more until `resume`, `target`'s backlog has drained, or a sweep comes by."""
        self.transport.pause()
        target._sources.add(self)

    def resume(self) -> None:
        """Read on, unless it has to wait for its turn."""
        self.load.resume()

    def _resume_sources(self) -> None:
        sources, self._sources = self._sources, set()
        for source in sources:
            source.resume()

    # --- work ---

    @property
    def work(self) -> int:
        """The highest class of work that it carries."""
        return self.load.work

    @property
    def busy(self) -> bool:
        """Whether streams are in use here, or admitted work is under way."""
        if self.work > CONTROL:
            return True
        return self._wire is not None and any(
            stream.owner is not None and stream.owner.engaged
            for stream in self._wire.session.streams.values()
        )

    def begin(self, work: int) -> None:
        """A piece of `work` is under way here, until `end` is told of it."""
        if self.load.begin(work) and self.closed is None:
            self._host.connection_promoted(self)

    def end(self, work: int) -> None:
        """A piece of `work` that was begun is done."""
        self.load.end(work)

    # --- memory ---

    def settle(self) -> None:
        """Lease what the connection holds now; without room for it the connection ends."""
        link = self._wire
        streams = 0
        if link is not None:
            held = link.held + self.transport.backlog
            streams = len(link.session.streams)
        elif self._upgrade is not None:
            held = self._upgrade.held + self.transport.backlog
        else:
            return
        pools = self.shared.pools
        if held != self._held:
            more = held - self._held
            if not pools.buffers.take(more):
                self._out_of_memory("buffers")
                return
            if self.closed is not None:  # to make room: it was the one that could let go
                pools.buffers.give(more)
                return
            self._held = held
        if streams != self._streams:
            if not pools.streams.take((streams - self._streams) * STREAM):
                self._out_of_memory("streams")
                return
            self._streams = streams

    def unread(self) -> int:
        """Bytes held for this connection that nobody has read or sent."""
        if self._wire is None:
            return 0
        held = self._held + self.transport.waiting
        for stream in self._wire.session.streams.values():
            if stream.owner is not None:  # else opened by what broke the protocol
                held += stream.owner.held
        return held

    def learn(self, info: IdentifyInfo) -> bool:
        """Keep what the peer says of itself; without room for it the connection ends."""
        if self.closed is not None:
            return False
        if not self.shared.pools.tables.take(info.size - self._info_size):
            self._out_of_memory("tables")
            return False
        self._info_size = info.size
        self.info = info
        return True

    def _out_of_memory(self, pool: str) -> None:
        self.shared.count_refusal(f"memory-{pool}")
        self.close(f"no memory left for its {pool}")

    # --- upkeep ---

    def stuck_for(self, now: float) -> float:
        """Seconds since the frame that has not come whole yet began to come."""
        return now - self.stuck_since if self.stuck_since else 0.0

    def keep_alive(self, now: float, interval: float) -> None:
        """Called every so often: ping a silent peer, give up one that does not answer."""
        self.resume()
        if self.heard:
            self.heard = False
            self.heard_at = now
        else:
            self.transport.look()
            if self.closed is not None:
                return
        silence = now - self.heard_at
        if silence >= 2 * interval:
            self.close("keep-alive timed out", say=False)
        elif silence >= interval and not self._pinged_at:
            self.measure()

    def measure(self) -> None:
        """Ping the peer; the answer sets the round-trip time."""
        self._pinged_at = _now()
        self.session.ping(_PING)
        self.touch()

    def close(self, reason: str, say: bool = True) -> None:
        """End the connection and all its streams; `say`: tell the peer it is no accident."""
        if self.closed is not None:
            return
        self.closed = reason
        link = self._wire
        self._wire = self._upgrade = None
        if link is not None:
            for stream in list(link.session.streams.values()):
                if stream.owner is not None:  # else opened by what broke the protocol
                    stream.owner.was_reset(reason)
            if say:
                link.session.go_away()
            while say and link.wants_to_send:
                self.transport.write(link.data_to_send())
        self.transport.close()
        self.load.leave_queue()
        self._resume_sources()
        pools = self.shared.pools
        pools.buffers.give(self._held)
        pools.streams.give(self._streams * STREAM)
        pools.tables.give(self._info_size)
        self._held = self._streams = self._info_size = 0
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(ConnectionClosed(reason))
        self._host.connection_closed(self)

    # --- inside ---

    def _continue_upgrade(self, data: bytes) -> None:
        upgrade = self._upgrade
        assert upgrade is not None
        answer = upgrade.receive(data)
        if answer:
            self.transport.write(memoryview(answer))
        if not upgrade.done:
            return
        limits = self.shared.limits
        session = yamux.Session(
            self.initiator, limits.max_streams_per_connection, limits.max_window
        )
        self._wire = framing.Connection(
            upgrade.channel, session, self._level, upgrade.ciphertext, upgrade.plaintext
        )
        self._upgrade = None
        self.peer = upgrade.remote_peer
        self.load.upgraded(invited=self._host.invited(self))
        self.opened_at = self.idle_since = self.loop.time()
        refusal = self._host.connection_open(self, upgrade.to_itself)
        if refusal is not None:
            self.close(refusal)
            return
        self.measure()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(self)
        if upgrade.ciphertext or upgrade.plaintext:
            self._wire.get_buffer()
            self._dispatch(self._wire.buffer_updated(0))

    def _dispatch(self, events: list[yamux.Event]) -> None:
        for kind, stream, start, end in events:
            if self.closed is not None:
                return
            if stream is None:
                self._session_event(kind)
            elif kind == yamux.STREAM_DATA:
                stream.owner.data_received(start, end)
            elif kind == yamux.STREAM_WRITABLE:
                stream.owner.writable()
            elif kind == yamux.STREAM_OPENED:
                self.idle_since = self.loop.time()
                accepted = Stream(self, stream)
                accepted.listen(multistream.Listener(self._supports))
                stream.owner = accepted
            elif kind == yamux.STREAM_FINISHED:
                stream.owner.finished()
            else:
                stream.owner.was_reset("reset by the peer")
        if self._wire is not None and self._wire.wants_to_send:
            self.touch()

    def _session_event(self, kind: int) -> None:
        if kind == yamux.SESSION_GO_AWAY:
            self._host.connection_leaving(self)
        elif kind == yamux.SESSION_PONG and self._pinged_at:
            self.session.rtt = max(1, _now() - self._pinged_at)
            self._pinged_at = 0

    def _supports(self, protocol: str) -> bool:
        return self._host.offers(protocol, self)

    def _protocol_error(self, error: RemoteProtocolError) -> None:
        log.debug("protocol-error", peer=self.peer, remote=self.remote, error=error)
        self.shared.protocol_errors += 1
        if self._wire is not None:
            self._wire.session.go_away(yamux.GO_AWAY_PROTOCOL_ERROR)
            self.flush()
        self.close(str(error), say=False)

"""The protocols a swarm serves: who may use them, and whose handler starts next."""

from __future__ import annotations

from collections import deque

from edge import log
from edge.swarm.cpu_share import Charged
from edge.swarm.errors import SwarmError
from edge.swarm.pools import HANDLER
from edge.wire.errors import WireError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Coroutine

    from edge.swarm.connection import Connection
    from edge.swarm.shared import Shared
    from edge.swarm.stream import Stream
    from edge.swarm.work import Work

    Handler = Callable[[Stream], Awaitable[None]]
    Offered = Callable[[Connection], bool]

_STARTS_PER_TURN = 4


class Handlers:
    """`spawn`: runs a handler as a task of the swarm."""

    def __init__(
        self, shared: Shared, spawn: Callable[[Coroutine[None, None, None]], object]
    ) -> None:
        self._shared = shared
        self._spawn = spawn
        self._handlers: dict[str, tuple[Handler, Offered | None, int]] = {}
        self._waiting = [Waiting(shared.loop, work, self._start) for work in shared.work]

    def add(self, protocol: str, handler: Handler, offered: Offered | None, work: int) -> None:
        """As `Swarm.handle`."""
        self._handlers[protocol] = (handler, offered, work)

    def offers(self, protocol: str, connection: Connection) -> bool:
        """Whether the peer on `connection` may use `protocol`."""
        entry = self._handlers.get(protocol)
        return entry is not None and (entry[1] is None or entry[1](connection))

    def offered(self, connection: Connection) -> list[str]:
        """The protocols that the peer on `connection` may use."""
        return [protocol for protocol in self._handlers if self.offers(protocol, connection)]

    def stream_ready(self, stream: Stream) -> None:
        """Run the handler of the protocol that `stream` has agreed on, when its turn comes."""
        assert stream.protocol is not None
        self._waiting[self._handlers[stream.protocol][2]].add(stream)

    @property
    def idle(self) -> bool:
        """Whether no stream waits for its handler."""
        return not any(waiting.streams for waiting in self._waiting)

    def _start(self, stream: Stream) -> None:
        assert stream.protocol is not None
        handler, _, work = self._handlers[stream.protocol]
        self._spawn(self._serve(stream, handler, work))

    async def _serve(self, stream: Stream, handler: Handler, work: int) -> None:
        pools, connection = self._shared.pools, stream.connection
        if not pools.streams.take(HANDLER):
            self._shared.count_refusal("memory-handlers")
            stream.reset()
            return
        connection.begin(work)
        stream.work = self._shared.work[work]
        try:
            await Charged(self._shared.work[work].share, handler(stream))
        except (WireError, SwarmError, TimeoutError) as error:
            log.debug(
                "stream-failed",
                peer=connection.peer,
                protocol=stream.protocol,
                error=str(error) or type(error).__name__,
            )
            stream.reset()
        except BaseException:
            stream.reset()
            raise
        finally:
            connection.end(work)
            pools.streams.give(HANDLER)


class Waiting:
    """Streams of one class of work whose handlers have not started; their connections take turns.

    A few start in each turn of the loop, each for another connection, so that who asks for many
    does not hold up who is being served; a stream that is gone by then costs no more.
    """

    __slots__ = ("_loop", "_start", "_starting", "_work", "streams")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, work: Work, start: Callable[[Stream], None]
    ) -> None:
        self.streams: dict[Connection, deque[Stream]] = {}
        self._loop = loop
        self._work = work
        self._start = start
        self._starting = False

    def add(self, stream: Stream) -> None:
        """Start the handler of `stream` when its turn comes."""
        self.streams.setdefault(stream.connection, deque()).append(stream)
        if not self._starting:
            self._starting = True
            self._loop.call_soon(self._start_some)

    def _start_some(self) -> None:
        if self._work.share.wait():
            self._work.queue.take(self._start_some)
            return
        for _ in range(_STARTS_PER_TURN):
            if self.streams:
                self._start_one()
        self._starting = bool(self.streams)
        if self._starting:
            self._loop.call_soon(self._start_some)  # behind the first steps of these

    def _start_one(self) -> None:
        connection, streams = next(iter(self.streams.items()))
        del self.streams[connection]
        stream = streams.popleft()
        if streams and connection.closed is None:
            self.streams[connection] = streams  # behind all others
        if stream.is_open:
            self._start(stream)

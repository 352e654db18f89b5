"""One connection of the client to an origin, plain or in TLS, and how long it is waited for."""

from __future__ import annotations

import asyncio
import socket

from edge.http.errors import OriginError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.http.limits import ClientLimits
    from edge.http.tls import TlsSession

_RECORDS = 1 << 16  # bytes of TLS read at once


class Link:
    """`sock`: connected, does not block. `name`: of the origin, for errors.

    Of the time that is spent waiting, each window has to bring its bytes. `released`: called once,
    when it is closed.
    """

    __slots__ = (
        "_got",
        "_limits",
        "_loop",
        "_released",
        "_sock",
        "_tls",
        "_waited",
        "_waiting",
        "answered",
        "name",
    )

    def __init__(
        self,
        sock: socket.socket,
        name: str,
        limits: ClientLimits,
        released: Callable[[], None],
    ) -> None:
        self.name = name
        self.answered = 0  # requests
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._limits = limits
        self._released = released
        self._tls: TlsSession | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._waited = 0.0  # seconds of this window
        self._got = 0  # bytes in it

    @property
    def secured(self) -> bool:
        return self._tls is not None

    async def secure(self, session: TlsSession) -> None:
        """The handshake. Raises TlsError, OriginError."""
        while not session.handshake():
            await self._flush(session)
            session.feed(await self._receive(_RECORDS, self._limits.connect_timeout))
        await self._flush(session)
        self._tls = session

    @property
    def quiet(self) -> bool:
        """Whether nothing has come, and it has not ended, before anything was asked."""
        if self._tls is not None and self._tls.read(1) is not None:
            return False
        try:
            self._sock.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False
        # What TLS itself says at first, of sessions to resume, is read with the answer.
        return self._tls is not None and not self.answered

    def measure(self) -> None:
        """Begin a window: how long the answer has taken to begin says nothing of its speed."""
        self._waited, self._got = 0.0, 0

    async def send(self, data: bytes) -> None:
        """Raises OriginError."""
        if self._tls is None:
            await self._send(data)
            return
        self._tls.write(data)
        await self._flush(self._tls)

    async def receive(self, size: int, seconds: float) -> bytes:
        """At most `size` bytes, b"" if it has ended, properly in TLS. Raises OriginError, TlsError.

        `seconds`: for the next ones to come.
        """
        if self._tls is None:
            return await self._receive(size, seconds)
        while (data := self._tls.read(size)) is None:
            self._tls.feed(await self._receive(_RECORDS, seconds))
            await self._flush(self._tls)
        return data

    async def receive_into(self, room: memoryview, seconds: float) -> int:
        """As `receive`, into `room`; how many there were."""
        if self._tls is not None:
            data = await self.receive(len(room), seconds)
            room[: len(data)] = data
            return len(data)
        while True:
            try:
                count = self._sock.recv_into(room)
            except (BlockingIOError, InterruptedError):
                await self._wait(self._loop.add_reader, self._loop.remove_reader, seconds)
                continue
            except OSError as error:
                raise self._broken(error) from None
            self._got += count
            return count

    def close(self) -> None:
        """Harmless when it is closed already."""
        if self._sock.fileno() < 0:
            return
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        self._sock.close()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(OriginError(f"{self.name}: closed"))
        self._released()

    async def _flush(self, session: TlsSession) -> None:
        data = session.outgoing()
        if data:
            await self._send(data)

    async def _send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._sock.send(rest) :]
            except (BlockingIOError, InterruptedError):
                seconds = self._limits.idle_timeout
                await self._wait(self._loop.add_writer, self._loop.remove_writer, seconds)
            except OSError as error:
                raise self._broken(error) from None

    async def _receive(self, size: int, seconds: float) -> bytes:
        while True:
            try:
                data = self._sock.recv(size)
            except (BlockingIOError, InterruptedError):
                await self._wait(self._loop.add_reader, self._loop.remove_reader, seconds)
                continue
            except OSError as error:
                raise self._broken(error) from None
            self._got += len(data)
            return data

    async def _wait(
        self, add: Callable[..., None], remove: Callable[..., object], seconds: float
    ) -> None:
        """Until the socket is ready. Raises OriginError: too late, or too slow."""
        began = self._loop.time()
        self._waiting = waiting = self._loop.create_future()
        timer = self._loop.call_later(seconds, self._late, seconds)
        add(self._sock, self._ready)
        try:
            await waiting
        finally:
            self._waiting = None
            timer.cancel()
            if self._sock.fileno() >= 0:
                remove(self._sock)
        self._waited += self._loop.time() - began
        if self._waited < self._limits.speed_window:
            return
        if self._got < self._limits.least_speed * self._waited:
            raise OriginError(f"{self.name}: too slow")
        self.measure()

    def _ready(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _late(self, seconds: float) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(OriginError(f"{self.name}: silent for {seconds:g} s"))

    def _broken(self, error: OSError) -> OriginError:
        return OriginError(f"{self.name}: {error.strerror}")

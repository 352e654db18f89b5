"""What a client sends, as far as there is room for it: the rest waits in the kernel."""

from __future__ import annotations

import asyncio

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable


class Inlet:
    """Reads from `sock`, which does not block, up to `room` bytes ahead.

    `ended`: nothing more will come. `told`: called once when that is seen, at any time.
    """

    __slots__ = ("_loop", "_paused", "_sock", "_waiting", "buffer", "ended", "room", "told")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        room: int,
        told: Callable[[], None],
    ) -> None:
        self.buffer = bytearray()
        self.ended = False
        self.room = room
        self.told = told
        self._loop = loop
        self._sock = sock
        self._paused = False
        self._waiting: asyncio.Future[None] | None = None
        loop.add_reader(sock, self._readable)

    async def more(self) -> bool:
        """Wait until there is more in the buffer; False: nothing more will come."""
        if self._paused and not self.ended:
            self._paused = False
            self._loop.add_reader(self._sock, self._readable)
        if not self.ended:
            self._waiting = self._loop.create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None
        return not self.ended

    def end(self) -> None:
        """Read nothing more."""
        if not self.ended:
            self.ended = True
            self._loop.remove_reader(self._sock)
            self._wake()
            self.told()

    def take(self, size: int) -> bytes:
        """At most `size` bytes out of the buffer."""
        taken = bytes(self.buffer[:size])
        del self.buffer[:size]
        return taken

    def _readable(self) -> None:
        room = self.room - len(self.buffer)
        if room <= 0:
            self._paused = True
            self._loop.remove_reader(self._sock)
            return
        try:
            data = self._sock.recv(room)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self.end()
            return
        self.buffer += data
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

"""Bytes and parts of files out through a raw socket: one at a time, nothing is held back here.

uvloop has no sock_sendfile, and asyncio's waits in a way of its own; so the loop's readiness
callback calls sendfile(2) itself, without a task's turn for each call.
"""

from __future__ import annotations

import asyncio
import errno
import os

from edge.http.errors import ClientGone

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

_TURN = 1 << 20  # bytes before others get the loop again


class Outlet:
    """Writes to `sock`, which does not block. `sending`: whether the receiver is waited for."""

    __slots__ = ("_done", "_loop", "_sock", "_step", "sent")

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        self.sent = 0  # bytes that the kernel took
        self._loop = loop
        self._sock = sock
        self._step: Callable[[], bool] = bool
        self._done: asyncio.Future[None] | None = None

    @property
    def sending(self) -> bool:
        return self._done is not None

    async def data(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of it. Raises ClientGone."""
        rest = memoryview(data).cast("B")

        def step() -> bool:
            nonlocal rest
            sent = self._sock.send(rest)
            self.sent += sent
            rest = rest[sent:]
            return not rest

        if rest:
            await self._drive(step)

    async def file(self, fd: int, position: int, length: int) -> None:
        """Send `length` bytes of a file. Raises ClientGone; OSError if they cannot be read."""
        end = position + length

        def step() -> bool:
            nonlocal position
            sent = os.sendfile(self._sock.fileno(), fd, position, min(end - position, _TURN))
            if not sent:
                raise OSError(errno.EIO, "the file is shorter than it was")
            self.sent += sent
            position += sent
            return position == end

        if length:
            await self._drive(step)

    def fail(self) -> None:
        """Wait for the receiver no longer."""
        if self._done is not None and not self._done.done():
            self._done.set_exception(ClientGone("the client was cut off"))

    async def _drive(self, step: Callable[[], bool]) -> None:
        """Call `step` until it says that it is done, as the socket takes more."""
        assert self._done is None, "one at a time"
        try:
            if step():
                return
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            raise _failure(error) from None
        self._step = step
        self._done = self._loop.create_future()
        self._loop.add_writer(self._sock, self._writable)
        try:
            await self._done
        finally:
            self._done = None
            self._step = bool
            if self._sock.fileno() >= 0:
                self._loop.remove_writer(self._sock)

    def _writable(self) -> None:
        done = self._done
        if done is None or done.done():
            return
        try:
            if self._step():
                done.set_result(None)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            done.set_exception(_failure(error))


def _failure(error: OSError) -> Exception:
    """Of the file, or of the client."""
    if error.errno == errno.EIO:
        return error
    return ClientGone(error.strerror or "the client is gone")

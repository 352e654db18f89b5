"""One client of the server: its requests one after the other, each within its time."""

from __future__ import annotations

import socket
import struct
import sys
from contextlib import suppress

import h11

from edge import log
from edge.http import heads
from edge.http.errors import ClientGone, HttpError, RequestError
from edge.http.exchange import PHRASES, PLAIN, Exchange
from edge.http.inlet import Inlet
from edge.http.outlet import Outlet
from edge.http.request import Request, is_named, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable
    from typing import Protocol

    from edge.http.limits import Limits

    class Server(Protocol):
        """What a connection has to know of its server."""

        limits: Limits
        names: frozenset[str]
        names_option: str
        handler: Callable[[Request, Exchange], Awaitable[None]]

        def count(self, what: str) -> None: ...


_LINGER = 2.0  # seconds in which what was still sent is taken and thrown away
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close(2) sends RST
_ACKED = 120  # where tcpi_bytes_acked stands in struct tcp_info, from Linux 4.1 on


class Connection:
    """`client`: IP address and port."""

    __slots__ = (
        "_deadline",
        "_exchange",
        "_inlet",
        "_loop",
        "_mark",
        "_outlet",
        "_phase",
        "_server",
        "_sock",
        "client",
    )

    def __init__(
        self,
        server: Server,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        client: tuple[str, int],
    ) -> None:
        self.client = client
        self._server = server
        self._loop = loop
        self._sock = sock
        self._inlet = Inlet(loop, sock, server.limits.max_head, self._gone)
        self._outlet = Outlet(loop, sock)
        self._exchange: Exchange | None = None
        self._phase = "head"  # what is waited for: the reason it is counted under
        self._deadline: float | None = loop.time() + server.limits.head_timeout
        self._mark: tuple[float, int] | None = None  # of the window: when it began, bytes taken

    async def serve(self) -> None:
        """Until the client leaves, or may not go on."""
        with suppress(ClientGone, OSError):
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # Who is gone without a word, as a phone is, would have a place as long as it is sent
            # less than the kernel keeps for it. So would who is there and takes nothing (tcp(7)).
            patience = round(self._server.limits.ack_timeout * 1000)
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, patience)
            while await self._next():
                phase = "head" if self._inlet.buffer else "idle"
                self._wait(phase, getattr(self._server.limits, f"{phase}_timeout"))
        self.close()

    def overdue(self, now: float) -> str:
        """Why the client is to be let go of at `now`, in the loop's time; "": it is not."""
        if self._outlet.sending:
            return self._too_slow(now)
        self._mark = None
        if self._deadline is None or now < self._deadline:
            return ""
        if self._exchange is not None and not self._exchange.reading:
            return ""
        return self._phase

    def abort(self) -> None:
        """Let go of the client; of what the kernel still holds for it, too, if it takes nothing."""
        if self._outlet.sending:
            self._reset()
        self.close()

    def close(self) -> None:
        if self._sock.fileno() >= 0:
            self._inlet.end()
            self._loop.remove_writer(self._sock)
            self._sock.close()
            self._outlet.fail()

    async def _next(self) -> bool:
        """Answer one request; whether another may follow."""
        try:
            head = await self._head()
            if head is None:
                return False
            request, side = parse(head, self.client, self._server.limits.max_headers)
        except RequestError as error:
            self._server.count("bad_requests")
            await self._reject(error)
            return False
        self._server.count("requests")
        exchange = Exchange(request, side, self._inlet, self._outlet)
        await self._answer(exchange)
        if exchange.cut_short:
            self._server.count("cut")
            if not exchange.framed:
                self._reset()  # as its end would look like that of the body
            return False
        if not exchange.keep:
            await self._linger()
        return exchange.keep

    async def _head(self) -> bytes | None:
        """The next whole head; None if the client has left before. Raises RequestError."""
        buffer, searched = self._inlet.buffer, 0
        while (end := heads.end(buffer, searched)) < 0:
            if len(buffer) >= self._server.limits.max_head:
                raise RequestError(431, "the request is too long")
            searched = len(buffer)
            if not await self._inlet.more():
                return None
            if self._phase == "idle":
                self._wait("head", self._server.limits.head_timeout)
        self._wait("body", self._server.limits.body_timeout)
        return self._inlet.take(end)

    def _check(self, request: Request) -> None:
        if not is_named(request.host, self._server.names):
            option = self._server.names_option
            raise RequestError(421, f"not served by this name; see {option}")

    async def _answer(self, exchange: Exchange) -> None:
        """Have it answered; whatever happens, the client sees a whole answer or a cut one."""
        self._exchange = exchange
        try:
            try:
                self._check(exchange.request)
                await self._server.handler(exchange.request, exchange)
            except RequestError as error:
                if exchange.status:
                    raise
                exchange.keep = False
                await exchange.refuse(error.status, str(error))
            await exchange.finish()
        except ClientGone:
            raise
        except (HttpError, OSError) as error:
            log.warning("http-cut", error=error)
            exchange.cut()
        except Exception as error:  # noqa: BLE001 - one request of a client must not end the rest
            log.error("http-failed", error=repr(error))
            exchange.cut()
        finally:
            self._exchange = None

    async def _reject(self, error: RequestError) -> None:
        """Answer what was no request to hand on, and take no other."""
        body = str(error).encode() + b"\n"
        fields = [("Content-Type", PLAIN), ("Content-Length", str(len(body)))]
        fields += [("Cache-Control", "no-store"), ("Connection", "close")]
        event = h11.Response(
            status_code=error.status, headers=fields, reason=PHRASES.get(error.status, "").encode()
        )
        await self._outlet.data((h11.Connection(h11.SERVER).send(event) or b"") + body)
        await self._linger()

    async def _linger(self) -> None:
        """Say that nothing more comes, and wait for the client to say so too.

        Closed at once, with bytes of the client unread, the kernel would send a reset, which can
        overtake the answer.
        """
        self._sock.shutdown(socket.SHUT_WR)
        self._wait("linger", _LINGER)
        self._inlet.buffer.clear()
        while await self._inlet.more():
            self._inlet.buffer.clear()

    def _reset(self) -> None:
        with suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)

    def _gone(self) -> None:
        exchange = self._exchange
        if exchange is not None and exchange.on_gone is not None:
            exchange.on_gone()

    def _wait(self, phase: str, seconds: float | None) -> None:
        """What is waited for from now on, and for how long."""
        self._phase = phase
        self._deadline = None if seconds is None else self._loop.time() + seconds

    def _too_slow(self, now: float) -> str:
        """Whether the client, for which something waits, has taken too little of late."""
        limits, taken = self._server.limits, self._taken()
        if self._mark is None:
            self._mark = (now, taken)
        began, before = self._mark
        if now - began < limits.speed_window:
            return ""
        self._mark = (now, taken)
        return "slow" if taken - before < limits.least_speed * (now - began) else ""

    def _taken(self) -> int:
        """Bytes that the client's side has acknowledged: what the kernel took says little of it."""
        try:
            info = self._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKED + 8)
        except OSError:
            return self._outlet.sent
        if len(info) < _ACKED + 8:
            return self._outlet.sent
        return int.from_bytes(info[_ACKED:], sys.byteorder)

"""The HTTP/1.1 server: pages that programs read, and the gateway of the cache.

It takes one request after the other from each client, checks it (edge/http/request.py), and leaves
the answer to its handler. Clients, their heads, times and speeds are bounded; who exceeds that is
closed on, and counted. A page in the owner's browser cannot reach it by a name of its own that it
leads here (DNS rebinding): names have to be configured.

Source: RFC 9112 (HTTP/1.1) sections 2, 3 and 9; RFC 9110 sections 7.2, 10.1.1 and 15.5.20
"""

from __future__ import annotations

import asyncio
import socket

from edge import log
from edge.http.connection import Connection
from edge.http.limits import Limits
from edge.http.ports import Ports
from edge.units import KIB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from edge.budget import Pool
    from edge.http.exchange import Exchange
    from edge.http.request import Request

    Handler = Callable[[Request, Exchange], Awaitable[None]]
    Address = tuple[str, int]

CLIENT = 24 * KIB  # bytes that one takes: its task, what it has sent ahead, what reads its heads
_SWEEP = 1.0  # seconds


class HttpServer:
    """`handler`: answers a request. `pool`: where the memory of clients is leased, if it is.

    `names`: by which it may be asked for, besides IP addresses and localhost; `names_option`: what
    they are called where the owner writes them. `admits`: whether a client's IP address is served.
    `counters`: connections and requests, and those refused by reason.
    """

    def __init__(
        self, handler: Handler, limits: Limits | None = None, pool: Pool | None = None
    ) -> None:
        self.names: frozenset[str] = frozenset()
        self.names_option = "http_names"
        self.admits: Callable[[str], bool] = lambda _: True
        self.counters: dict[str, int] = {"connections": 0, "requests": 0}
        self.limits = limits or Limits()
        self.handler = handler
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._ports = Ports(self._accepted, lambda: self.count("file_descriptors"))
        self._clients: dict[asyncio.Task[None], Connection] = {}
        self._of_ip: dict[str, int] = {}
        self._sweep: asyncio.TimerHandle | None = None

    @property
    def listening(self) -> list[Address]:
        """The IP addresses and ports it has."""
        return self._ports.listening

    @property
    def clients(self) -> int:
        """How many there are now."""
        return len(self._clients)

    def configure(self, addresses: Sequence[Address]) -> None:
        """Listen at exactly these IP addresses and ports; at what is missing once it is there.

        Raises HttpError if there are some and none can be had, and listens as before.
        """
        self._ports.configure(addresses)

    def listen_anew(self) -> None:
        """Try what is missing: the network may be another one."""
        self._ports.listen_anew()

    async def stop(self) -> None:
        """Let the clients go."""
        self._ports.close()
        if self._sweep is not None:
            self._sweep.cancel()
        tasks = list(self._clients)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def count(self, what: str) -> None:
        """One more of `what` in the counters."""
        self.counters[what] = self.counters.get(what, 0) + 1

    def _accepted(self, sock: socket.socket, address: Address) -> None:
        ip = address[0].partition("%")[0]
        reason = self._refusal(ip)
        if reason:
            self.count(reason)
            sock.close()
            return
        self.count("connections")
        self._of_ip[ip] = self._of_ip.get(ip, 0) + 1
        connection = Connection(self, self._loop, sock, (ip, address[1]))
        task = self._loop.create_task(connection.serve())
        self._clients[task] = connection
        task.add_done_callback(self._left)
        if self._sweep is None:
            self._sweep = self._loop.call_later(_SWEEP, self._swept)

    def _refusal(self, ip: str) -> str:
        """Why this client is not served; "": it is, and its memory is leased."""
        if not self.admits(ip):
            return "network"
        if len(self._clients) >= self.limits.max_clients:
            return "clients"
        if self._of_ip.get(ip, 0) >= self.limits.max_clients_per_ip:
            return "clients_per_ip"
        return "" if self._pool is None or self._pool.take(CLIENT) else "memory"

    def _left(self, task: asyncio.Task[None]) -> None:
        connection = self._clients.pop(task)
        connection.close()
        ip = connection.client[0]
        self._of_ip[ip] -= 1
        if not self._of_ip[ip]:
            del self._of_ip[ip]
        if self._pool is not None:
            self._pool.give(CLIENT)
        if not task.cancelled() and task.exception() is not None:
            log.error("http-failed", error=repr(task.exception()))

    def _swept(self) -> None:
        """Let go of those whose time is over."""
        self._sweep = None
        now = self._loop.time()
        for connection in list(self._clients.values()):
            reason = connection.overdue(now)
            if reason:
                self.count(reason)
                connection.abort()
        if self._clients:
            self._sweep = self._loop.call_later(_SWEEP, self._swept)

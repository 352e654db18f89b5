"""Asks origins over HTTP/1.1: one request, its answer's head, its body as it is read.

It never follows a redirect and decodes nothing but chunks. Each address that it is about to connect
to is first shown to `allow`, whatever name led there, so that neither a redirect nor a name server
leads it to where it must not go. What was read to its end leaves a connection for the next request.

Source: RFC 9112 section 9, RFC 9110 section 9.2.2
"""

from __future__ import annotations

import asyncio
import os
import socket
from functools import partial

import h11

from edge import log
from edge.http import heads
from edge.http.errors import HttpError, OriginError
from edge.http.limits import ClientLimits
from edge.http.link import Link
from edge.http.response import Response, answer
from edge.threads import in_thread, running
from edge.units import KIB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge.url import Url

    Key = tuple[str, str, int]  # scheme, host, port

_MAX_ADDRESSES = 6  # of a name that are tried
_MAX_LOOKUPS = 16  # under way: more means that nobody answers
_THREAD = "getaddrinfo"
_MAX_CHUNK_LINE = 16 * KIB  # bytes; and of all trailers
_V4_MAPPED = b"\0" * 10 + b"\xff\xff"
_AGAIN = frozenset({"GET", "HEAD"})


class HttpClient:
    """`allow(ip, host, port)`: whether that address, of 4 or 16 bytes, may be connected to.

    `new_socket`: told of each socket before it connects. `roots`: see edge.http.secure.session.
    `counters`: connections made and used again, and failures.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        limits: ClientLimits,
        allow: Callable[[bytes, str, int], bool],
        new_socket: Callable[[socket.socket], None] = lambda _: None,
        roots: str = "",
    ) -> None:
        self.counters = {"connections": 0, "reused": 0, "failed": 0}
        self.limits = limits
        self._loop = loop
        self._allow = allow
        self._new_socket = new_socket
        self._roots = roots
        self._links: set[Link] = set()
        self._connecting = 0
        self._kept: dict[Key, list[tuple[Link, float]]] = {}  # the newest last
        self._timer: asyncio.TimerHandle | None = None

    async def request(
        self,
        method: str,
        url: Url,
        target: str,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Response:
        """Ask the origin of `url` for `target`, the path and query just as they are sent.

        Host and Content-Length are added. Raises OriginError or TlsError; HttpError if a header
        cannot be sent.
        """
        key = (url.scheme, url.host, url.port)
        while True:
            side, data = _written(method, url, target, headers, body)
            link = self._kept_link(key) or await self._connect(url)
            try:
                if not link.quiet:
                    raise OriginError(f"{link.name}: it spoke before it was asked")
                await link.send(data)
                return await answer(link, side, method, self.limits, partial(self._done, key))
            except OriginError:
                link.close()
                if link.answered and method in _AGAIN:
                    continue  # it was ended while we asked
                self.counters["failed"] += 1
                raise
            except BaseException:
                link.close()
                raise

    def close(self) -> None:
        """End all connections."""
        for link in list(self._links):
            link.close()
        self._kept.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- connections ---

    async def _connect(self, url: Url) -> Link:
        """A new one. Raises OriginError."""
        self._make_room()
        self._connecting += 1
        try:
            return await self._first(url)
        except OriginError:
            self.counters["failed"] += 1
            raise
        finally:
            self._connecting -= 1

    async def _first(self, url: Url) -> Link:
        """To the first address of the origin that answers. Raises OriginError."""
        ips = await self._addresses(url)
        allowed = [ip for ip in ips if self._allow(ip, url.host, url.port)]
        if not allowed:
            raise OriginError(f"{url.authority}: its address is not permitted")
        failure = OriginError(f"{url.authority}: no answer")
        for ip in allowed[:_MAX_ADDRESSES]:
            try:
                async with asyncio.timeout(self.limits.connect_timeout):
                    return await self._connected(ip, url)
            except TimeoutError:
                failure = OriginError(f"{url.authority}: no answer")
            except OriginError as error:
                failure = error
            except OSError as error:
                failure = OriginError(f"{url.authority}: {os.strerror(error.errno or 0)}")
        raise failure

    async def _connected(self, ip: bytes, url: Url) -> Link:
        family = socket.AF_INET if len(ip) == 4 else socket.AF_INET6
        sock = socket.socket(family)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._new_socket(sock)
            await self._loop.sock_connect(sock, (socket.inet_ntop(family, ip), url.port))
        except BaseException:
            sock.close()
            raise
        link = Link(sock, url.authority, self.limits, lambda: self._links.discard(link))
        self._links.add(link)
        self.counters["connections"] += 1
        if url.scheme == "https":
            from edge.http.secure import session

            try:
                await link.secure(session(url.host, self._roots))
            except BaseException:
                link.close()
                raise
        return link

    async def _addresses(self, url: Url) -> list[bytes]:
        """The IP addresses of the origin, in the system's order. Raises OriginError."""
        if running(_THREAD) >= _MAX_LOOKUPS:
            raise OriginError("too many lookups wait for an answer")
        try:
            async with asyncio.timeout(self.limits.resolve_timeout):
                found = await in_thread(_THREAD, partial(_getaddrinfo, url.host))
        except OSError as error:  # TimeoutError and socket.gaierror are
            log.debug("dns-failed", name=url.host, error=error.strerror or "no answer")
            raise OriginError(f"{url.host}: the name is not found") from None
        return list(dict.fromkeys(found))

    # --- connections that are kept ---

    def _kept_link(self, key: Key) -> Link | None:
        """One that was used before, and still is there."""
        kept = self._kept.get(key, [])
        while kept:
            link, _ = kept.pop()
            if link.quiet:
                self.counters["reused"] += 1
                return link
            link.close()
        self._kept.pop(key, None)
        return None

    def _done(self, key: Key, link: Link, reusable: bool) -> None:
        kept = self._kept.setdefault(key, []) if reusable else []
        if not reusable or len(kept) >= self.limits.max_kept:
            link.close()
            return
        link.answered += 1
        kept.append((link, self._loop.time()))
        if self._timer is None:
            self._timer = self._loop.call_later(self.limits.keep_time, self._let_go)

    def _let_go(self) -> None:
        """Of those that nobody has used for long."""
        self._timer = None
        past = self._loop.time() - self.limits.keep_time
        for key, kept in list(self._kept.items()):
            while kept and kept[0][1] <= past:
                kept.pop(0)[0].close()
            if not kept:
                del self._kept[key]
        if self._kept:
            self._timer = self._loop.call_later(self.limits.keep_time / 4, self._let_go)

    def _make_room(self) -> None:
        """Raises OriginError if there are as many connections as there may be, all in use."""
        while len(self._links) + self._connecting >= self.limits.max_connections:
            key = next(iter(self._kept), None)
            if key is None:
                raise OriginError("too many connections to origins")
            self._kept[key].pop(0)[0].close()
            if not self._kept[key]:
                del self._kept[key]


def _written(
    method: str, url: Url, target: str, headers: Sequence[tuple[str, str]], body: bytes
) -> tuple[h11.Connection, bytes]:
    """A request, and the side of h11 that reads its answer. Raises HttpError."""
    side = h11.Connection(h11.CLIENT, _MAX_CHUNK_LINE)
    fields = [("Host", url.authority), *headers]
    if body or method not in _AGAIN:
        fields.append(("Content-Length", str(len(body))))
    try:
        event = h11.Request(method=method, target=target, headers=heads.encoded(fields))
        data = side.send(event) or b""
        if body:
            data += side.send(h11.Data(data=body)) or b""
        side.send(h11.EndOfMessage())
    except (h11.LocalProtocolError, UnicodeError) as error:
        raise HttpError(f"a request that cannot be sent: {heads.why(error)}") from None
    return side, data


def _getaddrinfo(host: str) -> list[bytes]:
    # As bytes: a str would load the IDNA codec with 1 MB of tables, for ASCII too.
    found = socket.getaddrinfo(host.encode(), None, 0, socket.SOCK_STREAM)
    ips = [socket.inet_pton(kind, str(ip[0]).partition("%")[0]) for kind, _, _, _, ip in found]
    return [ip[12:] if ip.startswith(_V4_MAPPED) and len(ip) == 16 else ip for ip in ips]

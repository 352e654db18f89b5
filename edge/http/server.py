"""A small HTTP listener for pages that programs read: /metrics and /health.

It is no web server: one request a connection, GET and HEAD, no body read. A request has to come
within seconds and a few kilobytes, and few clients are served at a time; who exceeds that is closed
on. Whoever reaches the address may read the pages, so it is off unless the owner turns it on, and
then on the loopback interface alone unless he names another. A page in the owner's browser cannot
reach it by a name of its own that it leads here (DNS rebinding): names have to be configured.

Source: RFC 9112 (HTTP/1.1) sections 2, 3 and 9.6; RFC 9110 sections 7.2 and 15.5.20
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

from edge import log
from edge.again import Again
from edge.http.errors import HttpError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Page = Callable[[], tuple[int, str, bytes]]  # status, content type, body

MAX_HEAD = 4096  # bytes of a request's head
MAX_CLIENTS = 8
TIMEOUT = 5.0  # seconds for the request to come and the answer to leave
_BACKLOG = 16
_ACCEPT_PAUSE = 1.0  # seconds, when accepting fails
_PLAIN = "text/plain; charset=utf-8"
_PHRASES = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    421: "Misdirected Request",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}


class HttpServer:
    """Serves `pages`, path to page. `timeout`: seconds, TIMEOUT but for tests.

    `names`: by which it may be asked for, besides IP addresses and localhost.
    """

    def __init__(self, pages: Mapping[str, Page], timeout: float = TIMEOUT) -> None:
        self.names: frozenset[str] = frozenset()
        self._pages = pages
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._listeners: dict[tuple[str, int], socket.socket] = {}  # by what was asked for
        self._missing: list[tuple[str, int]] = []
        self._again = Again(self._loop, self._listen_anew)
        self._clients: set[asyncio.Task[None]] = set()

    @property
    def listening(self) -> list[tuple[str, int]]:
        """The IP addresses and ports it has."""
        return [sock.getsockname()[:2] for sock in self._listeners.values()]

    def configure(self, addresses: Sequence[tuple[str, int]]) -> None:
        """Listen at exactly these IP addresses and ports; at what is missing once it is there.

        A new address is bound before an old one is closed, unless the old one has its port: where
        the page is to be seen by fewer, it must not stay open to all because of that. Raises
        HttpError if there are some and none can be had, and listens as before.
        """
        wanted = dict.fromkeys(addresses)
        old = {at: sock for at, sock in self._listeners.items() if at not in wanted}
        kept = [address for address in wanted if address in self._listeners]
        added: dict[tuple[str, int], socket.socket] = {}
        errors: dict[tuple[str, int], str] = {}
        closed = []
        for address in [address for address in wanted if address not in kept]:
            closed += [other for other in old if _overlap(other, address)]
            for other in [other for other in closed if other in self._listeners]:
                self._close(other)
            try:
                added[address] = _listen(*address)
            except HttpError as error:
                errors[address] = str(error)
        if errors and not (kept or added):
            for address in closed:
                self._open(address, _listen(*address))
            raise HttpError("; ".join(errors.values()))
        for address in [address for address in old if address in self._listeners]:
            self._close(address)
        for address, sock in added.items():
            self._open(address, sock)
        self._missing = list(errors)
        self._again.stop()
        if errors:
            for line in errors.values():
                log.warning("http-not-served", error=line)
            self._again.start()

    def listen_anew(self) -> None:
        """Try what is missing: the network may be another one."""
        self._again.now()

    async def stop(self) -> None:
        """Let the clients go."""
        self._again.stop()
        tasks = list(self._clients)
        for address in list(self._listeners):
            self._close(address)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _listen_anew(self) -> bool:
        """Whether nothing is missing any more."""
        before, self._missing = self._missing, []
        for address in before:
            try:
                self._open(address, _listen(*address))
            except HttpError:
                self._missing.append(address)
        return not self._missing

    def _open(self, address: tuple[str, int], sock: socket.socket) -> None:
        self._listeners[address] = sock
        self._loop.add_reader(sock, self._acceptable, sock)

    def _close(self, address: tuple[str, int]) -> None:
        sock = self._listeners.pop(address)
        self._loop.remove_reader(sock)
        sock.close()

    def _acceptable(self, listener: socket.socket) -> None:
        try:
            client, _ = listener.accept()
        except OSError:  # gone again, or no descriptor is left: the swarm counts and logs that
            self._rest(listener)
            return
        client.setblocking(False)
        if len(self._clients) >= MAX_CLIENTS:
            client.close()
            return
        task = asyncio.ensure_future(self._serve(client))
        self._clients.add(task)
        task.add_done_callback(self._clients.discard)

    def _rest(self, listener: socket.socket) -> None:
        """Do not ask again at once."""
        self._loop.remove_reader(listener)

        def again() -> None:
            if listener in self._listeners.values():
                self._loop.add_reader(listener, self._acceptable, listener)

        self._loop.call_later(_ACCEPT_PAUSE, again)

    async def _serve(self, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with client, suppress(OSError, TimeoutError):  # gone, or too slow
            async with asyncio.timeout(self._timeout):
                head = await _head(client)
                if head is not None:
                    await loop.sock_sendall(client, answer(head, self._pages, self.names))


async def _head(client: socket.socket) -> bytes | None:
    """A request up to its empty line, or as much of it as there may be; None if none came."""
    loop = asyncio.get_running_loop()
    received = bytearray()
    while b"\r\n\r\n" not in received and len(received) < MAX_HEAD:
        data = await loop.sock_recv(client, MAX_HEAD - len(received))
        if not data:
            return None
        received += data
    return bytes(received)


def answer(head: bytes, pages: Mapping[str, Page], names: frozenset[str] = frozenset()) -> bytes:
    """The bytes that answer a request's head; `names`: see HttpServer."""
    line, _, _ = head.partition(b"\r\n")
    words = line.split(b" ")
    if b"\r\n\r\n" not in head:
        return _response(431, _PLAIN, b"the request is too long\n")
    if len(words) != 3 or not words[2].startswith(b"HTTP/"):
        return _response(400, _PLAIN, b"that is not HTTP\n")
    method, target, version = words
    if not version.startswith(b"HTTP/1."):
        return _response(505, _PLAIN, b"only HTTP/1 is spoken here\n")
    if method not in (b"GET", b"HEAD"):
        return _response(405, _PLAIN, b"only GET and HEAD\n", "Allow: GET, HEAD\r\n")
    hosts = _hosts(head)
    if len(hosts) > 1:
        return _response(400, _PLAIN, b"more than one host is named\n")
    if hosts and not _is_ours(hosts[0], names):
        return _response(421, _PLAIN, b"not served by this name; see http_names\n")
    page = pages.get(target.partition(b"?")[0].decode("ascii", "replace"))
    status, kind, body = page() if page is not None else (404, _PLAIN, _index(pages))
    response = _response(status, kind, body)
    return response if method == b"GET" else response[: len(response) - len(body)]


def _hosts(head: bytes) -> list[str]:
    """Values of Host, which a browser always sends; programs that speak HTTP/1.0 may not."""
    fields = [line.partition(b":") for line in head.split(b"\r\n")[1:]]
    return [
        value.decode("ascii", "replace").strip(" \t").lower()
        for name, _, value in fields
        if name.strip(b" \t").lower() == b"host"
    ]


def _is_ours(host: str, names: frozenset[str]) -> bool:
    """Whether `host`, with a port or without, is an IP address, localhost or one of `names`."""
    if host.startswith("["):
        literal, _, _ = host[1:].partition("]")
        return _is_ip(socket.AF_INET6, literal.partition("%")[0])
    name = host.partition(":")[0].removesuffix(".")
    return name in ("", "localhost") or name in names or _is_ip(socket.AF_INET, name)


def _is_ip(family: int, text: str) -> bool:
    try:
        socket.inet_pton(family, text)
    except (OSError, ValueError):  # ValueError: a zero byte
        return False
    return True


def _index(pages: Mapping[str, Page]) -> bytes:
    return ("here are " + " and ".join(pages) + "\n").encode("ascii")


def _response(status: int, kind: str, body: bytes, more: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status} {_PHRASES[status]}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\n{more}Connection: close\r\n\r\n"
    )
    return head.encode("ascii") + body


def _overlap(one: tuple[str, int], other: tuple[str, int]) -> bool:
    """Whether one of the two addresses holds a socket of the other: their port and family."""
    return one[1] == other[1] and (":" in one[0]) == (":" in other[0])


def _listen(host: str, port: int) -> socket.socket:
    try:
        sock = _bound(host, port)
    except OSError as error:
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise HttpError(f"cannot serve HTTP at {where}: {error.strerror}") from None
    log.info("http", host=host, port=sock.getsockname()[1])
    return sock


def _bound(host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if ":" in host:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
        sock.listen(_BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock

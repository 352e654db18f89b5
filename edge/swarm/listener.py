"""Listening sockets: opens them, accepts what the node has time and file descriptors for.

A port that is listened at is lent to sockets that dial, so that the hole which these make in a NAT
leads to it. Linux lets both have it only while both ask for SO_REUSEPORT, which any other program
of the same user could ask for too. So a listening socket has that option for no longer than it
takes to bind the other one, and a second node at the same port is still refused.
"""

from __future__ import annotations

import errno
import socket
from contextlib import suppress

from edge import log
from edge.again import Again
from edge.swarm.errors import SwarmError
from edge.swarm.work import CONTROL
from edge.wire.ip import LOOPBACK
from edge.wire.multiaddr import Multiaddr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from edge.swarm.shared import Shared

    SocketAddress = tuple[str, int] | tuple[str, int, int, int]
    Accepted = Callable[[socket.socket, Multiaddr, Multiaddr], None]

_BACKLOG = 256  # of the listening socket
_ACCEPTS_PER_EVENT = 16
_ACCEPT_PAUSE = 1.0  # seconds, when no file descriptor is left
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Listener:
    """`prepare`: told of each listening socket before it is bound.

    `accepted`: given each connected socket with its peer's address and its own. `changed`: told
    when one of those `missing` has come.
    """

    def __init__(
        self, shared: Shared, prepare: Callable[[socket.socket], None], accepted: Accepted
    ) -> None:
        self.addresses: list[Multiaddr] = []
        self.changed: list[Callable[[], None]] = []
        self.missing: list[Multiaddr] = []
        self._shared = shared
        self._loop = shared.loop
        self._work = shared.work[CONTROL]
        self._prepare = prepare
        self._accepted = accepted
        self._again = Again(shared.loop, self._listen_anew)
        self._sockets: list[socket.socket] = []
        self._resting: set[socket.socket] = set()  # of them, while nothing can be accepted

    def listen_at(self, addresses: Iterable[Multiaddr]) -> None:
        """Listen at each of `addresses`, at those that cannot be had now as soon as they can.

        Raises SwarmError if there are some and none can be had.
        """
        errors = []
        for address in addresses:
            try:
                self.listen(address)
            except SwarmError as error:
                errors.append(str(error))
                self.missing.append(address)
        if errors and not self._sockets:
            raise SwarmError("; ".join(errors))
        for line in errors:
            log.warning("not-listening", error=line)
        if errors:
            self._again.start()

    def listen_anew(self) -> None:
        """Try those that could not be had: the network may be another one."""
        self._again.now()

    def listen(self, address: Multiaddr) -> Multiaddr:
        """Accept connections at an /ip4 or /ip6 TCP address; port 0 takes a free one.

        Returns the address with the port it has. Raises SwarmError.
        """
        target = address.host_port()
        ip = address.ip()
        if target is None or ip is None:
            raise SwarmError(f"cannot listen on {address}: /ip4/... or /ip6/.../tcp/PORT expected")
        try:
            sock = self._bound((target[0], target[1]), ip)
        except OSError as error:
            raise SwarmError(f"cannot listen on {address}: {error.strerror}") from None
        bound = Multiaddr.from_ip(ip, sock.getsockname()[1])
        self._sockets.append(sock)
        self.addresses.append(bound)
        self._loop.add_reader(sock, self._acceptable, sock)
        return bound

    def lend(self, sock: socket.socket) -> bool:
        """Bind `sock`, which is to dial, to a port that is listened at; False: none can be had."""
        return any(
            _bind_beside(listening, sock)
            for listening, address in zip(self._sockets, self.addresses, strict=False)
            if listening.family == sock.family and address.scope() != LOOPBACK
        )

    @property
    def accepting(self) -> bool:
        """Whether connections are accepted somewhere."""
        return len(self._sockets) > len(self._resting)

    def close(self) -> None:
        """Accept nothing more."""
        self._again.stop()
        for sock in self._sockets:
            self._loop.remove_reader(sock)
            sock.close()
        self._sockets.clear()

    def _bound(self, target: tuple[str, int], ip: bytes) -> socket.socket:
        sock = socket.socket(socket.AF_INET if len(ip) == 4 else socket.AF_INET6)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if len(ip) == 16:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            self._prepare(sock)
            sock.bind(target)
            sock.listen(_BACKLOG)
        except OSError:
            sock.close()
            raise
        return sock

    def _listen_anew(self) -> bool:
        """Whether nothing is missing any more."""
        before, self.missing = self.missing, []
        for address in before:
            try:
                log.info("listening", address=self.listen(address))
            except SwarmError:
                self.missing.append(address)
        if self.missing != before:
            for tell in self.changed:
                tell()
        return not self.missing

    def _acceptable(self, sock: socket.socket) -> None:
        share = self._work.share
        for _ in range(_ACCEPTS_PER_EVENT):
            if share.wait():
                self._work.queue.take(self._rest(sock))
                return
            began = share.worked()
            try:
                accepted, peer = sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                log.warning("accept-paused", error=error.strerror, seconds=_ACCEPT_PAUSE)
                self._shared.count_refusal("file-descriptors")
                self._loop.call_later(_ACCEPT_PAUSE, self._rest(sock))
                return
            self._take(accepted, peer)
            share.spent(began)

    def _take(self, sock: socket.socket, peer: SocketAddress) -> None:
        sock.setblocking(False)
        try:
            remote, local = _multiaddr(peer), _multiaddr(sock.getsockname())
        except OSError:
            sock.close()  # gone again already
            return
        self._accepted(sock, remote, local)

    def _rest(self, sock: socket.socket) -> Callable[[], None]:
        """Accept nothing more on `sock` until what this returns is called."""
        self._loop.remove_reader(sock)
        self._resting.add(sock)

        def again() -> None:
            self._resting.discard(sock)
            if sock in self._sockets:
                self._loop.add_reader(sock, self._acceptable, sock)
                self._acceptable(sock)

        return again


def _bind_beside(listening: socket.socket, sock: socket.socket) -> bool:
    """Bind `sock` to where `listening` is; False: the kernel does not let both have it."""
    try:
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for each in (listening, sock):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(listening.getsockname())
    except OSError:
        return False
    finally:
        with suppress(OSError):
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
    return True


def _multiaddr(name: SocketAddress) -> Multiaddr:
    host = name[0].split("%")[0]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return Multiaddr.from_ip(socket.inet_pton(family, host), name[1])

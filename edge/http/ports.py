"""The IP addresses that the server listens at, as they are configured and as they can be had."""

from __future__ import annotations

import asyncio
import socket

from edge import log
from edge.again import Again
from edge.http.errors import HttpError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Address = tuple[str, int]  # IP address and port

_BACKLOG = 64
_ACCEPT_PAUSE = 1.0  # seconds, when accepting fails
_ACCEPTS = 16  # before others get the loop again


class Ports:
    """`accepted`: given each connected socket, and the address of its client.

    `exhausted`: told when no file descriptor is left for one.
    """

    def __init__(
        self, accepted: Callable[[socket.socket, Address], None], exhausted: Callable[[], None]
    ) -> None:
        self._accepted = accepted
        self._exhausted = exhausted
        self._loop = asyncio.get_running_loop()
        self._listeners: dict[Address, socket.socket] = {}  # by what was asked for
        self._missing: list[Address] = []
        self._again = Again(self._loop, self._listen_anew)

    @property
    def listening(self) -> list[Address]:
        """The IP addresses and ports it has."""
        return [sock.getsockname()[:2] for sock in self._listeners.values()]

    def configure(self, addresses: Sequence[Address]) -> None:
        """Listen at exactly these; at what is missing once it is there.

        A new address is bound before an old one is closed, unless the old one has its port: where
        the page is to be seen by fewer, it must not stay open to all because of that. Raises
        HttpError if there are some and none can be had, and listens as before.
        """
        wanted = dict.fromkeys(addresses)
        old = {at: sock for at, sock in self._listeners.items() if at not in wanted}
        kept = [address for address in wanted if address in self._listeners]
        added: dict[Address, socket.socket] = {}
        errors: dict[Address, str] = {}
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

    def close(self) -> None:
        """Accept nothing more."""
        self._again.stop()
        for address in list(self._listeners):
            self._close(address)

    def _listen_anew(self) -> bool:
        """Whether nothing is missing any more."""
        before, self._missing = self._missing, []
        for address in before:
            try:
                self._open(address, _listen(*address))
            except HttpError:
                self._missing.append(address)
        return not self._missing

    def _open(self, address: Address, sock: socket.socket) -> None:
        self._listeners[address] = sock
        self._loop.add_reader(sock, self._acceptable, sock)

    def _close(self, address: Address) -> None:
        sock = self._listeners.pop(address)
        self._loop.remove_reader(sock)
        sock.close()

    def _acceptable(self, listener: socket.socket) -> None:
        for _ in range(_ACCEPTS):
            try:
                client, address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # no descriptor is left: the swarm logs that
                self._exhausted()
                self._rest(listener)
                return
            client.setblocking(False)
            self._accepted(client, address[:2])

    def _rest(self, listener: socket.socket) -> None:
        """Do not ask again at once."""
        self._loop.remove_reader(listener)

        def again() -> None:
            if listener in self._listeners.values():
                self._loop.add_reader(listener, self._acceptable, listener)

        self._loop.call_later(_ACCEPT_PAUSE, again)


def _overlap(one: Address, other: Address) -> bool:
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

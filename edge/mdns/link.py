"""One link: its sockets, what is said on it, and how much of what comes is looked at."""

from __future__ import annotations

import socket

from edge.mdns import links
from edge.mdns.found import within
from edge.wire import mdns
from edge.wire.errors import RemoteProtocolError
from edge.wire.ip import LINK_LOCAL, scope
from edge.wire.multiaddr import Multiaddr

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable

    from edge.mdns.found import Subnet
    from edge.mdns.talk import Talk
    from edge.swarm.cpu_share import CpuShare
    from edge.wire.mdns import Message

    # What somebody at an IP on the link has said.
    Heard = Callable[["Link", Message, bytes], None]

_MOST_MESSAGES = 32  # a second; further ones wait in the kernel, as far as it keeps them
_SECOND = 1.0
_MAX_OWN_ADDRESSES = 8


class Counts:
    """Messages since the start. `ignored`: malformed, or not of the link; `unsent`: refused."""

    __slots__ = ("ignored", "received", "sent", "unsent")

    def __init__(self) -> None:
        self.received = 0
        self.ignored = 0
        self.sent = 0
        self.unsent = 0


class Link:
    """The interface `name`, which is in `subnets`. `heard`: told of each message.

    `own`: the addresses of this node there, of which `talk` tells. `share`: to which the work is
    charged.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        name: str,
        subnets: list[Subnet],
        talk: Talk,
        share: CpuShare,
        counts: Counts,
        heard: Heard,
    ) -> None:
        """Raises OSError."""
        self.name = name
        self.subnets = subnets
        self.talk = talk
        self.own: list[Multiaddr] = []
        self._index = socket.if_nametoindex(name)
        self._loop = loop
        self._counts = counts
        self._heard = heard
        self._share = share
        self._left = 0
        self._refill_at = 0.0
        self._pause: asyncio.TimerHandle | None = None
        sizes = {len(ip) for ip, _ in subnets}
        families = [socket.AF_INET] if 4 in sizes else []
        families += [socket.AF_INET6] if 16 in sizes else []
        self._sockets = links.open_sockets(self._index, families)
        self._listen()

    @property
    def alive(self) -> bool:
        """Whether the interface is the one that was joined, and not another of its name."""
        try:
            return socket.if_nametoindex(self.name) == self._index
        except OSError:
            return False

    def send(self, messages: Iterable[bytes]) -> None:
        """To everybody on the link, as far as the kernel takes it: mDNS promises no more."""
        for data in messages:
            for sock in self._sockets:
                try:
                    links.send(sock, data)
                    self._counts.sent += 1
                except OSError:  # the link is down, or full
                    self._counts.unsent += 1

    def close(self) -> None:
        """Say and hear nothing any more."""
        if self._pause is not None:
            self._pause.cancel()
        for sock in self._sockets:
            self._loop.remove_reader(sock)
            sock.close()
        self._sockets.clear()

    def _listen(self) -> None:
        self._pause = None
        for sock in self._sockets:
            self._loop.add_reader(sock, self._readable, sock)

    def _readable(self, sock: socket.socket) -> None:
        """Look at one message, or at none for a while: it may have been enough for now."""
        now = self._loop.time()
        if now >= self._refill_at:
            self._left, self._refill_at = _MOST_MESSAGES, now + _SECOND
        wait = self._share.wait() if self._left else self._refill_at - now
        if wait:
            for each in self._sockets:
                self._loop.remove_reader(each)
            self._pause = self._loop.call_later(wait, self._listen)
            return
        self._left -= 1
        began = self._share.worked()
        self._read(sock)
        self._share.spent(began)

    def _read(self, sock: socket.socket) -> None:
        try:
            data, (host, port, *_) = sock.recvfrom(mdns.MAX_MESSAGE + 1)
        except OSError:
            return  # gone again, or an error of something sent: nothing to read
        self._counts.received += 1
        source = socket.inet_pton(sock.family, host.partition("%")[0])
        # From another port comes a simple resolver's query, which wants its answer by unicast.
        if port != mdns.PORT or not within(source, self.subnets):
            self._counts.ignored += 1
            return
        try:
            message = mdns.decode(data)
        except RemoteProtocolError:
            self._counts.ignored += 1
            return
        self._heard(self, message, source)


def own_addresses(listening: Iterable[Multiaddr], subnets: list[Subnet]) -> list[Multiaddr]:
    """Where a node that listens at `listening` is reached on a link that is in `subnets`.

    IPv6's link-local addresses are left out: their zone has another name on each machine.
    """
    own = [ip for ip, _ in subnets if len(ip) == 4 or scope(ip) != LINK_LOCAL]
    found = []
    for address in listening:
        at, end = address.ip(), address.host_port()
        if at is not None and end is not None:
            some = [ip for ip in own if len(ip) == len(at) and (ip == at or not any(at))]
            found += [Multiaddr.from_ip(ip, end[1]) for ip in some]
    return found[:_MAX_OWN_ADDRESSES]

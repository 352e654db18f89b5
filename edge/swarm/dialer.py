"""Dialling: resolve names, order addresses, try them staggered, remember what failed.

Addresses are tried as RFC 8305 (happy eyeballs) has it: families interleaved, the next one started
after a short while or at once when one fails, the first to finish its upgrade wins. Circuits come
last. An address that failed is left alone for a while that doubles with each failure.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from edge.swarm.dns import resolve
from edge.swarm.errors import ConnectionClosed, DialError, SwarmError
from edge.swarm.transport import SocketTransport
from edge.wire.errors import WireError
from edge.wire.multiaddr import Multiaddr

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from edge.swarm.connection import Connection
    from edge.swarm.swarm import Swarm
    from edge.swarm.transport import Transport
    from edge.wire.peerid import PeerId

    # Opens a circuit to the peer at a /p2p-circuit address: (its end, whether it is limited).
    CircuitDialer = Callable[[Multiaddr, PeerId], Awaitable[tuple[Transport, bool]]]

STAGGER = 0.25  # seconds before the next address is tried beside the last (RFC 8305 section 5)
MAX_ADDRESSES = 16
_FIRST_BACKOFF = 5.0
_LONGEST_BACKOFF = 300.0
_MAX_FAILURES = 256  # addresses remembered


class Dialer:
    """Dials for one swarm."""

    def __init__(self, swarm: Swarm) -> None:
        self._swarm = swarm
        self._failures: dict[Multiaddr, tuple[float, float]] = {}  # address: (until, its length)
        self._under_way: dict[PeerId, asyncio.Task[Connection]] = {}
        self.dial_circuit: CircuitDialer | None = None

    def forget_failures(self) -> None:
        """Try every address again: the network, or what is configured, has changed."""
        self._failures.clear()

    async def connect(
        self, peer: PeerId, addresses: Sequence[Multiaddr], again: bool = False
    ) -> Connection:
        """A connection to `peer`: the one there is, else one made at the first address that works.

        `again`: try also what has failed a moment ago. Raises DialError.
        """
        existing = self._swarm.connection_to(peer)
        if existing is not None:
            return existing
        task = self._under_way.get(peer)
        if task is None:
            task = asyncio.ensure_future(self._connect(peer, addresses, again))
            self._under_way[peer] = task
            task.add_done_callback(lambda done: self._over(peer, done))
        return await asyncio.shield(task)

    def _over(self, peer: PeerId, task: asyncio.Task[Connection]) -> None:
        del self._under_way[peer]
        if not task.cancelled():
            task.exception()  # whoever waits is told; if nobody does any more, nobody need be

    async def _connect(
        self, peer: PeerId, addresses: Sequence[Multiaddr], again: bool
    ) -> Connection:
        if peer == self._swarm.peer_id:
            raise DialError("that is this node itself")
        candidates = await self._candidates(addresses, again)
        if not candidates:
            raise DialError(f"no address of {peer} can be dialled now")
        waiting: set[asyncio.Task[Connection]] = set()
        errors: list[str] = []
        try:
            while candidates or waiting:
                if candidates:
                    waiting.add(asyncio.ensure_future(self._try(candidates.pop(0), peer)))
                done, waiting = await asyncio.wait(
                    waiting,
                    timeout=STAGGER if candidates else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for task in done:
                    error = task.exception()
                    if error is None:
                        return task.result()
                    errors.append(str(error))
        finally:
            for task in waiting:
                task.cancel()
        raise DialError("; ".join(errors))

    async def _candidates(self, addresses: Sequence[Multiaddr], again: bool) -> list[Multiaddr]:
        now = self._swarm.loop.time()
        found: list[Multiaddr] = []
        for some in await asyncio.gather(*[resolve(a) for a in addresses[:MAX_ADDRESSES]]):
            found += some
        usable = []
        for address in dict.fromkeys(a if a.is_circuit else a.without_peer() for a in found):
            until, _ = self._failures.get(address, (0.0, 0.0))
            if again or until <= now:
                usable.append(address)
        return _interleave(usable)[:MAX_ADDRESSES]

    async def _try(self, address: Multiaddr, peer: PeerId) -> Connection:
        try:
            async with asyncio.timeout(self._swarm.limits.handshake_timeout):
                connection = await self.dial(address, peer)
        except TimeoutError:
            self._failed(address)
            raise DialError(f"{address}: timed out") from None
        except (SwarmError, WireError, OSError) as error:
            self._failed(address)
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise DialError(f"{address}: {reason}") from None
        self._failures.pop(address, None)
        return connection

    def _failed(self, address: Multiaddr) -> None:
        now = self._swarm.loop.time()
        _, length = self._failures.pop(address, (0.0, _FIRST_BACKOFF / 2))
        length = min(length * 2, _LONGEST_BACKOFF)
        if len(self._failures) >= _MAX_FAILURES:
            del self._failures[next(iter(self._failures))]
        self._failures[address] = now + length, length

    async def dial(self, address: Multiaddr, peer: PeerId | None) -> Connection:
        """One new connection at one resolved address; its peer is `peer`, or whoever answers."""
        if address.is_circuit:
            return await self._through_relay(address, peer)
        target, ip = address.host_port(), address.ip()
        if target is None or ip is None:
            raise DialError("only TCP over IP can be dialled")
        refusal = self._swarm.admits_ip(ip)
        if refusal is not None:
            raise DialError(refusal)
        loop = self._swarm.loop
        sock = socket.socket(socket.AF_INET if len(ip) == 4 else socket.AF_INET6)
        try:
            sock.setblocking(False)
            self._swarm.prepare(sock)
            await loop.sock_connect(sock, (target[0], target[1]))
        except BaseException:
            sock.close()
            raise
        transport = SocketTransport(loop, sock, self._swarm.traffic)
        return await self._upgrade(transport, address, peer, limited=False)

    async def _through_relay(self, address: Multiaddr, peer: PeerId | None) -> Connection:
        target = address.peer_id() or peer
        if self.dial_circuit is None or target is None:
            raise DialError("no peer is named behind /p2p-circuit")
        transport, limited = await self.dial_circuit(address, target)
        return await self._upgrade(transport, address, target, limited)

    async def _upgrade(
        self,
        transport: Transport,
        address: Multiaddr,
        peer: PeerId | None,
        limited: bool,
    ) -> Connection:
        connection = self._swarm.upgrade(transport, True, address, expected=peer)
        connection.limited = limited
        try:
            return await connection.upgraded()
        except asyncio.CancelledError:
            connection.close("dial given up", say=False)
            raise
        except ConnectionClosed as error:
            raise DialError(str(error)) from None


def _interleave(addresses: list[Multiaddr]) -> list[Multiaddr]:
    """IPv6 and IPv4 in turn, each in the order given; circuits behind them."""
    six: list[Multiaddr] = []
    four: list[Multiaddr] = []
    circuits: list[Multiaddr] = []
    for address in addresses:
        if address.is_circuit:
            circuits.append(address)
        else:
            (six if len(address.ip() or b"") == 16 else four).append(address)
    ordered: list[Multiaddr] = []
    while six or four:
        ordered += six[:1] + four[:1]
        del six[:1], four[:1]
    return ordered + circuits

"""Dialling: resolve names, order addresses, try them staggered, remember what failed.

Addresses are tried as RFC 8305 (happy eyeballs) has it: families interleaved, the next one started
after a short while or at once when one fails, the first to finish its upgrade wins. Circuits come
last. An address that failed is left alone for a while that doubles with each failure, and so is a
name that leads nowhere.

Whom others make this node dial is bounded: addresses that the owner has not named are dialled where
they are public, and neither this machine's nor in its own IPv6 network. That is looked at after
names are resolved, of the relay in a circuit too.
"""

from __future__ import annotations

import asyncio
import errno
import socket

from edge.swarm.backoff import Backoff
from edge.swarm.dns import Lookups, has_name, resolve
from edge.swarm.errors import ConnectionClosed, DialError, SwarmError
from edge.swarm.transport import SocketTransport
from edge.wire.errors import WireError
from edge.wire.ip import PUBLIC, ip_group, scope
from edge.wire.multiaddr import IP6ZONE, Multiaddr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Container, Iterable, Sequence

    from edge.swarm.connection import Connection
    from edge.swarm.swarm import Swarm
    from edge.swarm.transport import Transport
    from edge.wire.peerid import PeerId

    # Opens a circuit to a peer over the connection to a relay: (its end, whether it is limited).
    CircuitDialer = Callable[[Connection, PeerId], Awaitable[tuple[Transport, bool]]]

STAGGER = 0.25  # seconds before the next address is tried beside the last (RFC 8305 section 5)
MAX_ADDRESSES = 16
_FIRST_BACKOFF = 5.0
_LONGEST_BACKOFF = 300.0
_TAKEN = (errno.EADDRNOTAVAIL, errno.EADDRINUSE)  # from this port, to this address


class Effort:
    """What one call of `Dialer.connect` may do, for the peer and for relays on the way to it.

    `again`, `trusted`: as there. `responds`: this node is the one that is dialled, in all that
    follows TCP. `stagger`: seconds from one address to the next. `new_port`: never from one that
    is listened at.
    """

    __slots__ = ("again", "lookups", "new_port", "responds", "stagger", "trusted")

    def __init__(
        self,
        again: bool,
        trusted: bool,
        responds: bool = False,
        stagger: float = STAGGER,
        new_port: bool = False,
    ) -> None:
        self.again = again
        self.trusted = trusted
        self.responds = responds
        self.stagger = stagger
        self.new_port = new_port
        self.lookups = Lookups()


class Dialer:
    """Dials for one swarm. `own_ips`: of this machine's interfaces, asked at each dial."""

    def __init__(self, swarm: Swarm, own_ips: Callable[[], Iterable[bytes]] = tuple) -> None:
        self._swarm = swarm
        self._own_ips = own_ips
        # By peer as well: an address that one of them makes up must not rest for the other one that
        # has it.
        self._backoff = Backoff(swarm.loop.time, _LONGEST_BACKOFF)
        # By whether the addresses are trusted too: what a stranger says delays no dial of our own.
        self._under_way: dict[tuple[PeerId, bool], asyncio.Task[Connection]] = {}
        self.dial_circuit: CircuitDialer | None = None
        # Whether dials into the internet leave from a port that is listened at, where that is free.
        self.from_listener = False

    def forget_failures(self) -> None:
        """Try every address again: the network, or what is configured, has changed."""
        self._backoff.clear()

    async def connect(
        self,
        peer: PeerId,
        addresses: Sequence[Multiaddr],
        again: bool = False,
        trusted: bool = False,
    ) -> Connection:
        """A connection to `peer`: the one there is, else one made at the first address that works.

        `again`: try also what has failed a moment ago. `trusted`: the owner has named `addresses`,
        which may lead anywhere; others are dialled only where they are public. Raises DialError.
        """
        return await self._connected(peer, addresses, Effort(again, trusted))

    async def punch(
        self, peer: PeerId, addresses: Sequence[Multiaddr], responds: bool
    ) -> Connection:
        """A new direct connection to `peer`, beside those there are; all addresses at once.

        `responds`: `peer` dials at the same time, and is the dialer for Noise and yamux. Nobody has
        named the addresses but that peer. Raises DialError.
        """
        direct = [address for address in addresses if not address.is_circuit]
        effort = Effort(again=True, trusted=False, responds=responds, stagger=0.0)
        return await self._connect(peer, direct, effort)

    async def _connected(
        self, peer: PeerId, addresses: Sequence[Multiaddr], effort: Effort
    ) -> Connection:
        existing = self._swarm.connection_to(peer)
        if existing is not None:
            return existing
        key = peer, effort.trusted
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.ensure_future(self._connect(peer, addresses, effort))
            self._under_way[key] = task
            task.add_done_callback(lambda done: self._over(key, done))
        return await asyncio.shield(task)

    def _over(self, key: tuple[PeerId, bool], task: asyncio.Task[Connection]) -> None:
        del self._under_way[key]
        if not task.cancelled():
            task.exception()  # whoever waits is told; if nobody does any more, nobody need be

    async def _connect(
        self, peer: PeerId, addresses: Sequence[Multiaddr], effort: Effort
    ) -> Connection:
        if peer == self._swarm.peer_id:
            raise DialError("that is this node itself")
        refusal = self._swarm.admits_peer(peer)
        if refusal is not None:
            raise DialError(refusal)
        candidates = await self._candidates(peer, addresses, effort)
        if not candidates:
            names = ", ".join([str(each) for each in addresses[:MAX_ADDRESSES] if has_name(each)])
            why = f": {names} leads to none" if names else ""
            raise DialError(f"no address of {peer} can be dialled now{why}")
        waiting: set[asyncio.Task[Connection]] = set()
        errors: list[str] = []
        try:
            while candidates or waiting:
                if candidates:
                    waiting.add(asyncio.ensure_future(self._try(candidates.pop(0), peer, effort)))
                done, waiting = await asyncio.wait(
                    waiting,
                    timeout=effort.stagger if candidates else None,
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

    async def _candidates(
        self, peer: PeerId, addresses: Sequence[Multiaddr], effort: Effort
    ) -> list[Multiaddr]:
        """What may be dialled of `addresses` now, in order; names that yield none of it rest."""
        given = [
            a
            for a in addresses[:MAX_ADDRESSES]
            if effort.again or not self._backoff.rests((peer, a))
        ]
        may_dial = self._rule(peer, effort)
        usable: dict[Multiaddr, None] = {}
        results = await asyncio.gather(*[resolve(each, effort.lookups) for each in given])
        for address, found in zip(given, results, strict=True):
            some = [_place(each) for each in found if may_dial(each)]
            usable.update(dict.fromkeys(some))
            if not some and has_name(address):
                self._backoff.failed((peer, address), _FIRST_BACKOFF)
            elif has_name(address):
                self._backoff.forget((peer, address))
        return _interleave(list(usable))[:MAX_ADDRESSES]

    def _rule(self, peer: PeerId, effort: Effort) -> Callable[[Multiaddr], bool]:
        """Tells whether a resolved address may be dialled for `peer`."""
        near = set(map(ip_group, () if effort.trusted else self._own_ips()))
        # Where it has been dialled and found, and only takes no new streams any more.
        there = [each.remote for each in self._swarm.connections.get(peer, ()) if each.initiator]

        def may_dial(address: Multiaddr) -> bool:
            if address.peer_id() not in (None, peer):
                return False
            if not effort.again and self._backoff.rests((peer, _place(address))):
                return False
            # The relay of a circuit is looked at when it is dialled.
            known = effort.trusted or address.is_circuit or _place(address) in there
            return known or _is_far(address, near)

        return may_dial

    async def _try(self, address: Multiaddr, peer: PeerId, effort: Effort) -> Connection:
        try:
            async with asyncio.timeout(self._swarm.limits.handshake_timeout):
                connection = await self._dial(address, peer, effort)
        except TimeoutError:
            self._backoff.failed((peer, address), _FIRST_BACKOFF)
            raise DialError(f"{address}: timed out") from None
        except (SwarmError, WireError, OSError) as error:
            self._backoff.failed((peer, address), _FIRST_BACKOFF)
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise DialError(f"{address}: {reason}") from None
        self._backoff.forget((peer, address))
        return connection

    async def dial(
        self, address: Multiaddr, peer: PeerId | None, new_port: bool = False
    ) -> Connection:
        """One new connection at one resolved address, which is trusted: the owner has named it, or
        it is on a link of this machine, or that of a peer who calls from its IP.

        Its peer is `peer`, or whoever answers. `new_port`: from one where nobody has been called
        from, so that no hole in a NAT lets it in.
        """
        effort = Effort(again=False, trusted=True, new_port=new_port)
        return await self._dial(address, peer, effort)

    async def dial_apart(self, address: Multiaddr, peer: PeerId) -> Connection:
        """One new connection to `peer` beside all there are (edge.swarm.apart), from a new port.

        `address` is a stranger's: it is dialled where it is public. Raises DialError, another
        SwarmError, WireError or OSError.
        """
        if not _is_far(address, set(map(ip_group, self._own_ips()))):
            raise DialError("only public addresses can be dialled")
        transport = await self._socket(address, lent=False)
        return await _upgraded(self._swarm.apart.upgrade(transport, address, peer))

    async def _dial(self, address: Multiaddr, peer: PeerId | None, effort: Effort) -> Connection:
        if address.is_circuit:
            return await self._through_relay(address, peer, effort)
        transport = await self._socket(address, lent=self.from_listener and not effort.new_port)
        connection = self._swarm.upgrade(transport, not effort.responds, address, expected=peer)
        connection.dialled_from = transport.sock.getsockname()[1]
        return await _upgraded(connection)

    async def _socket(self, address: Multiaddr, lent: bool) -> SocketTransport:
        """Connected to `address`; `lent`: from a port that is listened at, if one can be had."""
        target, ip = address.host_port(), address.ip()
        if target is None or ip is None:
            raise DialError("only TCP over IP can be dialled")
        refusal = self._swarm.admits_ip(ip)
        if refusal is not None:
            raise DialError(refusal)
        if lent and scope(ip) == PUBLIC:
            try:
                return await self._connected_socket(ip, target[:2], lent=True)
            except OSError as error:
                if error.errno not in _TAKEN:
                    raise
        return await self._connected_socket(ip, target[:2], lent=False)

    async def _connected_socket(
        self, ip: bytes, target: tuple[str, int], lent: bool
    ) -> SocketTransport:
        loop = self._swarm.loop
        sock = socket.socket(socket.AF_INET if len(ip) == 4 else socket.AF_INET6)
        try:
            sock.setblocking(False)
            self._swarm.prepare(sock)
            if lent:
                self._swarm.lend_port(sock)
            await loop.sock_connect(sock, target)
        except BaseException:
            sock.close()
            raise
        return SocketTransport(loop, sock, self._swarm.traffic)

    async def _through_relay(
        self, address: Multiaddr, peer: PeerId | None, effort: Effort
    ) -> Connection:
        target = address.peer_id() or peer
        if self.dial_circuit is None or target is None:
            raise DialError("no peer is named behind /p2p-circuit")
        at = address.relay_part()
        relay = at.peer_id() if at is not None else None
        if at is None or relay is None or at.is_circuit:
            raise DialError("a circuit address names its relay: .../p2p/RELAY/p2p-circuit")
        if relay == target:
            raise DialError("a circuit does not lead to its own relay")
        connection = await self._connected(relay, [at], effort)
        transport, limited = await self.dial_circuit(connection, target)
        circuit = self._swarm.upgrade(transport, True, address, expected=target)
        circuit.limited = limited
        return await _upgraded(circuit)


async def _upgraded(connection: Connection) -> Connection:
    """`connection`, when its upgrade is done. Raises DialError."""
    try:
        return await connection.upgraded()
    except asyncio.CancelledError:
        connection.close("dial given up", say=False)
        raise
    except ConnectionClosed as error:
        raise DialError(str(error)) from None


def _place(address: Multiaddr) -> Multiaddr:
    """What is dialled of a resolved address."""
    return address if address.is_circuit else address.without_peer()


def _is_far(address: Multiaddr, near: Container[bytes]) -> bool:
    """Whether `address` is on the internet, and not of a group that is `near`.

    A zone means something on the machine that has it, and there only.
    """
    ip = address.ip()
    if ip is None or address.protocols[0][0] == IP6ZONE:
        return False
    return address.scope() == PUBLIC and ip_group(ip) not in near


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

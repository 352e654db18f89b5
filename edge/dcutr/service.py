"""DCUtR: makes direct connections of circuits, through the NAT at either end.

The peer that a circuit leads to (B) first dials the public addresses that the other one (A) tells
by identify. If that fails, both dial each other at the same moment, from the ports that they listen
at, so that each one's packets open its NAT for the other's. A is the dialer for what runs on top of
TCP. Each attempt has a stream of its own, as go- and rust-libp2p have it; one on the same stream,
which the specification prefers, is served too. New streams go over the direct connection
(`Swarm.connection_to`); a circuit beside it is closed when nothing uses it.

A stranger must not make this node scan for it. What is dialled is what the peer says of itself, on
the internet and not near this node (edge.swarm.dialer), a few addresses at few IPs, and so often
(PER_PEER, IN_ALL); a peer that cannot be reached rests. What becomes of a dial is not told; when
the next attempt begins lets it be guessed.

Source: libp2p/specs relay/DCUtR.md; named as in go-libp2p's p2p/protocol/holepunch
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from edge import log
from edge.config.schema import Dcutr
from edge.swarm import ping
from edge.swarm.backoff import Backoff
from edge.swarm.errors import DialError, StreamEnded, StreamReset, SwarmError
from edge.swarm.rate import Rate
from edge.swarm.stream import Stream
from edge.wire import dcutr as messages
from edge.wire import ip
from edge.wire.errors import WireError
from edge.wire.multiaddr import parse_many
from edge.wire.protobuf import delimited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge.config.load import Config
    from edge.host import Host, Status
    from edge.swarm.connection import Connection
    from edge.wire.multiaddr import Multiaddr
    from edge.wire.peerid import PeerId

ATTEMPTS = 3
MAX_ADDRESSES = 8  # told of us, or dialled of a peer
PER_IP = 2  # of those dialled
PER_PEER = 4  # dials a minute: an upgrade with all its attempts
IN_ALL = 32  # dials a minute
_MINUTE = 60.0
_AT_ONCE = 8  # peers that this node tries to reach
_DIAL_TIME = 5.0  # seconds
_EXCHANGE_TIME = 15.0  # seconds from CONNECT to SYNC
_FIRST_REST = 60.0  # seconds for a peer that could not be reached
_LONGEST_REST = 3600.0
_SWEEP = 5.0  # seconds, times the slowdown


class DcutrService:
    """Offers DCUtR on circuits that this node has dialled, and begins it on those that come."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._swarm = host.swarm
        self._enabled = False
        self._busy: set[PeerId] = set()  # whom this node, as B, tries to reach
        clock = host.swarm.loop.time
        self._by_peer = Rate(clock, PER_PEER, _MINUTE, most=IN_ALL)
        self._all = Rate(clock, IN_ALL, _MINUTE, most=1)
        self._rests = Backoff(host.swarm.loop.time, _LONGEST_REST)
        self._unused: set[Connection] = set()  # circuits that were so at the last look
        self._counts = {"punched": 0, "failed": 0, "refused": 0}
        host.swarm.handle(messages.PROTOCOL_ID, self._serve, self._offered)
        host.identify.identified.append(self._on_identified)
        host.network_changed.append(self._rests.clear)

    # --- Service ---

    def configure(self, config: Config) -> None:
        """Follow [dcutr]; what is under way goes on."""
        enabled = config[Dcutr].enabled
        if enabled != self._enabled:
            self._enabled = enabled
            self._host.identify.push_soon()
        # From where others could come in: also beside a public address, which may be of one family.
        self._host.dialer.from_listener = enabled

    async def run(self) -> None:
        """Let go of circuits that nobody needs, for ever."""
        while True:
            await asyncio.sleep(_SWEEP * self._swarm.slowdown)
            self.sweep()

    async def stop(self) -> None:
        """Nothing outlives the swarm's tasks."""

    def report(self) -> Status:
        """Attempts by what became of them; where the NAT may let a peer in that punches."""
        holes = [str(address) for address in self._host.addresses.holes]
        return {"dcutr": {"enabled": self._enabled, "holes": holes, **self._counts}}

    def sweep(self) -> None:
        """Close circuits without streams to peers that are connected directly, at a second look."""
        unused = {
            connection
            for connection in self._swarm.all_connections()
            if not connection.direct and self._direct(connection.peer) and not _used(connection)
        }
        for connection in unused & self._unused:
            connection.close("there is a direct connection")
        self._unused = unused - self._unused

    # --- rules ---

    def _offered(self, connection: Connection) -> bool:
        """Whether the peer on `connection` may begin: this node has dialled the circuit to it."""
        return self._enabled and not connection.direct and connection.initiator

    def _direct(self, peer: PeerId | None) -> Connection | None:
        """The connection that makes an upgrade needless, if there is one."""
        best = None if peer is None else self._swarm.connection_to(peer)
        return best if best is not None and best.direct else None

    def _own(self) -> list[Multiaddr]:
        """What the other one is told to dial."""
        addresses = self._host.addresses
        return list(dict.fromkeys(addresses.confirmed + addresses.holes))[:MAX_ADDRESSES]

    def _message(self) -> bytes:
        told = [address.bytes for address in self._own()]
        connect = messages.HolePunch(type=messages.HolePunch.CONNECT, addresses=told)
        return delimited(connect.encode())

    # --- B: the circuit leads to us ---

    def _on_identified(self, connection: Connection) -> None:
        peer = connection.peer
        if peer is None or connection.direct or connection.initiator or not self._enabled:
            return
        if peer in self._busy or self._rests.rests(peer) or self._direct(peer):
            return
        if len(self._busy) >= _AT_ONCE:
            self._counts["refused"] += 1
            return
        self._busy.add(peer)
        self._swarm.spawn(self._upgrade(connection, peer))

    async def _upgrade(self, circuit: Connection, peer: PeerId) -> None:
        try:
            await self._reach(circuit, peer)
            self._rests.forget(peer)
        except (SwarmError, WireError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            rest = self._rests.failed(peer, _FIRST_REST)
            log.info("hole-punch-failed", peer=peer, error=reason, again_in=int(rest))
        finally:
            self._busy.discard(peer)

    async def _reach(self, circuit: Connection, peer: PeerId) -> None:
        """Make a direct connection to `peer`. Raises SwarmError, WireError or TimeoutError."""
        info = circuit.info
        assert info is not None
        public = dialable(info.addresses, peer)
        if public:
            with suppress(DialError):
                await self._dial(peer, public, responds=False)
                return
        if messages.PROTOCOL_ID not in info.protocols or not self._own():
            return  # it may tell by another identify, or we may learn, that there is a way
        for attempt in range(1, ATTEMPTS + 1):
            addresses, half = await self._begin(circuit, peer)
            await asyncio.sleep(half)
            try:
                await self._dial(peer, addresses, responds=True)
            except DialError:
                if attempt == ATTEMPTS:
                    raise
            else:
                return

    async def _begin(self, circuit: Connection, peer: PeerId) -> tuple[list[Multiaddr], float]:
        """What to dial, and the seconds until the other one does so too."""
        stream = circuit.open_stream([messages.PROTOCOL_ID])
        loop = self._swarm.loop
        try:
            async with asyncio.timeout(_EXCHANGE_TIME):
                began = loop.time()
                await stream.write(self._message())
                addresses = await _read_connect(stream, peer)
                half = (loop.time() - began) / 2
                sync = messages.HolePunch(type=messages.HolePunch.SYNC)
                await stream.write(delimited(sync.encode()))
        except BaseException:
            stream.reset()
            raise
        stream.dismiss()
        return addresses, half

    # --- A: we have dialled the circuit ---

    async def _serve(self, stream: Stream) -> None:
        """One attempt, or as many as come on this stream."""
        peer = stream.connection.peer
        assert peer is not None
        try:
            for _ in range(ATTEMPTS):
                addresses = await self._answer(stream, peer)
                with suppress(DialError):
                    await self._dial(peer, addresses, responds=False)
                    break
        except (StreamEnded, StreamReset):
            pass  # the peer has come to an end, or begins anew on another stream
        except BaseException:
            stream.reset()
            raise
        stream.dismiss()

    async def _answer(self, stream: Stream, peer: PeerId) -> list[Multiaddr]:
        """What to dial, at once."""
        async with asyncio.timeout(_EXCHANGE_TIME):
            addresses = await _read_connect(stream, peer)
            await stream.write(self._message())
            sync = messages.HolePunch.decode(await stream.read_message(messages.MAX_MESSAGE))
            sync.expect(messages.HolePunch.SYNC)
        return addresses

    # --- both ---

    async def _dial(self, peer: PeerId, addresses: list[Multiaddr], responds: bool) -> None:
        """Dial `peer`, if there is no direct connection to it by now. Raises DialError."""
        if self._direct(peer):
            return
        if not addresses:
            raise DialError("it names no address that may be dialled")
        if not (self._by_peer.take(peer) and self._all.take(None)):
            self._counts["refused"] += 1
            raise DialError("others have made this node dial as often as they may")
        try:
            async with asyncio.timeout(_DIAL_TIME):
                connection = await self._host.dialer.punch(peer, addresses, responds)
        except (DialError, TimeoutError) as error:
            if self._direct(peer):
                return  # it has come to us meanwhile
            self._counts["failed"] += 1
            raise DialError(str(error) or f"no answer in {_DIAL_TIME:.0f} s") from None
        self._counts["punched"] += 1
        log.info("hole-punched", peer=peer, remote=connection.remote, responds=responds)


def _used(connection: Connection) -> bool:
    """Whether streams are in use; rust-libp2p keeps one for its pings, which use nothing."""
    owners = [stream.owner for stream in connection.session.streams.values()]
    return any(
        owner.engaged and not (isinstance(owner, Stream) and owner.protocol == ping.PROTOCOL_ID)
        for owner in owners
        if owner is not None
    )


async def _read_connect(stream: Stream, peer: PeerId) -> list[Multiaddr]:
    message = messages.HolePunch.decode(await stream.read_message(messages.MAX_MESSAGE))
    message.expect(messages.HolePunch.CONNECT)
    return dialable(parse_many(message.addresses, messages.MAX_ADDRESSES), peer)


def dialable(addresses: Iterable[Multiaddr], peer: PeerId) -> list[Multiaddr]:
    """The first of the `addresses` that `peer` claims as its own which are of use, and not many.

    At public IPs, by TCP, few at each IP. Names are not looked up for a stranger.
    """
    found: list[Multiaddr] = []
    at: dict[bytes, int] = {}
    for address in addresses:
        own_ip = address.ip()
        if own_ip is None or address.is_circuit or address.host_port() is None:
            continue
        if address.peer_id() not in (None, peer) or address.scope() != ip.PUBLIC:
            continue
        group = ip.ip_group(own_ip)
        at[group] = at.get(group, 0) + 1
        if at[group] <= PER_IP and len(found) < MAX_ADDRESSES:
            found.append(address)
    return found

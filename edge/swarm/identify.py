"""Identify on a swarm: answer it, ask it of every new connection, push what has changed.

Source: libp2p/specs identify/README.md
"""

from __future__ import annotations

import asyncio
import math

from edge import clock, log
from edge.swarm.cpu_share import Charged
from edge.swarm.errors import SwarmError
from edge.version import AGENT
from edge.wire.envelope import seal_peer_record
from edge.wire.errors import WireError
from edge.wire.identify import (
    MAX_OWN_MESSAGE,
    MAX_STREAM,
    PROTOCOL_ID,
    PUSH_ID,
    Identify,
    IdentifyReader,
    read_identify,
)
from edge.wire.multiaddr import fitting
from edge.wire.protobuf import delimited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from edge.swarm.addresses import OwnAddresses
    from edge.swarm.connection import Connection
    from edge.swarm.stream import Stream
    from edge.swarm.swarm import Swarm
    from edge.wire.multiaddr import Multiaddr

PROTOCOL_VERSION = "ipfs/0.1.0"
_WAIT = 15.0  # seconds for a peer to say who it is
_LENGTHS = 1024  # bytes for the lengths of the messages of one stream
_PUSH_DELAY = 1.0  # changes come in groups
_HEARSAY_DELAY = 60.0  # seconds from one push to the next that peers alone have caused
_MAX_MESSAGES = 8  # kept, one for each set of addresses and protocols some peer is told
_MAX_OWN_ADDRESSES = 16
# Bytes of a message beside addresses (which it has twice, once in the signed record) and protocols,
# and what each of these takes beside its own bytes.
_REST = 1024
_OVERHEAD = 8
_PUSHES = 8  # at once


class IdentifyService:
    """Serves and asks. `identified` are told of a connection whose `info` has arrived.

    `since`: seconds since 1970 that have passed for sure, whatever the clock says.
    """

    def __init__(self, swarm: Swarm, addresses: OwnAddresses, since: float = 0.0) -> None:
        self._swarm = swarm
        self._since = since
        self._addresses = addresses
        self._messages: dict[tuple[tuple[Multiaddr, ...], tuple[str, ...]], bytes] = {}
        self._told: dict[Connection, bytes] = {}  # which of them each peer has
        self._sequence = 0
        self._push_due: asyncio.TimerHandle | None = None
        self._pushed_at = -math.inf
        self.identified: list[Callable[[Connection], None]] = []
        swarm.handle(PROTOCOL_ID, self._serve)
        swarm.handle(PUSH_ID, self._serve_push)
        swarm.opened.append(self._on_open)
        swarm.closed.append(self._on_close)
        swarm.protocols_changed.append(self.push_soon)
        addresses.changed.append(self._on_addresses)

    def message(self, connection: Connection) -> bytes:
        """Our identify message to the peer on `connection`, encoded."""
        observed = Identify(observed_addr=connection.remote.without_peer().bytes)
        return self._current(connection) + observed.encode()

    def sealed(self, addresses: Sequence[Multiaddr]) -> bytes:
        """An envelope with `addresses` of this node, newer than all before.

        Later records must have higher numbers, over restarts too: hence the clock.
        """
        self._sequence = clock.later(self._sequence, self._since)
        return seal_peer_record(self._swarm.key, self._sequence, list(addresses))

    def push_soon(self) -> None:
        """Something that peers are told may have changed: tell, in a moment, whom it has for."""
        self._push_by(self._swarm.loop.time() + _PUSH_DELAY)

    def _on_addresses(self) -> None:
        """A few peers that say now this and now that do not make us write to all, each time."""
        soon = self._swarm.loop.time() + _PUSH_DELAY
        hearsay = self._addresses.hearsay
        self._push_by(max(soon, self._pushed_at + _HEARSAY_DELAY) if hearsay else soon)

    def _push_by(self, when: float) -> None:
        """Push at `when` in loop time, or sooner if that is due."""
        due = self._push_due
        if not self._swarm.connection_count or (due is not None and due.when() <= when):
            return
        if due is not None:
            due.cancel()
        loop = self._swarm.loop
        self._push_due = loop.call_at(when, lambda: self._swarm.spawn(self._push_all()))

    def _current(self, connection: Connection) -> bytes:
        """Our identify message to the peer on `connection` without the observed address."""
        protocols = tuple(self._swarm.protocols(connection))
        room = MAX_OWN_MESSAGE - _REST - sum([len(text) + _OVERHEAD for text in protocols])
        told = self._addresses.advertised_to(connection)
        addresses = fitting(told, room // 2, _OVERHEAD, _MAX_OWN_ADDRESSES)
        return self._message(tuple(addresses), protocols, len(told))

    def _message(
        self, addresses: tuple[Multiaddr, ...], protocols: tuple[str, ...], known: int
    ) -> bytes:
        """All of it but the observed address. `known`: how many addresses there are to tell."""
        message = self._messages.get((addresses, protocols))
        if message is None:
            if len(addresses) < known:
                log.warning("addresses-left-out", told=len(addresses), known=known)
            if len(self._messages) >= _MAX_MESSAGES:
                del self._messages[next(iter(self._messages))]
            message = Identify(
                protocol_version=PROTOCOL_VERSION,
                agent_version=AGENT,
                public_key=self._swarm.identity.public_key.encode(),
                listen_addrs=[address.bytes for address in addresses],
                protocols=list(protocols),
                signed_peer_record=self.sealed(addresses),
            ).encode()
            self._messages[addresses, protocols] = message
        return message

    def _on_open(self, connection: Connection) -> None:
        """What the peer says is charged as what it sends: it may take a signature to verify."""
        share, asking = connection.load.share, self._ask(connection)
        self._swarm.spawn(asking if share is None else Charged(share, asking))

    def _on_close(self, connection: Connection) -> None:
        self._told.pop(connection, None)
        self._addresses.forget(connection)

    async def _ask(self, connection: Connection) -> None:
        try:
            stream = connection.open_stream([PROTOCOL_ID])
            try:
                await self._read(stream)
            finally:
                stream.dismiss()
        except (WireError, SwarmError, TimeoutError) as error:
            log.debug("identify-failed", peer=connection.peer, error=error)

    async def _serve(self, stream: Stream) -> None:
        connection = stream.connection
        if connection.closed is None:
            self._told[connection] = self._current(connection)
        await stream.write(delimited(self.message(connection)))
        stream.dismiss()

    async def _serve_push(self, stream: Stream) -> None:
        await self._read(stream)
        stream.dismiss()

    async def _read(self, stream: Stream) -> None:
        connection = stream.connection
        assert connection.peer is not None
        reader = IdentifyReader()
        try:
            async with asyncio.timeout(_WAIT):
                reader.feed(await stream.read_to_end(MAX_STREAM + _LENGTHS))
        except BaseException:
            stream.reset()
            raise
        info = read_identify(reader.finish(), connection.peer, connection.info)
        if not connection.learn(info):
            return
        if info.observed is not None:
            self._addresses.observe(connection, info.observed)
        for tell in self.identified:
            tell(connection)

    async def _push_all(self) -> None:
        self._push_due = None
        connections = iter(self._swarm.all_connections())
        await asyncio.gather(*[self._push_in_turn(connections) for _ in range(_PUSHES)])

    async def _push_in_turn(self, connections: Iterator[Connection]) -> None:
        """One after the other: who does not read holds up one of `_PUSHES`."""
        for connection in connections:
            info = connection.info
            if connection.closed is not None or info is None or PUSH_ID not in info.protocols:
                continue
            if self._told.get(connection) != self._current(connection):
                await self._push(connection)

    async def _push(self, connection: Connection) -> None:
        self._pushed_at = self._swarm.loop.time()
        try:
            stream = connection.open_stream([PUSH_ID])
            async with asyncio.timeout(_WAIT):
                await self._serve(stream)
        except (WireError, SwarmError, TimeoutError) as error:
            self._told.pop(connection, None)  # the next change is told in any case
            log.debug("identify-push-failed", peer=connection.peer, error=error)

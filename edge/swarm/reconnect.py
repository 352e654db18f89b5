"""Keeps the node in the network: configured peers are redialled for ever, and remembered ones
are dialled when too few connections are left.

What is configured is trusted and dialled wherever it leads, on the LAN too. What is remembered was
said by others: only public addresses of it are kept and dialled.
"""

from __future__ import annotations

import asyncio
import os
import time

from edge import log
from edge.swarm.errors import SwarmError
from edge.swarm.swarm import CONFIGURED
from edge.wire.ip import PUBLIC
from edge.wire.multiaddr import by_peer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.swarm.connection import Connection
    from edge.swarm.dialer import Dialer
    from edge.swarm.peerstore import PeerStore
    from edge.swarm.swarm import Swarm
    from edge.wire.multiaddr import Multiaddr
    from edge.wire.peerid import PeerId

_FIRST_PAUSE = 1.0  # seconds between attempts, doubling
_LONGEST_PAUSE = 120.0
_TICK = 10.0  # seconds, times the slowdown of the swarm
_ENOUGH = 4  # connections below which remembered peers are dialled


class Reconnector:
    """`store`: whom the node remembers, and is told whom it could reach."""

    def __init__(self, swarm: Swarm, dialer: Dialer, store: PeerStore) -> None:
        self._swarm = swarm
        self._dialer = dialer
        self._store = store
        self._peers: dict[PeerId, Configured] = {}
        self._lost = asyncio.Event()
        self._hurry = asyncio.Event()
        swarm.closed.append(self._on_loss)
        swarm.leaving.append(self._on_loss)

    def configure(self, addresses: Sequence[Multiaddr]) -> None:
        """Stay connected to exactly these peers; may be called again with others.

        A peer whose addresses have changed is dialled at the new ones, at once if it is away.
        """
        wanted = by_peer(addresses)
        wanted.pop(self._swarm.peer_id, None)
        for peer in [peer for peer in self._peers if peer not in wanted]:
            self._peers.pop(peer).task.cancel()
            self._swarm.unprotect(peer, CONFIGURED)
        for peer, known in wanted.items():
            configured = self._peers.get(peer)
            if configured is None:
                self._swarm.protect(peer, CONFIGURED)
                configured = self._peers[peer] = Configured(known)
                configured.task = self._swarm.spawn(self._keep(peer, configured))
            elif configured.addresses != known:
                configured.addresses = known
                configured.hurry.set()

    def retry(self) -> None:
        """Dial whoever is away at once: the network has changed, or has come back."""
        self._hurry.set()
        for configured in self._peers.values():
            configured.hurry.set()

    async def run(self) -> None:
        """Dial remembered peers while there are too few connections, for ever."""
        await asyncio.sleep(_FIRST_PAUSE)  # the configured ones first
        while True:
            self._hurry.clear()
            missing = _ENOUGH - self._swarm.connection_count
            if missing > 0:
                for peer, addresses in self._store.candidates(missing, self._swarm.connections):
                    await self._dial(peer, addresses)
            await _pause(_TICK * self._swarm.slowdown, self._hurry)

    async def _keep(self, peer: PeerId, configured: Configured) -> None:
        pause = _FIRST_PAUSE
        while True:
            configured.hurry.clear()
            refusal = self._swarm.admits_peer(peer)
            if refusal is not None:
                log.warning("peer-denied", peer=peer, reason=refusal)
                await configured.hurry.wait()  # other rules come with a reload, which retries
                continue
            if await self._dial(peer, configured.addresses, configured=True):
                pause = _FIRST_PAUSE
                while self._swarm.connection_to(peer) is not None:
                    self._lost.clear()
                    await self._lost.wait()
                configured.hurry.clear()  # what happened while it was here delayed nothing
            if await _pause(pause * (0.75 + os.urandom(1)[0] / 510), configured.hurry):
                pause = _FIRST_PAUSE
            else:
                pause = min(pause * 2, _LONGEST_PAUSE)

    async def _dial(
        self, peer: PeerId, addresses: list[Multiaddr], configured: bool = False
    ) -> bool:
        try:
            connection = await self._dialer.connect(
                peer, addresses, again=configured, trusted=configured
            )
        except SwarmError as error:
            log.info("dial-failed", peer=peer, error=error)
            self._store.failed(peer)
            return False
        remote = connection.remote
        if connection.initiator and connection.direct and remote.scope() == PUBLIC:
            self._store.seen(peer, remote, time.time())
        return True

    def _on_loss(self, connection: Connection) -> None:
        if connection.peer in self._peers:
            self._lost.set()


class Configured:
    """A peer to stay connected to. `hurry`: set when it is not worth waiting any longer."""

    __slots__ = ("addresses", "hurry", "task")

    def __init__(self, addresses: list[Multiaddr]) -> None:
        self.addresses = addresses
        self.hurry = asyncio.Event()
        self.task: asyncio.Task[None]


async def _pause(seconds: float, hurry: asyncio.Event) -> bool:
    """Wait, at most until `hurry` is set; returns whether it was."""
    try:
        async with asyncio.timeout(seconds):
            await hurry.wait()
    except TimeoutError:
        return False
    return True

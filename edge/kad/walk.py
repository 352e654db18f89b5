"""A search in the DHT: asks the peers nearest to a key for nearer ones, until there are none.

Whoever answers may lie: refer without an end, to itself, or to those it wants dialled. So a walk is
bounded in requests, in time, in the bytes of an answer, and in what it remembers; who was asked is
never asked again. Some of the requests go to peers that this node knows itself, however near those
are that others name: one liar does not lead all of the search away.

Source: libp2p/specs kad-dht, "Peer routing"; alpha as in go-libp2p's
"""

from __future__ import annotations

import asyncio
import heapq

from edge.kad.table import kad_id
from edge.swarm.errors import SwarmError
from edge.wire.errors import WireError
from edge.wire.kad import K, read_peers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from edge.wire.kad import KadMessage
    from edge.wire.multiaddr import Multiaddr
    from edge.wire.peerid import PeerId

    # Asks a peer, which may be dialled at these addresses, what the walk is after.
    Ask = Callable[[PeerId, list[Multiaddr]], Awaitable[KadMessage]]
    # Told of each answer; True ends the walk.
    Answered = Callable[[KadMessage], Awaitable[bool]]

ALPHA = 3  # requests at once
MAX_REQUESTS = 32
MAX_TIME = 20.0  # seconds: within that of a request at the status socket
_REQUEST_TIME = 8.0  # seconds, with dialling
MEMORY = 160 * 1024  # bytes, mostly those of the answers that are being read


class Walk:
    """One search for `key`, which begins at the peers `known` and asks none of `without`.

    `answered`: the peers that did, in the order of their answers.
    """

    def __init__(
        self,
        key: bytes,
        known: Iterable[PeerId],
        ask: Ask,
        told: Answered,
        without: Iterable[PeerId] = (),
    ) -> None:
        self.answered: list[PeerId] = []
        self.requests = 0
        self._key = kad_id(key)
        self._ask = ask
        self._told = told
        self._asked = set(without)
        self._candidates: dict[PeerId, list[Multiaddr]] = {peer: [] for peer in known}
        self._known = frozenset(self._candidates)

    async def run(self) -> None:
        """Search until told enough, until the nearest peers have answered, or to the bounds."""
        running: set[asyncio.Task[bool]] = set()
        try:
            async with asyncio.timeout(MAX_TIME):
                while True:
                    self._ask_more(running)
                    if not running:
                        return
                    done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                    if any(task.result() for task in done):
                        return
        except TimeoutError:
            return  # what was found until now is what there is
        finally:
            for task in running:
                task.cancel()

    def nearest(self, count: int) -> list[PeerId]:
        """The `count` nearest to the key of those that answered."""
        return heapq.nsmallest(count, self.answered, key=self._distance)

    def _distance(self, peer: PeerId) -> int:
        return kad_id(peer.bytes) ^ self._key

    def _ask_more(self, running: set[asyncio.Task[bool]]) -> None:
        while len(running) < ALPHA and self._candidates and self.requests < MAX_REQUESTS:
            peer = self._next()
            self.requests += 1
            self._asked.add(peer)
            addresses = self._candidates.pop(peer)
            running.add(asyncio.ensure_future(self._visit(peer, addresses)))

    def _next(self) -> PeerId:
        """The nearest candidate; each third time, of those that were known from the start."""
        known = self._known & self._candidates.keys() if self.requests % ALPHA == 0 else ()
        return min(known or self._candidates, key=self._distance)

    async def _visit(self, peer: PeerId, addresses: list[Multiaddr]) -> bool:
        """Whether the answer of `peer` ends the walk."""
        try:
            async with asyncio.timeout(_REQUEST_TIME):
                answer = await self._ask(peer, addresses)
        except (WireError, SwarmError, TimeoutError):
            return False
        self.answered.append(peer)
        for other, where in read_peers(answer.closer):
            if where and other not in self._asked:
                self._candidates.setdefault(other, where)
        self._forget_the_farthest()
        return await self._told(answer)

    def _forget_the_farthest(self) -> None:
        """Those behind K nearer ones that answered are not of interest, nor are very many."""
        nearer = self.nearest(K)
        bound = self._distance(nearer[-1]) if len(nearer) == K else None
        kept = set(heapq.nsmallest(2 * K, self._candidates, key=self._distance)) | self._known
        self._candidates = {
            peer: where
            for peer, where in self._candidates.items()
            if peer in kept and (bound is None or self._distance(peer) < bound)
        }

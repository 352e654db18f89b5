"""The search for the nodes nearest to an id, or for what they store: Kademlia's iterative lookup.

Of the nodes heard of, those nearest to the target are asked, a few at a time, until the nearest
ones have answered. Every answer may lie, so the work is bounded: in calls, in bytes, in time, and
in how many nodes that do not answer one node may name before the others that it named are dropped.
The nodes that the search starts from were known before it, and are asked in any case.

Sources: Maymounkov and Mazières, Kademlia, section 2.3; named as in hivemind's dht/traverse.py
"""

from __future__ import annotations

import asyncio

from edge.dht.routing import K, node_id_of
from edge.swarm.errors import SwarmError
from edge.wire.errors import WireError
from edge.wire.hivemind import FOUND_DICTIONARY, FOUND_REGULAR
from edge.wire.peerid import PeerId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from edge.wire.hivemind import FindResult

    # Asks a peer, who may answer with so many bytes: (how many it took, its result).
    Ask = Callable[[PeerId, int], Awaitable[tuple[int, FindResult]]]

AT_ONCE = 4  # calls under way: hivemind's num_workers
MAX_CALLS = 48
MAX_BYTES = 8 << 20  # of all answers together
MAX_TIME = 20.0  # seconds
MAX_CANDIDATES = 256
MAX_IN_VAIN = 4  # nodes that one node may name and that do not answer


class Candidate:
    """A node that may be asked. `named_by`: who did, None: it was known before."""

    __slots__ = ("answered", "asked", "distance", "failed", "named_by", "peer")

    def __init__(self, peer: PeerId, distance: int, named_by: PeerId | None = None) -> None:
        self.peer = peer
        self.distance = distance
        self.named_by = named_by
        self.asked = False
        self.answered = False
        self.failed = False


class Walk:
    """One search for `target`, a number, by way of `ask`; `own`: who is not to be asked.

    `found`: the result that lasts longest. `calls`: how many peers were asked.
    """

    def __init__(self, target: int, ask: Ask, own: PeerId, for_value: bool) -> None:
        self.found: FindResult | None = None
        self.calls = 0
        self._target = target
        self._ask = ask
        self._own = own
        self._for_value = for_value
        self._bytes = 0
        self._candidates: dict[PeerId, Candidate] = {}
        self._in_vain: dict[PeerId, int] = {}
        self._under_way: dict[asyncio.Task[tuple[int, FindResult]], Candidate] = {}

    async def run(self, start: Iterable[tuple[int, PeerId]]) -> list[PeerId]:
        """Search from the nodes (id, peer) of `start`; those nearest that have answered."""
        for number, peer in start:
            self._candidates[peer] = Candidate(peer, number ^ self._target)
        try:
            async with asyncio.timeout(MAX_TIME):
                await self._search()
        except TimeoutError:
            pass  # what was found until then counts
        finally:
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)
        return [each.peer for each in self._nearest() if each.answered][:K]

    async def _search(self) -> None:
        while True:
            while len(self._under_way) < AT_ONCE and (one := self._next()) is not None:
                one.asked = True
                self.calls += 1
                left = MAX_BYTES - self._bytes
                task = asyncio.ensure_future(self._ask(one.peer, left))
                self._under_way[task] = one
            if not self._under_way:
                return
            done, _ = await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                self._heard(self._under_way.pop(task), task)

    def _next(self) -> Candidate | None:
        """Whom to ask: one of the nearest; after a value was found, only who was known before."""
        if self.calls >= MAX_CALLS or self._bytes >= MAX_BYTES:
            return None
        nearest = self._nearest()
        known = [each for each in nearest if each.named_by is None]
        wanted = known if self._for_value and self.found is not None else nearest[:K] + known
        return next((each for each in wanted if not each.asked), None)

    def _nearest(self) -> list[Candidate]:
        usable = [
            each
            for each in self._candidates.values()
            if not each.failed and (each.asked or self._credible(each.named_by))
        ]
        return sorted(usable, key=lambda each: each.distance)

    def _credible(self, peer: PeerId | None) -> bool:
        return peer is None or self._in_vain.get(peer, 0) < MAX_IN_VAIN

    def _heard(self, one: Candidate, task: asyncio.Task[tuple[int, FindResult]]) -> None:
        try:
            size, result = task.result()
        except (SwarmError, WireError, TimeoutError, OSError):
            one.failed = True
            if one.named_by is not None:
                self._in_vain[one.named_by] = self._in_vain.get(one.named_by, 0) + 1
            return
        one.answered = True
        self._bytes += size
        self._keep(result)
        named = zip(result.nearest_node_ids[:K], result.nearest_peer_ids[:K], strict=False)
        for node_id, peer_id in named:
            self._name(node_id, peer_id, one.peer)

    def _keep(self, result: FindResult) -> None:
        if result.type not in (FOUND_REGULAR, FOUND_DICTIONARY) or result.value is None:
            return
        best = self.found
        if best is None or (result.expiration or 0.0) > (best.expiration or 0.0):
            self.found = result

    def _name(self, node_id: bytes, peer_id: bytes, by: PeerId) -> None:
        try:
            peer = PeerId.from_bytes(peer_id)
        except WireError:
            return
        number = node_id_of(node_id, peer)
        if number is None or peer == self._own or peer in self._candidates:
            return
        if len(self._candidates) < MAX_CANDIDATES:
            self._candidates[peer] = Candidate(peer, number ^ self._target, by)

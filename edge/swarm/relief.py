"""Letting go when memory is short: which connection gives way, and what the kernel is given back.

Control's connections give way first, then those with bulk work, and none to a lower class than its
own. A connection with interactive work is closed only if a frame of its own does not come whole.
"""

from __future__ import annotations

from edge import log
from edge.machine import is_short, resident, trim_heap
from edge.swarm.work import BULK, INTERACTIVE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

    from edge.swarm.connection import Connection
    from edge.swarm.shared import Shared
    from edge.wire.peerid import PeerId

_GREEDY = 64 * 1024  # bytes held for one connection, from which memory may be taken back
_SPARE_AFTER = 3.0  # seconds of idling or sticking after which memory may be taken back
_TRIM = 5.0  # seconds from one time to the next: it takes milliseconds


class Relief:
    """`connections`: all that are open; `protected`: peers whose connections may idle."""

    def __init__(
        self,
        shared: Shared,
        connections: Callable[[], list[Connection]],
        protected: Container[PeerId | None],
    ) -> None:
        self._shared = shared
        self._connections = connections
        self._protected = protected
        self._trims_at = shared.loop.time()
        shared.pools.connections.reclaimers.append(self._close_an_idle_one)
        shared.pools.buffers.reclaimers += [self._close_a_stuck_one, self._close_the_greediest]

    def measure(self) -> None:
        """Compare the leases with the kernel's count, and see that what is free is free."""
        budget, now = self._shared.budget, self._shared.loop.time()
        if budget.hoards(resident()) and self._trims_at <= now:
            self._trims_at = now + _TRIM
            trim_heap()
        short = is_short()
        if short != budget.short:
            log.warning("machine-memory", short=short)
        if budget.measure(resident(), short):
            self._close_an_idle_one()

    def _close_an_idle_one(self) -> bool:
        """The one that has idled for longest, unless someone wants it kept."""
        now = self._shared.loop.time()
        idle = [
            c
            for c in self._connections()
            if not c.busy and c.peer not in self._protected and now - c.idle_since > _SPARE_AFTER
        ]
        return self._close_first(idle, lambda c: now - c.idle_since)

    def _close_a_stuck_one(self) -> bool:
        """The one whose frame has been incomplete for longest."""
        now = self._shared.loop.time()
        stuck = [c for c in self._connections() if c.stuck_for(now) > _SPARE_AFTER]
        return self._close_first(stuck, lambda c: c.stuck_for(now), INTERACTIVE)

    def _close_the_greediest(self) -> bool:
        """The one for which most is held that nobody reads.

        Not the one whose event is being handled: that one is refused what it asks for.
        """
        held = {c: c.unread() for c in self._connections() if c is not self._shared.reading}
        greedy = [c for c, size in held.items() if size >= _GREEDY]
        return self._close_first(greedy, lambda c: held[c])

    def _close_first(
        self,
        found: Iterable[Connection],
        rank: Callable[[Connection], float],
        spared_above: int = BULK,
    ) -> bool:
        """Close the one of the lowest class, among equals the one with the highest `rank`."""
        asking = self._shared.reading
        highest = spared_above if asking is None else min(asking.work, spared_above)
        found = [connection for connection in found if connection.work <= highest]
        if not found:
            return False
        max(found, key=lambda c: (-c.work, rank(c))).close("memory is short")
        return True

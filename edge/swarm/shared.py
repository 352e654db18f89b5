"""State that all connections of a swarm share: memory, time, scratch buffers, counters."""

from __future__ import annotations

from typing import Protocol

from edge.swarm.pools import Pools
from edge.swarm.transport import Traffic
from edge.swarm.work import classes
from edge.wire.connection import MIN_BUFFER, Buffers

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from typing import Any

    from edge.budget import Budget
    from edge.swarm.limits import Limits
    from edge.wire.noise import Identity


class Link(Protocol):
    """A connection, as others know it while an event of one of them is handled."""

    @property
    def work(self) -> int:
        """The highest class of work that it carries."""

    def flush(self) -> None:
        """Send all that is queued."""

    def feeds_only(self, target: Any) -> bool:
        """Whether all that comes in goes out to the connection `target`."""

    def pause_for(self, target: Any) -> None:
        """Read nothing more while the connection `target` is congested."""


class Undecided(Protocol):
    """A stream that a peer has opened and not agreed on a protocol for."""

    def reset(self) -> None:
        """Give it up."""


class Shared:
    """One for a swarm. `identity`: the node's own; `budget`: where its memory comes from.

    `depth`: receive callbacks running inside each other; `reading`: whose event is being handled.
    `negotiating`: streams without a protocol so far, by when they were opened.
    """

    __slots__ = (
        "_dirty",
        "_flush_due",
        "_scratch",
        "budget",
        "depth",
        "identity",
        "limits",
        "loop",
        "negotiating",
        "pools",
        "protocol_errors",
        "reading",
        "refusals",
        "traffic",
        "work",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        identity: Identity,
        limits: Limits,
        budget: Budget,
    ) -> None:
        self.loop = loop
        self.identity = identity
        self.limits = limits
        self.budget = budget
        self.pools = Pools(budget)
        self.work = classes(loop)
        self.traffic = Traffic()
        self.depth = 0
        self.reading: Link | None = None
        self.negotiating: dict[Undecided, float] = {}
        self.protocol_errors = 0
        self.refusals: dict[str, int] = {}
        self._dirty: list[Link] = []
        self._flush_due = False
        self._scratch = [Buffers(limits.buffer_size)]

    def count_refusal(self, reason: str) -> None:
        """Keep account of what was refused, by reason."""
        self.refusals[reason] = self.refusals.get(reason, 0) + 1

    def scratch(self, direct: bool) -> Buffers:
        """The scratch buffers of direct connections, or of those inside another connection.

        The latter are fed while an event of the former is being handled, hence a second set.
        """
        if direct:
            return self._scratch[0]
        if len(self._scratch) == 1:
            self._scratch.append(Buffers(2 * MIN_BUFFER))
        return self._scratch[1]

    def has_output(self, link: Link) -> None:
        """`link` has bytes to send: at the end of the running event, or soon."""
        self._dirty.append(link)
        if self.depth == 0 and not self._flush_due:
            self._flush_due = True
            self.loop.call_soon(self.flush)

    def flush(self) -> None:
        """Send what all connections have queued."""
        self._flush_due = False
        while self._dirty:
            self._dirty.pop().flush()  # one that has been flushed since has nothing to send

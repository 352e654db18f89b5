"""Classes of work, by which a swarm shares out its time and decides who gives way.

CONTROL is what anybody can cause: handshakes, identify, ping, requests. BULK and INTERACTIVE is
work that a service has admitted: of the two the one for which nobody waits, and the one that
somebody waits for. The higher class is served first and gives way last.
"""

from __future__ import annotations

from edge.swarm.cpu_share import CpuShare
from edge.swarm.fair_queue import FairQueue

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

CONTROL, BULK, INTERACTIVE = range(3)
# Parts of the time, while something of a higher class moves. On a slow machine a few newcomers a
# second fill the processor, and none of them is owed anything yet. A transfer is, but it can wait,
# and half of the time is what the payloads of others still pass in without delay.
CONTROL_SHARE, BULK_SHARE = 0.1, 0.5


class Work:
    """One class of work on a swarm. `open`: pieces under way; `moved`: payload bytes so far.

    `share`: of the processor's time that it may take; `queue`: what waits for that.
    """

    __slots__ = ("moved", "open", "queue", "share")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, share: float, above: Callable[[], int]
    ) -> None:
        self.open = 0
        self.moved = 0
        self.share = CpuShare(share, above)
        self.queue = FairQueue(loop, self.share.wait)


def classes(loop: asyncio.AbstractEventLoop) -> tuple[Work, Work, Work]:
    """One of each; what they are indexed by is their class."""
    interactive = Work(loop, 1.0, lambda: 0)
    bulk = Work(loop, BULK_SHARE, lambda: interactive.moved)
    control = Work(loop, CONTROL_SHARE, lambda: bulk.moved + interactive.moved)
    return control, bulk, interactive

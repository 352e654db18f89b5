"""How often others may make this node dial them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.wire.peerid import PeerId

WINDOW = 60.0  # seconds
PER_PEER = 4  # in a window: an upgrade with all its attempts
IN_ALL = 32


class Tries:
    """Those of this window. `clock`: seconds, monotonic."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ends = 0.0
        self._taken: dict[PeerId, int] = {}  # no more than IN_ALL

    def take(self, peer: PeerId) -> bool:
        """Whether `peer` may be dialled once more now; if so, that counts."""
        now = self._clock()
        if now >= self._ends:
            self._ends = now + WINDOW
            self._taken.clear()
        taken = self._taken.get(peer, 0)
        if taken >= PER_PEER or sum(self._taken.values()) >= IN_ALL:
            return False
        self._taken[peer] = taken + 1
        return True

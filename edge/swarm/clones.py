"""Notices other nodes with this node's identity: a data directory that was copied.

Both then answer to one peer id: whoever looks for the one may find the other, and relays keep the
reservation of only one. Who meets itself (an own address that was dialled) is not meant.
"""

from __future__ import annotations

from edge import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.wire.multiaddr import Multiaddr

_AGAIN = 3600.0  # seconds between two warnings


class Clones:
    """`clock`: seconds, monotonic."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._count = 0
        self._remote = ""
        self._met_at = 0.0
        self._warns_at = clock()

    def met(self, remote: Multiaddr) -> None:
        """A peer at `remote` has proved that it has our key, and is another process."""
        now = self._clock()
        self._count += 1
        self._remote = str(remote)
        self._met_at = now
        if now >= self._warns_at:
            self._warns_at = now + _AGAIN
            log.warning(
                "identity-cloned",
                remote=remote,
                advice="another node has this node's identity.key: delete it on one of the two",
            )

    def report(self) -> dict[str, dict[str, str | int]]:
        """The key `clone` of `status --json`; nothing where there is none."""
        if not self._count:
            return {}
        seconds = round(self._clock() - self._met_at)
        return {"clone": {"remote": self._remote, "met": self._count, "seconds": seconds}}

"""What each peer is given, and how many of its requests are under way: a bounded table."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.budget import Pool
    from edge.host import Status
    from edge.wire.peerid import PeerId

MAX_PEERS = 256
ENTRY = 512  # bytes of one


class Usage:
    """One peer's, since it was last forgotten. `open`: its requests under way."""

    __slots__ = ("bytes", "fragments", "open", "refused")

    def __init__(self) -> None:
        self.open = 0
        self.fragments = 0
        self.bytes = 0
        self.refused = 0

    def report(self) -> Status:
        """Its keys of `peers --json`."""
        return {
            "fragments": self.fragments,
            "fragment_bytes": self.bytes,
            "fragments_refused": self.refused,
        }


class Usages:
    """`pool`: leases their memory. The one that has been quiet for longest gives way."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._table: dict[PeerId, Usage] = {}

    def __len__(self) -> int:
        return len(self._table)

    def of(self, peer: PeerId) -> Usage | None:
        """That of `peer`. None: there is no memory for it."""
        usage = self._table.pop(peer, None)
        if usage is None:
            if len(self._table) >= MAX_PEERS:
                self._forget_one()
            if not self._pool.take(ENTRY):
                return None
            usage = Usage()
        self._table[peer] = usage
        return usage

    def get(self, peer: PeerId) -> Usage | None:
        """That of `peer`, if it has one."""
        return self._table.get(peer)

    def clear(self) -> None:
        """Forget all, at the end."""
        self._pool.give(ENTRY * len(self._table))
        self._table.clear()

    def _forget_one(self) -> None:
        idle = next((peer for peer, usage in self._table.items() if not usage.open), None)
        if idle is not None:
            del self._table[idle]
            self._pool.give(ENTRY)

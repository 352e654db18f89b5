"""What each peer makes of the relay: circuits, bytes, refusals, in a table of bounded size."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.relay.shaping import Bucket
    from edge.wire.peerid import PeerId

MAX_PEERS = 1024


class Usage:
    """One peer's account since it was last forgotten. `seconds`: of circuits that have ended."""

    __slots__ = (
        "buckets",
        "bytes_from",
        "bytes_to",
        "circuits",
        "circuits_total",
        "refusals",
        "seconds",
    )

    def __init__(self) -> None:
        self.buckets: tuple[Bucket, Bucket] | None = None  # of the shaper: what it sends, gets
        self.circuits = 0  # open or being opened, at either end
        self.circuits_total = 0
        self.bytes_from = 0
        self.bytes_to = 0
        self.refusals = 0
        self.seconds = 0.0


class Accounts:
    """A peer's account is kept while it has circuits, and then until `most` are there."""

    __slots__ = ("_table", "most")

    def __init__(self, most: int = MAX_PEERS) -> None:
        self.most = most
        self._table: dict[PeerId, Usage] = {}

    def of(self, peer: PeerId) -> Usage:
        """The account of `peer`, opened if there is none; the one unused for longest gives way."""
        usage = self._table.pop(peer, None) or Usage()
        if len(self._table) >= self.most:
            idle = next((p for p, u in self._table.items() if not u.circuits), None)
            if idle is not None:
                del self._table[idle]
        self._table[peer] = usage
        return usage

    def get(self, peer: PeerId) -> Usage | None:
        """The account of `peer`, if it has one."""
        return self._table.get(peer)

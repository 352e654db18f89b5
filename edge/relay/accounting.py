"""Accounts of what each peer uses of the relay: circuits, bytes, refusals; a bounded table."""

from __future__ import annotations

from edge.host import by_reason
from edge.units import KIB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.budget import Pool
    from edge.host import Status
    from edge.relay.shaping import Bucket
    from edge.wire.peerid import PeerId

MAX_PEERS = 1024
PEER_ENTRY = 1 * KIB  # bytes that an account or a reservation costs


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
        self.refusals: dict[str, int] = {}  # by status name
        self.seconds = 0.0

    @property
    def relayed(self) -> int:
        """Bytes, both ways together."""
        return self.bytes_from + self.bytes_to

    def report(self) -> Status:
        """The keys of `peers --json`."""
        return {
            "circuits": self.circuits,
            "bytes_from": self.bytes_from,
            "bytes_to": self.bytes_to,
            "circuits_ended": self.circuits_total,
            "seconds": round(self.seconds, 1),
            "refusals": by_reason(self.refusals),
        }


class Accounts:
    """The accounts of peers: each is kept while it has circuits, then until there are `most`.

    `pool`: leases their memory.
    """

    __slots__ = ("_pool", "_table", "most")

    def __init__(self, pool: Pool, most: int = MAX_PEERS) -> None:
        self.most = most
        self._table: dict[PeerId, Usage] = {}
        self._pool = pool
        pool.reclaimers.append(self._forget_one)

    def __len__(self) -> int:
        return len(self._table)

    def of(self, peer: PeerId) -> Usage | None:
        """The account of `peer`, opened if there is none; the one unused for longest gives way.

        None: there is no memory for it.
        """
        usage = self._table.pop(peer, None)
        if usage is None:
            if len(self._table) >= self.most:
                self._forget_one()
            if not self._pool.take(PEER_ENTRY):
                return None
            usage = Usage()
        self._table[peer] = usage
        return usage

    def both(self, source: PeerId, target: PeerId) -> tuple[Usage, Usage] | None:
        """The accounts of both, as `of`; neither gives way to the other."""
        first = self.of(source)
        if first is None:
            return None
        first.circuits += 1
        second = self.of(target)
        first.circuits -= 1
        return None if second is None else (first, second)

    def get(self, peer: PeerId) -> Usage | None:
        """The account of `peer`, if it has one."""
        return self._table.get(peer)

    def _forget_one(self) -> bool:
        idle = next((peer for peer, usage in self._table.items() if not usage.circuits), None)
        if idle is None:
            return False
        del self._table[idle]
        self._pool.give(PEER_ENTRY)
        return True

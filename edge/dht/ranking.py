"""Who holds how much of what is stored, so that whoever holds most gives way first."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.dht.records import Holder

_LEVELS = 40  # of sizes, each twice the one below


class Ranking:
    """The holders of one rank, ordered by the power of two of their sizes, in O(1).

    `size`: bytes of all of them.
    """

    __slots__ = ("_levels", "size")

    def __init__(self) -> None:
        self.size = 0
        self._levels: list[dict[Holder, None]] = [{} for _ in range(_LEVELS)]

    def resize(self, holder: Holder, by: int) -> None:
        """`holder` holds `by` bytes more or less, and leaves at 0."""
        before, after = level(holder.size), level(holder.size + by)
        holder.size += by
        self.size += by
        if before != after:
            self._levels[before].pop(holder, None)
            if after:
                self._levels[after][holder] = None

    def most(self) -> Holder | None:
        """One of those that hold most."""
        return next((next(iter(each)) for each in reversed(self._levels) if each), None)


def level(size: int) -> int:
    """The power of two that `size` is below; sizes of one level are taken for equal."""
    return size.bit_length()

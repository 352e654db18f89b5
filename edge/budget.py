"""The memory budget: what the process may use, and which pool has how much of it.

The limit is for the process as a whole. What it takes before it serves anyone is measured once and
set aside; the rest is leased, before it is allocated, from pools. Who needs memory asks for a pool.
Each pool has a ceiling, so that none can starve the others, and all of them together end at the
limit. A lease that does not fit first asks who can let go of something (`reclaimers`), then is
refused.

Leases are estimates: an interpreter does not say what an object costs. `measure` compares them with
what the kernel counts, and narrows the budget by what they fall short.
"""

from __future__ import annotations

from edge.machine import memory
from edge.units import MIB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.machine import Sizing

LEAST = 24 * MIB  # the least that the default is
LEAST_TO_SERVE = 4 * MIB  # beyond the process itself, below which serving makes no sense
_RESERVE = 0.1  # of what could be leased: for what comes between two looks at the kernel's count
_TRIES = 8  # of letting something go for one lease
_LOOKS = 32  # times that the kernel is asked while the whole is being leased


class Pool:
    """One use of memory. `used`, `ceiling`, `peak`: bytes; `refused`: leases that did not fit.

    `share`: of the budget that it may take at most. The shares of all pools may add up to more than
    one. `growth`: whether nothing is leased while the machine has no memory to give; what is being
    served goes on.
    """

    __slots__ = ("_budget", "_growth", "_share", "name", "peak", "reclaimers", "refused", "used")

    def __init__(self, budget: Budget, name: str, share: float, growth: bool) -> None:
        self._budget = budget
        self._share = share
        self._growth = growth
        self.name = name
        self.used = 0
        self.peak = 0
        self.refused = 0
        # Each is asked to free something and says whether it did.
        self.reclaimers: list[Callable[[], bool]] = []

    @property
    def ceiling(self) -> int:
        return int(self._budget.available * self._share)

    @property
    def pressed(self) -> bool:
        """Whether more than half is taken: time to hold back before anything must be refused."""
        budget = self._budget
        return (
            budget.short or self.used * 2 > self.ceiling or budget.used * 4 > budget.available * 3
        )

    def take(self, size: int) -> bool:
        """Lease `size` bytes (a negative size gives them back). False: they do not fit."""
        if size <= 0 or self._fits(size) or self._reclaimed(size):
            self.used += size
            self._budget.used += size
            self.peak = max(self.peak, self.used)
            if self._budget.used > self._budget.look_at:
                self._budget.look()
            return True
        self.refused += 1
        return False

    def give(self, size: int) -> None:
        """Give a lease back."""
        self.used -= size
        self._budget.used -= size

    def _fits(self, size: int) -> bool:
        budget = self._budget
        if budget.short and self._growth:
            return False
        return self.used + size <= self.ceiling and budget.used + size <= budget.available

    def _reclaimed(self, size: int) -> bool:
        """Whether enough was let go of: one reclaimer may not free what another lease needs."""
        for _ in range(_TRIES if not self._budget.short else 1):
            if not any(reclaim() for reclaim in self.reclaimers):
                return False
            if self._fits(size):
                return True
        return False


class Budget:
    """`limit`: bytes the process may use. `baseline`: what it uses before it serves.

    `sizing`: what suits the machine it serves on. `resident`: asks the kernel what the process uses
    now. `short`: the machine has no memory to give just now.
    """

    def __init__(
        self,
        limit: int,
        baseline: int,
        sizing: Sizing | None = None,
        resident: Callable[[], int] | None = None,
    ) -> None:
        self.limit = limit
        self.baseline = baseline
        self.sizing = sizing
        self.short = False
        self.used = 0
        self.look_at = 0  # leases in all, from which the kernel is to be asked again
        self.pools: dict[str, Pool] = {}
        self._resident = resident
        self._correction = 0

    def pool(self, name: str, share: float, growth: bool = False) -> Pool:
        """The pool called `name`; made for the first one who asks for it (see `Pool`)."""
        if name not in self.pools:
            self.pools[name] = Pool(self, name, share, growth)
        return self.pools[name]

    @property
    def leasable(self) -> int:
        """Bytes to lease, before `measure` has narrowed them."""
        return int(max(self.limit - self.baseline, LEAST_TO_SERVE) * (1 - _RESERVE))

    @property
    def available(self) -> int:
        """Bytes that all leases together may come to."""
        return self.leasable - self._correction

    def look(self) -> None:
        """So much has been leased since the last look that it is time for another."""
        self.look_at = self.used + self.leasable // _LOOKS
        if self._resident is not None:
            self.measure(self._resident(), self.short)

    def measure(self, resident: int, short: bool = False) -> bool:
        """The kernel counts `resident` bytes. True if that is near the limit, or if the machine
        is `short` of memory: let go of things.

        The budget is narrowed by what the leases fall short of the truth, and widened again as
        the process shrinks.
        """
        self.look_at = self.used + self.leasable // _LOOKS
        self.short = short
        unaccounted = max(0, resident - self.baseline - self.used)
        self._correction = min(unaccounted, self.leasable * 3 // 4)
        return short or resident > self.limit * 0.95

    def hoards(self, resident: int) -> bool:
        """Whether the C library keeps much that nobody uses: worth `machine.trim_heap`."""
        return resident - self.baseline - self.used > self.leasable // 4


def within(least: int, count: int, most: int) -> int:
    """`count`, but at least `least` and at most `most`."""
    return min(max(least, count), most)


def default_limit(total: int = 0) -> int:
    """A quarter of `total` bytes (0: of the machine's or the cgroup's), at least LEAST."""
    return max(LEAST, (total or memory()) // 4)

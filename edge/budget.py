"""The memory budget: what the process may use, and which room has how much of it.

The limit is for the process as a whole. What it takes before it serves anyone is measured once and
set aside; the rest is leased, before it is allocated, to six rooms. Each room has a ceiling, so
that none can starve the others, and all of them together end at the limit. A lease that does not
fit first asks who can let go of something (`relief`), then is refused.

Leases are estimates: an interpreter does not say what an object costs. `measure` compares them with
what the kernel counts, and narrows the budget by what they fall short.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from edge.machine import Profile

    class SwarmLimits(Protocol):
        """The part of edge.swarm.limits that follows the memory."""

        max_connections: int
        max_window: int
        socket_buffer: int

    class RelayLimits(Protocol):
        """The part of edge.relay.resources that follows the memory."""

        max_circuits: int
        max_reservations: int


KIB, MIB = 1 << 10, 1 << 20
LEAST = 24 * MIB  # the least that the default is
LEAST_TO_SERVE = 4 * MIB  # beyond the process itself, below which serving makes no sense
ROOMY = 128 * MIB  # the limit from which streams may have large windows
_RESERVE = 0.1  # of what could be leased: for what comes between two looks at the kernel's count
_TRIES = 8  # of letting something go for one lease
_LOOKS = 32  # times that the kernel is asked while the whole is being leased

# Bytes that one of each costs, measured by bench/ with 1000 of them and rounded up.
CONNECTION = 20 * KIB
HANDSHAKE = 8 * KIB  # without what it holds of a frame
STREAM = 2 * KIB
HANDLER = 2 * KIB  # a stream's, while a task serves it
CIRCUIT = 6 * KIB
PEER_ENTRY = 1 * KIB  # in a table: an account, a reservation
REMEMBERED = 3 * KIB  # a peer in the peer store, with as many addresses as it may have
SMALL_TABLES = 192 * KIB  # all that is in observed addresses, failed dials and relays that rest
MAX_REMEMBERED = 256

# What is not leased while the machine has no memory to give; what is being served goes on.
GROWTH = ("connections", "handshakes", "circuits", "tables")

# The share of the budget each room may take at most. They add up to more than one: a node that
# relays much has many circuits, one that is only reached has many connections.
CEILINGS = {
    "connections": 0.5,
    "handshakes": 0.15,
    "streams": 0.25,
    "circuits": 0.25,
    "buffers": 0.5,
    "tables": 0.25,
}


class Room:
    """One use of memory. `used`, `ceiling`: bytes; `refused`: leases that did not fit."""

    __slots__ = ("_budget", "_share", "name", "peak", "refused", "relief", "used")

    def __init__(self, budget: Budget, name: str, share: float) -> None:
        self._budget = budget
        self._share = share
        self.name = name
        self.used = 0
        self.peak = 0
        self.refused = 0
        # Each is asked to free something and says whether it did.
        self.relief: list[Callable[[], bool]] = []

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
        if size <= 0 or self._fits(size) or self._relieved(size):
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
        if budget.short and self.name in GROWTH:
            return False
        return self.used + size <= self.ceiling and budget.used + size <= budget.available

    def _relieved(self, size: int) -> bool:
        """Whether enough was let go of: one frame may not be what another one needs."""
        for _ in range(_TRIES if not self._budget.short else 1):
            if not any(relief() for relief in self.relief):
                return False
            if self._fits(size):
                return True
        return False


class Budget:
    """`limit`: bytes the process may use. `baseline`: what it uses before it serves.

    `profile`: what kind of machine it serves on. `resident`: asks the kernel what the process uses
    now. `short`: the machine has no memory to give just now.
    """

    def __init__(
        self,
        limit: int,
        baseline: int,
        profile: Profile | None = None,
        resident: Callable[[], int] | None = None,
    ) -> None:
        self.limit = limit
        self.baseline = baseline
        self.profile = profile
        self.short = False
        self.used = 0
        self.look_at = 0  # leases in all, from which the kernel is to be asked again
        self._resident = resident
        self._correction = 0
        self.connections = self._room("connections")
        self.handshakes = self._room("handshakes")
        self.streams = self._room("streams")
        self.circuits = self._room("circuits")
        self.buffers = self._room("buffers")
        self.tables = self._room("tables")

    def _room(self, name: str) -> Room:
        return Room(self, name, CEILINGS[name])

    @property
    def rooms(self) -> list[Room]:
        return [getattr(self, name) for name in CEILINGS]

    @property
    def leasable(self) -> int:
        """Bytes to lease, before `measure` has narrowed them."""
        return int(max(self.limit - self.baseline, LEAST_TO_SERVE) * (1 - _RESERVE))

    @property
    def available(self) -> int:
        """Bytes that all leases together may come to."""
        return self.leasable - self._correction

    @property
    def max_remembered(self) -> int:
        """Peers that the peer store has room for."""
        most = int(MAX_REMEMBERED * self.profile.tables) if self.profile else MAX_REMEMBERED
        return _within(16, self.tables.ceiling // 4 // REMEMBERED, most)

    @property
    def buffer_size(self) -> int:
        """Bytes to read at once."""
        size = 256 * KIB if self.limit >= ROOMY // 2 else 128 * KIB
        return min(size, self.profile.buffer) if self.profile else size

    def fill_in(self, limits: SwarmLimits, resources: RelayLimits) -> None:
        """Counts that are 0 (auto) become what there is memory for."""
        leasable = self.leasable
        fit = leasable // 2 // (CONNECTION + 2 * STREAM)
        limits.max_connections = limits.max_connections or _within(16, fit, 4096)
        limits.max_window = 1 * MIB if self.limit >= ROOMY else 256 * KIB
        if self.profile is not None:
            limits.max_window = min(limits.max_window, self.profile.max_window)
            limits.socket_buffer = self.profile.socket_buffer
        slots = limits.max_connections * 3 // 4
        resources.max_reservations = resources.max_reservations or _within(8, slots, 2048)
        fit = leasable // 4 // (CIRCUIT + 16 * KIB)
        resources.max_circuits = resources.max_circuits or _within(8, fit, 2048)

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
        """Whether the C library keeps much that nobody uses: worth `give_back`."""
        return resident - self.baseline - self.used > self.leasable // 4


def _within(least: int, count: int, most: int) -> int:
    return min(max(least, count), most)


def default_limit(total: int = 0) -> int:
    """A quarter of `total` bytes (0: of the machine's or the cgroup's), at least LEAST."""
    return max(LEAST, (total or memory()) // 4)


def memory() -> int:
    """Bytes of memory this process could use: the machine's, or its cgroup's if that is less."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limits = [_cgroup_limit(path) for path in cgroup_files(_own_cgroups())]
    return min([total, *[limit for limit in limits if limit]])


def resident() -> int:
    """Bytes of this process in memory (proc(5), statm); 0 where /proc is missing."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def give_back() -> None:
    """Have the C library return to the kernel what it keeps of memory that was freed.

    glibc keeps what lies below something in use: after a flood of large buffers as much as all of
    them took. Where there is no malloc_trim (musl returns memory by itself) nothing happens.
    """
    try:
        import ctypes

        ctypes.CDLL(None).malloc_trim(0)
    except (ImportError, OSError, AttributeError):
        return


def cgroup_files(cgroups: str) -> list[str]:
    """Where `cgroups` (/proc/self/cgroup; v2 and its parents, v1) keep their memory limits."""
    found = ["/sys/fs/cgroup/memory/memory.limit_in_bytes"]
    for line in cgroups.splitlines():
        if line.startswith("0::"):
            path = line[3:].rstrip("/")
            while path:
                found.append(f"/sys/fs/cgroup{path}/memory.max")
                path = path.rpartition("/")[0]
            found.append("/sys/fs/cgroup/memory.max")
    return found


def _own_cgroups() -> str:
    try:
        with open("/proc/self/cgroup", encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _cgroup_limit(path: str) -> int:
    try:
        with open(path, "rb") as file:
            text = file.read(32).strip()
    except OSError:
        return 0
    return int(text) if text.isdigit() else 0  # "max" is no limit

"""Facts of the kernel: the memory and the files there are for us, and who is killed first.

Under 128 MiB of memory, or on one or two cores, a node is made smaller than its memory limit
alone would have it: smaller windows, buffers and tables (`Sizing`).

Source: proc(5): meminfo, self/statm, self/oom_score_adj; cgroups(7); getrlimit(2)
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from edge.units import KIB, MIB

LITTLE = 128 * MIB  # of memory, below which a machine is small
FEW = 2  # cores
OOM_SCORE = 500  # as good as half of the machine's memory on top of ours; dnsmasq has 0
FILES = 1 << 17  # open at most; programs that a child runs may look at each that could be
_SCORE_FILE = "/proc/self/oom_score_adj"
_SHORT_SHARE, _SHORT_MOST = 0.05, 16 * MIB  # of memory available: less is an emergency


class Sizing:
    """The sizes that suit a machine. `name` and `why` are for people. Sizes in bytes.

    `max_window`: of a stream; `buffer`: read at once; `socket_buffer`: held by the kernel for a
    connection, each way (0: as it likes); `tables`: the part of a table's usual size.
    """

    __slots__ = ("buffer", "max_window", "name", "socket_buffer", "tables", "why")

    def __init__(
        self,
        name: str,
        why: str,
        max_window: int,
        buffer: int,
        socket_buffer: int,
        tables: float,
    ) -> None:
        self.name = name
        self.why = why
        self.max_window = max_window
        self.buffer = buffer
        self.socket_buffer = socket_buffer
        self.tables = tables


def sizing(total: int, cores: int) -> Sizing:
    """For a machine with `total` bytes of memory and so many `cores`."""
    if total < LITTLE:
        why = f"{total // MIB} MiB of memory"
        return Sizing("little-memory", why, 256 * KIB, 128 * KIB, 64 * KIB, 0.25)
    if cores <= FEW:
        why = "1 core" if cores == 1 else f"{cores} cores"
        return Sizing("few-cores", why, 512 * KIB, 128 * KIB, 0, 0.5)
    return Sizing("ordinary", "", MIB, 256 * KIB, 0, 1.0)


def this_sizing() -> Sizing:
    """For the machine, or the cgroup, that this process runs in."""
    return sizing(memory(), os.cpu_count() or 1)


def memory() -> int:
    """Bytes of memory this process could use: the machine's, or its cgroup's if that is less."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limits = [_cgroup_limit(path) for path in cgroup_files(_own_cgroups())]
    return min([total, *[limit for limit in limits if limit]])


def resident() -> int:
    """Bytes of this process in memory; 0 where /proc is missing."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def trim_heap() -> None:
    """Have the C library return to the kernel what it keeps of memory that was freed.

    glibc keeps what lies below something in use: after a flood of large buffers as much as all of
    them took. Where there is no malloc_trim (musl returns memory by itself) nothing happens.
    """
    try:
        import ctypes

        ctypes.CDLL(None).malloc_trim(0)
    except (ImportError, OSError, AttributeError):
        return


def is_short(path: str = "/proc/meminfo") -> bool:
    """Whether the machine, whoever uses it, has next to no memory left to give."""
    found = {}
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            for line in file:
                name, _, rest = line.partition(":")
                if name in ("MemTotal", "MemAvailable"):
                    found[name] = int(rest.split()[0]) * KIB
                    if len(found) == 2:
                        break
    except OSError:  # no /proc in this jail
        return False
    if len(found) < 2:
        return False
    return found["MemAvailable"] < min(found["MemTotal"] * _SHORT_SHARE, _SHORT_MOST)


def raise_oom_score(path: str = _SCORE_FILE) -> int | None:
    """Have the out-of-memory killer take this process before the router's own; the score there is.

    It is only ever raised, and where an operator has protected the process (below 0) it stands.
    None: it is not known.
    """
    try:
        with open(path, encoding="ascii") as file:
            score = int(file.read(16))
        if 0 <= score < OOM_SCORE:
            with open(path, "w", encoding="ascii") as file:
                file.write(f"{OOM_SCORE}\n")
            return OOM_SCORE
    except (OSError, ValueError):  # no /proc in this jail, or one that is read-only
        return None
    return score


def file_limit() -> int:
    """How many files this process may have open, sockets among them."""
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return limit if limit != resource.RLIM_INFINITY else sys.maxsize


def raise_file_limit() -> None:
    """As far as this process may by itself, but not beyond FILES: a low one is for select(2)."""
    import resource

    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if most == resource.RLIM_INFINITY else min(most, FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # a jail may have taken the right
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


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

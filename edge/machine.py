"""What machine this is, as far as it decides how much a node may take, and who goes first.

Under 128 MiB of memory, or on one or two cores, the node is made smaller than its memory limit
alone would have it: smaller windows, buffers and tables.

Source: proc(5): meminfo, oom_score_adj
"""

from __future__ import annotations

import os

from edge.budget import MIB, memory

KIB = 1 << 10
LITTLE = 128 * MIB  # of memory, below which a machine is small
FEW = 2  # cores
OOM_SCORE = 500  # as good as half of the machine's memory on top of ours; dnsmasq has 0
_SCORE_FILE = "/proc/self/oom_score_adj"
_SHORT_SHARE, _SHORT_MOST = 0.05, 16 * MIB  # of memory available: less is an emergency


class Profile:
    """`name` and `why` are for people. Sizes in bytes; `tables`: the part of a table's usual size.

    `max_window`: of a stream; `buffer`: read at once; `socket_buffer`: held by the kernel for a
    connection, each way (0: as it likes).
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


def profile(total: int, cores: int) -> Profile:
    """For a machine with `total` bytes of memory and so many `cores`."""
    if total < LITTLE:
        why = f"{total // MIB} MiB of memory"
        return Profile("little-memory", why, 256 * KIB, 128 * KIB, 64 * KIB, 0.25)
    if cores <= FEW:
        why = "1 core" if cores == 1 else f"{cores} cores"
        return Profile("few-cores", why, 512 * KIB, 128 * KIB, 0, 0.5)
    return Profile("ordinary", "", MIB, 256 * KIB, 0, 1.0)


def this_profile() -> Profile:
    """For the machine, or the cgroup, that this process runs in."""
    return profile(memory(), os.cpu_count() or 1)


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


def go_first(path: str = _SCORE_FILE) -> int | None:
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

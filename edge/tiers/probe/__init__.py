"""The hardware probe: fills a Profile from /proc, /sys, the device tree and psutil.

It needs no privileges, starts no process and never raises: a missing, unreadable or implausible
source leaves its fact unknown. `root` may be a copy of another machine's files; psutil and direct
system calls are then not used.
"""

from __future__ import annotations

from edge.tiers.probe import cpu, disk, gpu, host, memory, network, speed, state
from edge.tiers.probe.proc import Proc
from edge.tiers.probe.tree import Tree
from edge.tiers.profile import Profile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol, TypeVar

    class Source(Protocol):
        """The facts that psutil and /proc have in common."""

        def memory(self) -> tuple[int | None, int | None]: ...
        def swap(self) -> int | None: ...
        def cores(self) -> int | None: ...
        def mhz(self) -> int | None: ...
        def temperature(self) -> float | None: ...
        def battery(self) -> tuple[int | None, bool | None]: ...
        def speeds(self) -> dict[str, int]: ...

    Answer = TypeVar("Answer")

# Exceptions of psutil on unexpected behaviour of a kernel or a driver.
_FAILURES = (OSError, ValueError, RuntimeError, LookupError, TypeError, AttributeError)
_UNKNOWN_MEMORY: tuple[int | None, int | None] = (None, None)
_UNKNOWN_BATTERY: tuple[int | None, bool | None] = (None, None)


def probe(data_dir: str, root: str = "/") -> Profile:
    """The profile of this machine, without its speed. `data_dir` selects the disk."""
    tree = Tree(root)
    sources = _sources(tree)
    profile = Profile()
    cpu.fill(profile, tree)
    host.fill(profile, tree)
    memory.fill(profile, tree)
    gpu.fill(profile, tree)
    disk.fill(profile, tree, data_dir)
    state.fill(profile, tree)
    network.fill(profile, tree, _first(sources, lambda source: source.speeds(), {}))
    profile.memory, profile.memory_available = _first(
        sources, lambda source: source.memory(), _UNKNOWN_MEMORY
    )
    profile.swap = _first(sources, lambda source: source.swap(), None)
    profile.cores = _first(sources, lambda source: source.cores(), None)
    profile.cpu_mhz = _first(sources, lambda source: source.mhz(), None)
    profile.temperature = _first(sources, lambda source: source.temperature(), None)
    profile.charge, profile.charging = _first(
        sources, lambda source: source.battery(), _UNKNOWN_BATTERY
    )
    return profile


def probe_with_speed(data_dir: str) -> Profile:
    """The profile with the speed, which is measured unless it is stored in `data_dir`."""
    profile = probe(data_dir)
    speed.fill(profile, data_dir)
    return profile


def _sources(tree: Tree) -> list[Source]:
    by_hand = Proc(tree)
    if not tree.live:
        return [by_hand]
    try:
        from edge.tiers.probe.ps import Psutil
    except ImportError:  # not installed
        return [by_hand]
    return [Psutil(), by_hand]


def _first(sources: list[Source], ask: Callable[[Source], Answer], unknown: Answer) -> Answer:
    """The first known answer."""
    for source in sources:
        try:
            answer = ask(source)
        except _FAILURES:
            continue  # try the next source
        if answer != unknown:
            return answer
    return unknown

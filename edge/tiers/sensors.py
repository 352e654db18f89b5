"""The load of this machine, read from /proc and /sys at the cost of a few small files.

Each source may be missing, as in a container or an old kernel, or say what cannot be: then it is
None in the readings and holds nothing. `Sensors` remembers what counters stood at, so it tells of
the time since it was last asked.

Source: proc(5); the kernel's Documentation/accounting/psi.rst, ABI/testing/sysfs-class-power and
sysfs-class-thermal
"""

from __future__ import annotations

import os
import time

from edge.tiers.controller import Readings

_MAX_FILE = 8192  # bytes; what is wanted stands at the beginning
_MAX_ENTRIES = 64  # thermal zones and power supplies looked at
_PLENTY = 8 << 30  # bytes of memory beyond which it does not matter what of it is used
_LEAST_WAIT = 0.5  # seconds between two looks that a share can be made of
_SANE = range(-30, 131)  # degrees; sensors that are not there tell others


class Sensors:
    """`memory_limit`: bytes of this process' cgroup, 0 for none. `root`: of /proc and /sys."""

    __slots__ = ("_busy", "_memory_limit", "_own", "_root", "_stalled", "_total", "_when")

    def __init__(self, memory_limit: int = 0, root: str = "") -> None:
        self._root = root
        self._memory_limit = memory_limit
        self._busy = self._total = 0  # clock ticks since boot
        self._own = 0.0
        self._stalled = 0
        self._when = 0.0

    def memory(self, readings: Readings, now: float) -> None:
        """Read memory use, which can become critical within a second."""
        readings.memory_used = self._memory_used()
        stalled = self._memory_stalled()
        elapsed = now - self._when
        if stalled is not None and self._when and elapsed >= _LEAST_WAIT:
            share = (stalled - self._stalled) / 1e6 / elapsed
            readings.memory_stalled = min(max(share, 0.0), 1.0)
        self._when = now
        self._stalled = stalled or 0

    def others(self, readings: Readings) -> None:
        """Read what changes more slowly: processor, heat, battery."""
        readings.cpu = self._cpu_of_others()
        readings.temperature = self._temperature()
        readings.battery, readings.charging = self._battery()

    # --- memory ---

    def _memory_used(self) -> float | None:
        found = {}
        for line in self._read("proc/meminfo").splitlines()[:8]:
            words = line.split()
            if len(words) > 1 and words[1].isdigit():
                found[words[0]] = int(words[1][:15]) << 10
        total, available = found.get("MemTotal:", 0), found.get("MemAvailable:")
        if not total or available is None:
            return None
        used = 1 - min(available / min(total, _PLENTY), 1.0)
        return max(used, self._cgroup_used())

    def _cgroup_used(self) -> float:
        """The cgroup's use of its limit, without files that can be dropped (v2)."""
        if not self._memory_limit:
            return 0.0
        current = self._read("sys/fs/cgroup/memory.current").strip()
        if not current.isdigit():
            return 0.0
        stat = self._read("sys/fs/cgroup/memory.stat").splitlines()
        files = [line.split() for line in stat if line.startswith("inactive_file ")]
        spare = int(files[0][1]) if files and files[0][1:] and files[0][1].isdigit() else 0
        return min(max(int(current) - spare, 0) / self._memory_limit, 1.0)

    def _memory_stalled(self) -> int | None:
        """Microseconds since boot in which no task could go on for want of memory."""
        for line in self._read("proc/pressure/memory").splitlines():
            number = line.rpartition(" total=")[2]
            if line.startswith("full ") and number.isdigit():
                return int(number)
        return None

    # --- processor ---

    def _cpu_of_others(self) -> float | None:
        words = self._read("proc/stat").partition("\n")[0].split()[1:8]
        if len(words) < 7 or not all(word.isdigit() for word in words):
            return None
        user, nice, system, idle, iowait, irq, softirq = map(int, words)
        busy = user + nice + system + irq + softirq
        total = busy + idle + iowait
        own = time.process_time() * os.sysconf("SC_CLK_TCK")
        before = self._busy, self._total, self._own
        self._busy, self._total, self._own = busy, total, own
        elapsed = total - before[1]
        if not before[1] or elapsed <= 0:
            return None
        return min(max((busy - before[0] - (own - before[2])) / elapsed, 0.0), 1.0)

    # --- heat ---

    def _temperature(self) -> float | None:
        found = []
        for zone in self._entries("sys/class/thermal"):
            text = self._read(f"{zone}/temp").strip() if "thermal_zone" in zone else ""
            if text.lstrip("-").isdigit() and len(text) < 8:
                degrees = int(text) / 1000
                if int(degrees) in _SANE:
                    found.append(degrees)
        return max(found, default=None)

    # --- power ---

    def _battery(self) -> tuple[float | None, bool | None]:
        """The least charged battery that feeds this machine, and whether anything charges it."""
        charges = []
        charging = False
        for supply in self._entries("sys/class/power_supply"):
            kind = self._read(f"{supply}/type").strip()
            if kind in ("Battery", "UPS"):
                charge = self._charge(supply)
                if charge is not None:
                    charges.append(charge)
                    charging |= self._read(f"{supply}/status").strip() in ("Charging", "Full")
            elif self._read(f"{supply}/online").strip() == "1":
                charging = True
        return (min(charges), charging) if charges else (None, None)

    def _charge(self, supply: str) -> float | None:
        if self._read(f"{supply}/scope").strip() == "Device":
            return None  # a mouse's
        if self._read(f"{supply}/present").strip() == "0":
            return None
        text = self._read(f"{supply}/capacity").strip()
        return int(text) / 100 if text.isdigit() and 0 <= int(text[:4]) <= 100 else None

    # --- files ---

    def _entries(self, directory: str) -> list[str]:
        try:
            names = sorted(os.listdir(f"{self._root}/{directory}"))[:_MAX_ENTRIES]
        except OSError:
            return []
        return [f"{directory}/{name}" for name in names]

    def _read(self, path: str) -> str:
        try:
            with open(f"{self._root}/{path}", "rb") as file:
                return file.read(_MAX_FILE).decode("ascii", "replace")
        except OSError:
            return ""

"""The facts of proc.py by psutil, if it is installed: it supports more kernels and their quirks.

psutil reads the running machine only. Its answers are bounded as those of proc.py.
"""

from __future__ import annotations

import psutil

from edge.tiers.probe.proc import (
    CORES_MOST,
    MEMORY_LEAST,
    MEMORY_MOST,
    MHZ_LEAST,
    MHZ_MOST,
    SPEED_MOST,
    hottest,
)


class Psutil:
    """The methods of proc.Proc."""

    def memory(self) -> tuple[int | None, int | None]:
        found = psutil.virtual_memory()
        total = within(found.total, MEMORY_LEAST, MEMORY_MOST)
        return total, within(found.available, 0, total or MEMORY_MOST)

    def swap(self) -> int | None:
        return within(psutil.swap_memory().total, 0, MEMORY_MOST)

    def cores(self) -> int | None:
        return within(psutil.cpu_count() or 0, 1, CORES_MOST)

    def mhz(self) -> int | None:
        found = psutil.cpu_freq(percpu=True) or []
        known = [within(int(each.max), MHZ_LEAST, MHZ_MOST) for each in found]
        return max([mhz for mhz in known if mhz], default=None)

    def temperature(self) -> float | None:
        zones = psutil.sensors_temperatures()
        return hottest([each.current for zone in zones.values() for each in zone if each.current])

    def battery(self) -> tuple[int | None, bool | None]:
        found = psutil.sensors_battery()
        if found is None:
            return None, None
        return within(round(found.percent), 0, 100), found.power_plugged

    def speeds(self) -> dict[str, int]:
        found = psutil.net_if_stats()
        return {
            name: link.speed
            for name, link in found.items()
            if link.isup and within(link.speed, 1, SPEED_MOST)
        }


def within(value: int, low: int, high: int) -> int | None:
    return value if low <= value <= high else None

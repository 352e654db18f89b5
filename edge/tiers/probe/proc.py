"""Facts from /proc and /sys, for machines without psutil.

Sources: proc(5), Documentation/ABI/testing/sysfs-{class-net,class-power,devices-system-cpu,
class-thermal} of the Linux kernel. ps.py has the same methods.
"""

from __future__ import annotations

from edge.tiers.probe.tree import fields, number
from edge.units import KIB, TIB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.tiers.probe.tree import Tree

MEMORY_LEAST, MEMORY_MOST = 4 << 20, 64 * TIB  # plausible bytes of a machine's memory
CORES_MOST = 4096
MHZ_LEAST, MHZ_MOST = 20, 20000
SPEED_MOST = 1_600_000  # Mbit/s of a link; -1, 0 and 2**32 - 1 mean unknown
HOT = (-40.0, 130.0)  # plausible degrees Celsius of a sensor


class Proc:
    """Facts in a Tree. Methods return None for unknown facts."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def memory(self) -> tuple[int | None, int | None]:
        """Total bytes, and bytes available without swapping."""
        found = fields(self._tree.text("proc/meminfo"), ":")
        total = _kib(found.get("MemTotal", ""))
        return total, _kib(found.get("MemAvailable", ""), total)

    def swap(self) -> int | None:
        """Total bytes."""
        found = fields(self._tree.text("proc/meminfo"), ":").get("SwapTotal", "")
        if found.removesuffix("kB").strip() == "0":
            return 0
        return _kib(found)

    def cores(self) -> int | None:
        """The online cores, including hyperthreads."""
        count = _listed(self._tree.text("sys/devices/system/cpu/online"))
        if count is None:
            lines = self._tree.text("proc/cpuinfo").splitlines()
            count = sum([line.startswith("processor") for line in lines])
        return count if 1 <= count <= CORES_MOST else None

    def mhz(self) -> int | None:
        """The maximum clock rate of the fastest core."""
        tree, base = self._tree, "sys/devices/system/cpu/cpufreq"
        found = [
            tree.number(f"{base}/{name}/cpuinfo_max_freq", MHZ_LEAST * 1000, MHZ_MOST * 1000)
            for name in tree.names(base)
        ]
        return max([khz // 1000 for khz in found if khz], default=None)

    def temperature(self) -> float | None:
        """The temperature of the hottest zone, in degrees Celsius."""
        tree, base = self._tree, "sys/class/thermal"
        found = [
            tree.number(f"{base}/{name}/temp", -(10**6), 10**6)
            for name in tree.names(base)
            if name.startswith("thermal_zone")
        ]
        return hottest([value / 1000 for value in found if value])

    def battery(self) -> tuple[int | None, bool | None]:
        """The charge in percent of the first battery or UPS, and whether it charges or is full."""
        tree, base = self._tree, "sys/class/power_supply"
        for name in tree.names(base):
            if tree.text(f"{base}/{name}/type") in ("Battery", "UPS"):
                if tree.text(f"{base}/{name}/scope") == "Device":
                    continue  # the battery of a mouse or a headset
                status = tree.text(f"{base}/{name}/status")
                known = {"Charging": True, "Full": True, "Discharging": False}
                return tree.number(f"{base}/{name}/capacity", 0, 100), known.get(status)
        return None, None

    def speeds(self) -> dict[str, int]:
        """Mbit/s of each link that is up and reports its speed."""
        tree, base = self._tree, "sys/class/net"
        found = {
            name: tree.number(f"{base}/{name}/speed", 1, SPEED_MOST)
            for name in tree.names(base)
            if tree.text(f"{base}/{name}/operstate") in ("up", "unknown")
        }
        return {name: speed for name, speed in found.items() if speed}


def hottest(found: list[float]) -> float | None:
    """The highest plausible temperature."""
    return max([value for value in found if HOT[0] < value < HOT[1]], default=None)


def _kib(text: str, most: int | None = MEMORY_MOST) -> int | None:
    low = MEMORY_LEAST if most == MEMORY_MOST else 0
    value = number(text.removesuffix("kB").strip(), low // KIB, (most or MEMORY_MOST) // KIB)
    return None if value is None else value * KIB


def _listed(text: str) -> int | None:
    """The number of items in a list such as 0-3,5; None if it is malformed."""
    count = 0
    for part in text.split(","):
        first, dash, last = part.partition("-")
        low = number(first, 0, CORES_MOST)
        high = number(last, 0, CORES_MOST) if dash else low
        if low is None or high is None or high < low:
            return None
        count += high - low + 1
    return count

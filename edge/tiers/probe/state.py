"""The current state of the machine: throttled by heat or a weak supply, or on battery.

Sources: Documentation/driver-api/thermal/sysfs-api.rst of the Linux kernel;
drivers/firmware/raspberrypi.c (get_throttled, whose low four bits are the current state).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.tiers.probe.tree import Tree
    from edge.tiers.profile import Profile

_PI = "sys/devices/platform/soc/soc:firmware/get_throttled"
_MAX_STATE = 1000


def fill(profile: Profile, tree: Tree) -> None:
    profile.throttled = _throttled(tree)
    profile.power = _power(tree)


def _throttled(tree: Tree) -> bool | None:
    pi = tree.text(_PI)
    if pi:
        try:
            return bool(int(pi, 16) & 0xF)
        except ValueError:
            return None
    base = "sys/class/thermal"
    states = [
        tree.number(f"{base}/{name}/cur_state", 0, _MAX_STATE)
        for name in tree.names(base)
        if name.startswith("cooling_device") and _slows(tree.text(f"{base}/{name}/type"))
    ]
    known = [state for state in states if state is not None]
    return any(known) if known else None


def _slows(kind: str) -> bool:
    """Whether a cooling device throttles the processor, and is not a fan."""
    return kind == "Processor" or "cpufreq" in kind or kind.startswith("cpu-")


def _power(tree: Tree) -> str | None:
    base = "sys/class/power_supply"
    names = tree.names(base)
    mains = [
        tree.number(f"{base}/{name}/online", 0, 1)
        for name in names
        if tree.text(f"{base}/{name}/type") in ("Mains", "USB", "Wireless")
    ]
    if 1 in mains:
        return "mains"
    batteries = [name for name in names if tree.text(f"{base}/{name}/type") in ("Battery", "UPS")]
    if 0 in mains and batteries:
        return "battery"
    return None if batteries or not tree.has("sys/class") else "mains"

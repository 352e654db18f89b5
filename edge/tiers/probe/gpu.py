"""The GPU, by device tree, /proc and sysfs, without loading or opening anything that could block.

The memory of a CUDA card is therefore unknown: NVIDIA's driver reports it to its own library only,
which takes up to seconds to answer while the card is idle.
"""

from __future__ import annotations

from edge.tiers.probe.proc import MEMORY_LEAST, MEMORY_MOST
from edge.tiers.probe.tree import fields
from edge.tiers.profile import CUDA, JETSON, MALI, NO_GPU, OTHER_GPU

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.tiers.probe.tree import Tree
    from edge.tiers.profile import Profile

_TEGRA = (
    "nvidia,tegra210",
    "nvidia,tegra186",
    "nvidia,tegra194",
    "nvidia,tegra234",
    "nvidia,tegra264",
)
_MALI_DRIVERS = ("mali", "panfrost", "panthor", "lima")
_VENDORS = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}


def fill(profile: Profile, tree: Tree) -> None:
    """Fill in the GPU; requires the device tree in `profile`."""
    if not (tree.has("sys/class") or tree.has("proc/version")):
        return
    for look in (_jetson, _cuda, _mali, _drm):
        found = look(profile, tree)
        if found is not None:
            profile.gpu, profile.gpu_name = found
            return
    profile.gpu = NO_GPU


def _jetson(profile: Profile, tree: Tree) -> tuple[str, str] | None:
    """The integrated GPU of a Tegra, which shares the machine's memory."""
    chips = [chip for chip in profile.compatible or () if chip in _TEGRA]
    if not chips:
        return None
    driver = tree.has("dev/nvhost-gpu") or tree.has("dev/nvgpu") or tree.has("proc/driver/nvidia")
    chip = chips[0].removeprefix("nvidia,")
    return (JETSON, chip) if driver else (OTHER_GPU, f"{chip} without NVIDIA's driver")


def _cuda(profile: Profile, tree: Tree) -> tuple[str, str] | None:
    base = "proc/driver/nvidia/gpus"
    for name in tree.names(base):
        info = fields(tree.text(f"{base}/{name}/information"), ":")
        return CUDA, info.get("Model", "NVIDIA")
    return None


def _mali(profile: Profile, tree: Tree) -> tuple[str, str] | None:
    for driver in _MALI_DRIVERS:
        devices = [
            name
            for name in tree.names(f"sys/bus/platform/drivers/{driver}")
            if name.endswith((".gpu", ".mali")) or ".gpu" in name
        ]
        if devices:
            return MALI, driver
    return None


def _drm(profile: Profile, tree: Tree) -> tuple[str, str] | None:
    """A display adapter; it counts as a GPU, but not as a usable one."""
    base = "sys/class/drm"
    for name in tree.names(base):
        if name.startswith("card") and name[4:].isdecimal():
            vendor = tree.text(f"{base}/{name}/device/vendor")
            if vendor in _VENDORS:
                profile.gpu_memory = tree.number(
                    f"{base}/{name}/device/mem_info_vram_total", MEMORY_LEAST, MEMORY_MOST
                )
                return OTHER_GPU, _VENDORS[vendor]
    return None

"""The facts about a machine, as far as they are known: made by the probe, read by the rules.

None is "unknown", never "none": a machine without a GPU has `gpu` "none". Bytes, MHz, Mbit/s,
degrees Celsius, percent.
"""

from __future__ import annotations

# What `gpu` may be.
NO_GPU, CUDA, JETSON, MALI, OTHER_GPU = "none", "cuda", "jetson", "mali", "other"
# What `disk` may be: "flash" is NAND or NOR without a controller, "ram" is lost at a restart.
NVME, SSD, HDD, EMMC, SD, USB, FLASH, RAM, NETWORK, VIRTUAL = (
    *("nvme", "ssd", "hdd", "emmc", "sd", "usb", "flash", "ram", "network", "virtual"),
)
OPENWRT = "openwrt"  # a `system`
NO_CONTAINER = "none"


class Profile:
    """Each field is None where nobody could say."""

    __slots__ = (
        "charge",
        "charging",
        "compatible",
        "container",
        "copy_speed",
        "cores",
        "cpu",
        "cpu_limit",
        "cpu_mhz",
        "disk",
        "disk_free",
        "disk_size",
        "disk_wear",
        "fpu",
        "gpu",
        "gpu_memory",
        "gpu_name",
        "lan_speed",
        "machine",
        "memory",
        "memory_available",
        "memory_limit",
        "model",
        "power",
        "swap",
        "system",
        "temperature",
        "throttled",
        "vector",
        "wan",
        "wan_speed",
        "zram",
    )

    def __init__(self) -> None:
        self.model: str | None = None  # of the board or the box, as its maker names it
        self.compatible: tuple[str, ...] | None = None  # of the device tree
        self.machine: str | None = None  # as `uname -m` says it
        self.system: str | None = (
            None  # "openwrt", "balena", "synology", "qnap", or os-release's ID
        )
        self.container: str | None = None  # "docker", "podman", "lxc", ...

        self.memory: int | None = None
        self.memory_available: int | None = None
        self.memory_limit: int | None = None  # the cgroup's
        self.swap: int | None = None
        self.zram: int | None = None  # the part of `swap` that is compressed memory

        self.cpu: str | None = None
        self.cores: int | None = None
        self.cpu_limit: float | None = None  # cores' worth of time that the cgroup leaves us
        self.cpu_mhz: int | None = None
        self.fpu: bool | None = None
        self.vector: tuple[str, ...] | None = None  # "neon", "avx2", ...
        self.copy_speed: int | None = None  # bytes a second one core copies in memory, measured

        self.gpu: str | None = None
        self.gpu_name: str | None = None
        self.gpu_memory: int | None = None  # its own, where it does not share the machine's

        self.disk: str | None = None  # under the data directory
        self.disk_size: int | None = None
        self.disk_free: int | None = None
        self.disk_wear: int | None = None  # of the writes the chip is made for

        self.temperature: float | None = None  # of the hottest zone
        self.throttled: bool | None = None

        self.power: str | None = None  # "mains" or "battery": where it comes from now
        self.charge: int | None = None  # of the battery or UPS
        self.charging: bool | None = None

        self.wan: str | None = None  # the interface of the default route
        self.wan_speed: int | None = None
        self.lan_speed: int | None = None  # of the fastest other link

    def as_dict(self) -> dict[str, object]:
        """The known facts, for JSON."""
        found = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in found.items() if value is not None}

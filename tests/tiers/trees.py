"""Pieces of real machines' /proc, /sys and /etc, to be planted under a temporary root."""

import os
from pathlib import Path


def plant(root: Path, files: dict[str, str | bytes], links: dict[str, str] | None = None) -> str:
    """Write `files` and symbolic `links` beneath `root`; returns it as the probe takes it."""
    for path, content in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
    for path, content in (links or {}).items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        os.symlink(content, target)
    return str(root)


# A Netgear R6700 v2; the lines of the processor are from a public dump of one.
ROUTER = {
    "proc/version": "Linux version 5.15.137",
    "proc/sys/kernel/arch": "mips\n",
    "proc/cpuinfo": (
        "system type\t\t: MediaTek MT7621 ver:1 eco:3\n"
        "machine\t\t\t: Netgear R6700 v2\n"
        "processor\t\t: 0\n"
        "cpu model\t\t: MIPS 1004Kc V2.15\n"
        "ASEs implemented\t: mips16 dsp mt\n"
        "Options implemented\t: tlb 4kex 4k_cache prefetch mcheck ejtag llsc userlocal vint perf\n"
    ),
    "proc/meminfo": "MemTotal:         252000 kB\nMemFree: 1 kB\nMemAvailable:     180000 kB\n"
    "SwapTotal:        126972 kB\n",
    "sys/devices/system/cpu/online": "0-3\n",
    "sys/block/zram0/disksize": "130019328\n",
    "etc/openwrt_release": "DISTRIB_ID='OpenWrt'\n",
    "etc/os-release": 'NAME="OpenWrt"\nID="openwrt"\n',
    "proc/device-tree/model": b"Netgear R6700 v2\0",
    "proc/device-tree/compatible": b"netgear,r6700-v2\0mediatek,mt7621-soc\0",
    "proc/self/cgroup": "",
    "proc/self/mountinfo": (
        "15 1 0:13 / /rom ro - squashfs /dev/root ro\n"
        "20 15 31:7 / /overlay rw - jffs2 /dev/mtdblock7 rw\n"
        "21 15 0:18 / / rw - overlay overlayfs:/overlay rw,lowerdir=/,upperdir=/overlay/upper\n"
        "22 21 0:15 / /tmp rw - tmpfs tmpfs rw\n"
    ),
    "proc/net/route": (
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\n"
        "wan\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\n"
        "br-lan\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\n"
    ),
    "sys/class/net/wan/operstate": "up",
    "sys/class/net/wan/speed": "1000",
    "sys/class/net/lan1/operstate": "up",
    "sys/class/net/lan1/speed": "1000",
    "sys/class/net/lan2/operstate": "down",
    "sys/class/net/lan2/speed": "-1",
}

PI = {
    "proc/version": "Linux version 6.6",
    "proc/sys/kernel/arch": "aarch64\n",
    "proc/cpuinfo": "processor\t: 0\nFeatures\t: fp asimd evtstrm aes pmull sha1 sha2 crc32\n"
    "CPU part\t: 0xd0b\n\nRevision\t: b04171\nModel\t\t: Raspberry Pi 5 Model B Rev 1.1\n",
    "proc/meminfo": "MemTotal: 16608000 kB\nMemAvailable: 16000000 kB\nSwapTotal: 524272 kB\n",
    "proc/device-tree/model": b"Raspberry Pi 5 Model B Rev 1.1\0",
    "proc/device-tree/compatible": b"raspberrypi,5-model-b\0brcm,bcm2712\0",
    "sys/devices/system/cpu/online": "0-3",
    "sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq": "2400000",
    "sys/class/thermal/thermal_zone0/temp": "57650",
    "sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
    "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n',
    "proc/self/cgroup": "0::/system.slice/kwaainet.service\n",
    "proc/self/mountinfo": "27 1 179:2 / / rw - ext4 /dev/mmcblk0p2 rw\n",
    "sys/devices/mmc0/block/mmcblk0/device/type": "SD\n",
    "sys/devices/mmc0/block/mmcblk0/mmcblk0p2/partition": "2\n",
}
PI_LINKS = {
    "sys/class/block/mmcblk0": "../../devices/mmc0/block/mmcblk0",
    "sys/class/block/mmcblk0p2": "../../devices/mmc0/block/mmcblk0/mmcblk0p2",
}

JETSON = {
    "proc/version": "Linux version 4.9-tegra",
    "proc/cpuinfo": "processor : 0\nmodel name\t: ARMv8 Processor rev 1 (v8l)\n"
    "Features : fp asimd evtstrm aes pmull sha1 sha2 crc32\n",
    "proc/meminfo": "MemTotal: 4059264 kB\nMemAvailable: 3500000 kB\nSwapTotal: 2029632 kB\n",
    "proc/device-tree/model": b"NVIDIA Jetson Nano Developer Kit\0",
    "proc/device-tree/compatible": b"nvidia,p3449-0000-b00+p3448-0000-b00\0nvidia,jetson-nano\0"
    b"nvidia,tegra210\0",
    "dev/nvhost-gpu": "",
    "sys/class/.keep": "",
    "proc/self/mountinfo": "27 1 179:1 / / rw - ext4 /dev/mmcblk0p1 rw\n",
    "sys/devices/mmc0/block/mmcblk0/device/type": "MMC\n",
    "sys/devices/mmc0/block/mmcblk0/device/life_time": "0x02 0x09\n",
    "sys/devices/mmc0/block/mmcblk0/mmcblk0p1/partition": "1\n",
}
JETSON_LINKS = {
    "sys/class/block/mmcblk0": "../../devices/mmc0/block/mmcblk0",
    "sys/class/block/mmcblk0p1": "../../devices/mmc0/block/mmcblk0/mmcblk0p1",
}

# LVM on RAID on two disks, as DSM makes it.
NAS = {
    "proc/version": "Linux version 4.4.302+",
    "proc/cpuinfo": "processor\t: 0\nmodel name\t: Intel(R) Celeron(R) J4125 CPU @ 2.00GHz\n"
    "flags\t\t: fpu vme sse sse2 ssse3 sse4_1 sse4_2\n\nprocessor\t: 1\n\nprocessor\t: 2\n\n"
    "processor\t: 3\n",
    "proc/meminfo": "MemTotal:        3904000 kB\nMemAvailable:    3000000 kB\n",
    "proc/sys/kernel/syno_hw_version": "DS920+\n",
    "etc/synoinfo.conf": 'unique="synology_geminilake_920+"\n',
    "sys/class/dmi/id/sys_vendor": "Synology Inc.\n",
    "sys/class/dmi/id/product_name": "To be filled by O.E.M.\n",
    "proc/self/mountinfo": "30 1 0:33 /@syno /volume1 rw - btrfs /dev/mapper/cachedev_0 rw\n"
    "27 1 9:0 / / rw - ext4 /dev/md0 rw\n",
    "sys/devices/virtual/block/dm-1/slaves/md2/.keep": "",
    "sys/devices/virtual/block/md2/slaves/sda5/.keep": "",
    "sys/devices/ata1/block/sda/queue/rotational": "1\n",
    "sys/devices/ata1/block/sda/removable": "0\n",
    "sys/devices/ata1/block/sda/sda5/partition": "5\n",
    "sys/class/power_supply/ups0/type": "UPS\n",
    "sys/class/power_supply/ups0/capacity": "87\n",
    "sys/class/power_supply/ups0/status": "Discharging\n",
    "sys/class/power_supply/AC/type": "Mains\n",
    "sys/class/power_supply/AC/online": "0\n",
}
NAS_LINKS = {
    "dev/mapper/cachedev_0": "../dm-1",
    "sys/class/block/dm-1": "../../devices/virtual/block/dm-1",
    "sys/class/block/md2": "../../devices/virtual/block/md2",
    "sys/class/block/sda": "../../devices/ata1/block/sda",
    "sys/class/block/sda5": "../../devices/ata1/block/sda/sda5",
}

CONTAINER = {
    ".dockerenv": "",
    "proc/version": "Linux version 6.1",
    "proc/cpuinfo": "processor : 0\nmodel name : AMD EPYC\nflags : fpu sse4_2 avx avx2 avx512f\n",
    "proc/meminfo": "MemTotal:       32768000 kB\nMemAvailable:   30000000 kB\nSwapTotal: 0 kB\n",
    "sys/devices/system/cpu/online": "0-7,9,11-12",
    "sys/class/.keep": "",
    "proc/self/cgroup": "0::/\n",
    "sys/fs/cgroup/memory.max": "536870912\n",
    "sys/fs/cgroup/cpu.max": "150000 100000\n",
    "etc/os-release": "ID=debian\n",
    "proc/self/mountinfo": (
        "700 600 0:55 / / rw - overlay overlay rw,upperdir=/var/lib/docker/overlay2/x/diff\n"
        "701 700 259:2 /volumes/data /data rw - ext4 /dev/nvme0n1p2 rw\n"
    ),
    "sys/devices/pci/nvme/nvme0/nvme0n1/nvme0n1p2/partition": "2\n",
    "sys/devices/pci/nvme/nvme0/nvme0n1/queue/rotational": "0\n",
}
CONTAINER_LINKS = {
    "sys/dev/block/259:2": "../../devices/pci/nvme/nvme0/nvme0n1/nvme0n1p2",
    "sys/class/block/nvme0n1": "../../devices/pci/nvme/nvme0/nvme0n1",
    "sys/class/block/nvme0n1p2": "../../devices/pci/nvme/nvme0/nvme0n1/nvme0n1p2",
}

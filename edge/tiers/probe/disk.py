"""The disk of the data directory: its kind, space and wear.

Sources: proc(5) (mountinfo); Documentation/ABI/stable/sysfs-block and testing/sysfs-class-ubi of
the Linux kernel; JEDEC JESD84-B51, 7.4.30 (the life time estimate of eMMC, in tenths).
"""

from __future__ import annotations

import os
import re

from edge.tiers import profile as kinds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.tiers.probe.tree import Tree
    from edge.tiers.profile import Profile

_BY_FILESYSTEM = {
    **dict.fromkeys(("tmpfs", "ramfs"), kinds.RAM),
    **dict.fromkeys(("ubifs", "jffs2", "yaffs2"), kinds.FLASH),
    **dict.fromkeys(("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph"), kinds.NETWORK),
}
_OCTAL = re.compile(r"\\([0-7]{3})")
_DEEPEST = 4  # levels of stacked devices: LVM on LUKS on RAID on a disk


class Mount:
    """A line of mountinfo: mount point, device, type and options."""

    __slots__ = ("device", "number", "options", "point", "type")

    def __init__(self, words: list[str], rest: list[str]) -> None:
        self.number = words[2]
        self.point = _OCTAL.sub(lambda found: chr(int(found[1], 8)), words[4])
        self.type, self.device = rest[0], rest[1]
        self.options = rest[2] if len(rest) > 2 else ""


def fill(profile: Profile, tree: Tree, data_dir: str) -> None:
    mounts = list(_mounts(tree))
    directory = os.path.realpath(data_dir) if tree.live else os.path.normpath(data_dir)
    mount = _over(mounts, directory)
    if mount is not None and mount.type == "overlay":
        mount = _beneath(mounts, mount)
    if mount is not None:
        profile.disk = _BY_FILESYSTEM.get(mount.type) or _kind(profile, tree, _block(tree, mount))
    if tree.live:
        _space(profile, directory)


def _mounts(tree: Tree) -> Iterator[Mount]:
    for line in tree.text("proc/self/mountinfo").splitlines():
        before, dash, after = line.partition(" - ")
        words, rest = before.split(), after.split()
        if dash and len(words) >= 5 and len(rest) >= 2:
            yield Mount(words, rest)


def _over(mounts: list[Mount], directory: str) -> Mount | None:
    """The mount that contains `directory`; the last one at a mount point hides the others."""
    found = None
    for mount in mounts:
        inside = f"{directory}/".startswith(mount.point.rstrip("/") + "/")
        if inside and (found is None or len(mount.point) >= len(found.point)):
            found = mount
    return found


def _beneath(mounts: list[Mount], overlay: Mount) -> Mount | None:
    """The mount of an overlay's upper directory; None if it is outside, as in a container."""
    upper = re.search(r"(?:^|,)upperdir=([^,]+)", overlay.options)
    mount = _over(mounts, upper[1]) if upper else None
    return None if mount is None or mount.type == "overlay" else mount


def _block(tree: Tree, mount: Mount) -> str:
    """The name under /sys/class/block, "" if there is none."""
    if mount.device.startswith("/dev/"):
        for name in (mount.device.rpartition("/")[2], _last(tree.target(mount.device[1:]))):
            if name and tree.has(f"sys/class/block/{name}"):
                return name
    return _last(tree.target(f"sys/dev/block/{mount.number}"))


def _kind(profile: Profile, tree: Tree, name: str) -> str | None:
    where = ""
    for _ in range(_DEEPEST):
        where = tree.target(f"sys/class/block/{name}")
        beneath = tree.names(f"sys/class/block/{name}/slaves")
        if not beneath:
            break
        name = beneath[0]
    if name.startswith("mtd"):
        return kinds.FLASH
    if name.startswith(("zram", "ram")):
        return kinds.RAM
    if name.startswith(("vd", "xvd")):
        return kinds.VIRTUAL  # only the host knows the real kind; "rotational" is a guess
    disk = _disk(tree, name)
    base = f"sys/class/block/{disk}"
    if disk.startswith("nvme"):
        return kinds.NVME
    if disk.startswith("mmcblk"):
        profile.disk_wear = _wear(tree.text(f"{base}/device/life_time"))
        return {"SD": kinds.SD, "MMC": kinds.EMMC}.get(tree.text(f"{base}/device/type"))
    rotational = tree.number(f"{base}/queue/rotational", 0, 1)
    if "/usb" in where and tree.number(f"{base}/removable", 0, 1) == 1:
        return kinds.USB
    return {0: kinds.SSD, 1: kinds.HDD, None: None}[rotational]


def _disk(tree: Tree, name: str) -> str:
    """The disk of the partition `name`, or `name` itself."""
    if not tree.has(f"sys/class/block/{name}/partition"):
        return name
    parent = tree.target(f"sys/class/block/{name}").rpartition("/")[0]
    return _last(parent) or name


def _wear(text: str) -> int | None:
    """The used life time of an eMMC in percent, the worse of its two kinds of cells."""
    tenths = [int(word, 16) for word in text.split() if re.fullmatch(r"0x0[0-9a-bA-B]", word)]
    worst = max(tenths, default=0)
    return min(worst * 10, 100) if worst else None


def _space(profile: Profile, directory: str) -> None:
    """Read the space at the nearest existing directory; the data directory may not exist yet."""
    while not os.path.isdir(directory) and directory not in ("", "/"):
        directory = os.path.dirname(directory)
    try:
        found = os.statvfs(directory or "/")
    except OSError:
        return
    if 0 < found.f_bavail <= found.f_blocks:
        profile.disk_size = found.f_blocks * found.f_frsize
        profile.disk_free = found.f_bavail * found.f_frsize


def _last(path: str) -> str:
    return path.rpartition("/")[2]

"""Disks of the emulated router, by file system: what makes one, and what mounts it at /mnt/disk.

Flash is emulated by block2mtd, which makes an MTD of a disk, so that it outlasts a power failure.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from qemu_tests import ubi
from qemu_tests.malta import Malta

AT = "/mnt/disk"
_MTD = f"block2mtd block2mtd=/dev/vda,{ubi.ERASE_BLOCK}"


@dataclass(frozen=True)
class FileSystem:
    """`modules`: for insmod, in order, with parameters. `make` fills a file of so many bytes.

    `settle`: a command for what fsync is elsewhere. That of jffs2 leaves all to the flash, and here
    block2mtd has put it into memory: a flash that forgets what it was given in the last seconds.
    """

    name: str
    modules: tuple[str, ...]
    make: Callable[[Path, int], object]
    source: str = "/dev/vda"
    options: str = "noatime"
    first: str = "true"  # a command before it is mounted for the first time
    settle: str = "true"

    async def mount(self, router: Malta, new: bool = False) -> None:
        for module in self.modules:
            name, _, parameters = module.partition(" ")
            await router.run(f"insmod /modules/{name}.ko {parameters}")
        if new:
            await router.run(self.first)
        await router.run(f"mkdir -p {AT}")
        await self.mount_again(router)

    async def mount_again(self, router: Malta) -> None:
        """After umount."""
        await router.run(f"mount -t {self.name} -o {self.options} {self.source} {AT}")

    @property
    def names(self) -> list[str]:
        """Of the modules."""
        return [module.partition(" ")[0] for module in self.modules]


def _sparse(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)


def _ext4(path: Path, size: int) -> None:
    _sparse(path, size)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", path], check=True, capture_output=True)


def _erased(path: Path, size: int) -> None:
    path.write_bytes(b"\xff" * size)


def _ubi(path: Path, size: int) -> None:
    path.write_bytes(ubi.flash(size // ubi.ERASE_BLOCK))


# As block-mount mounts a stick of which /etc/config/fstab tells the user of the node.
VFAT = FileSystem(
    "vfat",
    ("virtio_blk", "fat", "vfat", "nls_cp437", "nls_ascii"),
    _sparse,
    options="noatime,uid=4001,gid=4001",
    first="mkdosfs /dev/vda",
)
EXT4 = FileSystem(
    "ext4", ("virtio_blk", "crc32c_generic", "crc16", "mbcache", "jbd2", "ext4"), _ext4
)
JFFS2 = FileSystem("jffs2", ("virtio_blk", _MTD, "jffs2"), _erased, source="mtd0", settle="sync")
UBIFS = FileSystem(
    "ubifs",
    ("virtio_blk", _MTD, "ubi mtd=0", "crc16", "zstd_compress", "zstd", "deflate", "ubifs"),
    _ubi,
    source="ubi0:cache",
)

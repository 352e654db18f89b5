"""A Debian trixie of our own: mmdebstrap's root, Debian's kernel, systemd as process 1, in qemu.

The root is made once, and never written to: each machine forgets what it did. Every instruction is
emulated: a /dev/kvm that is there need not work, and in a virtual machine it may not. A container
would need the cgroups of the machine that runs the tests.
"""

from __future__ import annotations

import asyncio
import re
import shlex
from pathlib import Path
from typing import Self

from cross.sources import is_security, mirrors
from qemu_tests.console import Console, GuestError, drive
from tests.counterparts import cache
from tests.counterparts.base import free_port, until

SUITE = "trixie"
BOOT_SECONDS = 300.0  # 20 on an idle machine
PATIENCE = 180.0  # seconds for what takes a few
_GUEST = Path(__file__).parent / "guest"
_PACKAGES = (
    "ca-certificates",
    "initramfs-tools",
    "linux-image-cloud-amd64",
    "systemd-sysv",
    "zstd",
)
_FILES = {
    "console.service": "etc/systemd/system/console.service",
    "wired.network": "etc/systemd/network/wired.network",
}
_DISK = "3G"  # sparse
_FORGOTTEN = "snapshot=on"  # what is written to a disk
_MACHINE = (
    "-machine q35,accel=tcg -cpu max -smp 2 -m 512M -display none -monitor none -no-reboot"
    " -serial stdio"
)
_KERNEL_LINE = "root=/dev/vda rw console=ttyS1 quiet panic=-1"


def base() -> Path:
    """The directory of kernel, initial root and disk."""
    parts = [*_PACKAGES, _DISK, *[(_GUEST / name).read_text() for name in _FILES]]
    return cache.install(f"debian-{SUITE}", "\n".join(parts).encode(), _make)


def _sources() -> list[str]:
    """Lines for apt, of the mirrors that this machine has."""
    return [
        f"deb {mirror} {SUITE}{'-security' if is_security(mirror) else ''} main"
        for mirror in mirrors()
    ]


def _make(target: Path) -> None:
    with cache.scratch() as name:
        root = Path(name) / "root"
        copies = [
            f"--customize-hook=copy-in {_GUEST / file} /{Path(path).parent}"
            for file, path in _FILES.items()
        ]
        enable = "systemctl enable console.service systemd-networkd.service"
        command = ["mmdebstrap", "--mode=root", "--variant=minbase", f"--include={_include()}"]
        command += [*copies, f"--customize-hook=chroot $1 {enable}", SUITE, str(root), *_sources()]
        cache.run(*command)
        for file in ("vmlinuz", "initrd.img"):
            (target / file).write_bytes((root / file).read_bytes())
        image(root, target / "disk", _DISK)


def _include() -> str:
    return ",".join(_PACKAGES)


def image(directory: Path, path: Path, size: str) -> None:
    """An ext4 of what is in `directory`, made without mounting anything."""
    cache.run("mke2fs", "-q", "-t", "ext4", "-d", directory, path, size)


class Machine(Console):
    """`async with Machine(directory, files) as machine`. Left, it has lost its power.

    `files`: what lies in its /mnt. Its port 4001 is `port` of the loopback, and it reaches nobody.
    """

    done = re.compile(rb"^@@(\d+)\r?$", re.MULTILINE)

    def __init__(self, directory: Path, files: Path) -> None:
        self._console = directory / "console.log"
        self._disk = directory / "files.img"
        image(files, self._disk, "64M")
        self.port = free_port()

    async def __aenter__(self) -> Self:
        network = f"user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:4001"
        command: list[str | Path] = [
            "qemu-system-x86_64",
            *_MACHINE.split(),
            *("-serial", f"file:{self._console}"),
            *("-kernel", base() / "vmlinuz", "-initrd", base() / "initrd.img"),
            *("-append", _KERNEL_LINE),
            *drive(base() / "disk", _FORGOTTEN),
            *drive(self._disk, _FORGOTTEN),
            *("-netdev", network, "-device", "virtio-net-pci,netdev=n0,romfile="),
        ]
        await self.boot(command, b"machine ready", BOOT_SECONDS)
        try:
            await self.run("mount -o ro /dev/vdb /mnt")
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def run(self, *words: str) -> str:
        """What a command prints, one word of shell or several; raises GuestError if it fails."""
        command = words[0] if len(words) == 1 else shlex.join(words)
        status, text = await self.tried(command)
        if status:
            raise GuestError(f"{command}: {text}")
        return text

    async def tried(self, command: str) -> tuple[int, str]:
        """Its exit status, and what it prints."""
        return await asyncio.wait_for(self.told(f"{{ {command}; }} </dev/null"), PATIENCE)

    async def until(self, command: str, wanted: str) -> None:
        """Until what `command` prints is `wanted`."""
        said = ""

        async def has_come() -> bool:
            nonlocal said
            _, said = await self.tried(command)
            return said == wanted

        try:
            await asyncio.wait_for(until(has_come, every=0.5), PATIENCE)
        except TimeoutError:
            raise GuestError(f"{command}: {said}; expected {wanted}") from None

    def last_words(self) -> str:
        return "\n" + self._console.read_text(errors="replace")[-2000:]

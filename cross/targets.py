"""The router architectures, by OpenWrt's names, and what each asks of the compiler.

MIPS 24Kc has no floating point unit. Everything is linked against musl, statically.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """`triple` and `flags` are zig's, `host` is autoconf's, `qemu` runs the target's programs.

    `elf`: class, byte order and machine as readelf says them.
    """

    name: str
    triple: str
    flags: tuple[str, ...]
    host: str
    qemu: tuple[str, ...]
    elf: tuple[str, str, str]
    bits: int
    byteorder: str

    @property
    def router(self) -> bool:
        """Whether nothing else is built like this."""
        return self.name.startswith("mips")

    @property
    def soft_float(self) -> bool:
        return "soft_float" in " ".join(self.flags)


_MIPS = ("-mcpu=mips32r2+soft_float",)

TARGETS = {
    target.name: target
    for target in (
        Target(
            "mipsel_24kc",
            "mipsel-linux-musleabi",
            _MIPS,
            "mipsel-linux-musl",
            ("qemu-mipsel", "-cpu", "24Kc"),
            ("ELF32", "little endian", "MIPS R3000"),
            32,
            "little",
        ),
        Target(
            "mips_24kc",
            "mips-linux-musleabi",
            _MIPS,
            "mips-linux-musl",
            ("qemu-mips", "-cpu", "24Kc"),
            ("ELF32", "big endian", "MIPS R3000"),
            32,
            "big",
        ),
        Target(
            "arm_cortex-a7_neon-vfpv4",
            "arm-linux-musleabihf",
            ("-mcpu=cortex_a7",),
            "arm-linux-musleabihf",
            ("qemu-arm", "-cpu", "cortex-a7"),
            ("ELF32", "little endian", "ARM"),
            32,
            "little",
        ),
        Target(
            "aarch64_cortex-a53",
            "aarch64-linux-musl",
            ("-mcpu=cortex_a53",),
            "aarch64-linux-musl",
            ("qemu-aarch64", "-cpu", "cortex-a53"),
            ("ELF64", "little endian", "AArch64"),
            64,
            "little",
        ),
        Target(
            "x86_64",
            "x86_64-linux-musl",
            ("-mcpu=x86_64",),
            "x86_64-linux-musl",
            (),
            ("ELF64", "little endian", "Advanced Micro Devices X86-64"),
            64,
            "little",
        ),
    )
}

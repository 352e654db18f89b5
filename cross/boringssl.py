"""BoringSSL's ChaCha20-Poly1305 in assembly, for edge/crypto/small/_aead.h: one file a processor.

It seals and opens in one pass over the data, with SSE4.1 or AVX2 on x86_64 and NEON on aarch64. For
the other targets BoringSSL has nothing of the kind, and libsodium's C does it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from cross import cache, packages, sources, toolchain
from cross.targets import Target

FILES = {
    "x86_64": "linux-x86_64/crypto/cipher_extra/chacha20_poly1305_x86_64.S",
    "aarch64_cortex-a53": "linux-aarch64/crypto/cipher_extra/chacha20_poly1305_armv8.S",
}
DEFINE = "-DAEAD_BORINGSSL=1"


def has(target: Target) -> bool:
    return target.name in FILES


def built(target: Target) -> Path:
    """The object file."""
    inputs = [
        sources.BORINGSSL,
        packages.ZIG,
        toolchain.FLAGS,
        toolchain.SMALL,
        target,
        *cache.contents(Path(__file__)),
    ]
    folder = cache.made(f"boringssl-{target.name}", inputs, lambda folder: _build(target, folder))
    return folder / "aead.o"


def _build(target: Target, done: Path) -> None:
    source = sources.unpacked(sources.BORINGSSL)
    file = shutil.copy2(source / FILES[target.name], done)
    command = [*toolchain.compiler(target), f"-I{source / 'src' / 'include'}"]
    command += ["-c", Path(file).name, "-o", "aead.o"]
    toolchain.run(command, done, done / "build.log")

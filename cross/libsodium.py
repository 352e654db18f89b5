"""libsodium for a target: the objects that edge/crypto/small/_primitives.c needs.

libsodium's own configure asks questions about the build machine; the answers for musl are these
definitions. What no one calls is dropped by the linker.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from cross import cache, packages, sources, toolchain
from cross.targets import Target

FILES = """
crypto_aead/chacha20poly1305/sodium/aead_chacha20poly1305
crypto_auth/hmacsha256/auth_hmacsha256
crypto_core/ed25519/ref10/ed25519_ref10
crypto_hash/sha256/cp/hash_sha256_cp
crypto_hash/sha512/cp/hash_sha512_cp
crypto_onetimeauth/poly1305/donna/poly1305_donna
crypto_onetimeauth/poly1305/onetimeauth_poly1305
crypto_scalarmult/curve25519/ref10/x25519_ref10
crypto_scalarmult/curve25519/scalarmult_curve25519
crypto_sign/ed25519/ref10/keypair
crypto_sign/ed25519/ref10/open
crypto_sign/ed25519/ref10/sign
crypto_stream/chacha20/ref/chacha20_ref
crypto_stream/chacha20/stream_chacha20
crypto_verify/sodium/verify
sodium/core
sodium/runtime
sodium/utils
""".split()
_DEFINE = """
CONFIGURED DEV_MODE=0 HAVE_C_VARARRAYS HAVE_CATCHABLE_SEGV HAVE_CLOCK_GETTIME HAVE_INTTYPES_H
HAVE_MEMORY_H HAVE_NANOSLEEP HAVE_STDINT_H HAVE_SYS_TYPES_H HAVE_WEAK_SYMBOLS SODIUM_STATIC
""".split()


def built(target: Target) -> Path:
    """The folder with `libsodium.a` and `include/`."""
    inputs = [
        sources.LIBSODIUM,
        packages.ZIG,
        toolchain.FLAGS,
        toolchain.FAST,
        target,
        *cache.contents(Path(__file__)),
    ]
    return cache.made(f"libsodium-{target.name}", inputs, lambda folder: _build(target, folder))


def _build(target: Target, done: Path) -> None:
    work = done / "work"
    log = done / "build.log"
    top = shutil.copytree(sources.unpacked(sources.LIBSODIUM), work / "source", symlinks=True)
    source = top / "src" / "libsodium"
    include = source / "include" / "sodium"
    shutil.copy2(top / "builds" / "msvc" / "version.h", include / "version.h")
    endian = f"NATIVE_{target.byteorder.upper()}_ENDIAN"
    flags = [f"-D{name}" if "=" in name else f"-D{name}=1" for name in [*_DEFINE, endian]]
    flags += ["-Iinclude/sodium", "-Iinclude"]
    if target.bits == 64:
        flags.append("-DHAVE_TI_MODE")
    objects = []
    for name in FILES:
        objects.append(name.replace("/", "_") + ".o")
        command = [
            *toolchain.compiler(target, toolchain.FAST),
            *flags,
            "-c",
            f"{name}.c",
            "-o",
            objects[-1],
        ]
        toolchain.run(command, source, log)
    toolchain.run([toolchain.zig(), "ar", "rcD", "libsodium.a", *objects], source, log)
    shutil.copy2(source / "libsodium.a", done / "libsodium.a")
    shutil.copytree(source / "include", done / "include")
    shutil.rmtree(work)

"""mbedTLS for a target: the objects that edge/http/small/_tls.c needs.

What of it is compiled in is edge/http/small/_mbedtls.h. It is compiled for size, the ciphers and
the multiplication of large numbers for speed. What no one calls is dropped by the linker.
"""

from __future__ import annotations

from pathlib import Path

from cross import cache, packages, sources, toolchain
from cross.contents import ROOT
from cross.targets import Target

SMALL = ROOT / "edge" / "http" / "small"
CONFIG = SMALL / "_mbedtls.h"
FILES = """
aes aesce aesni asn1parse asn1write bignum bignum_core chacha20 chachapoly cipher cipher_wrap
constant_time ecdh ecdsa ecp ecp_curves gcm md mps_reader oid pk pk_ecc pk_wrap pkparse
platform_util poly1305 psa_crypto psa_crypto_aead psa_crypto_cipher psa_crypto_client
psa_crypto_driver_wrappers_no_static psa_crypto_ecp psa_crypto_hash psa_crypto_mac psa_crypto_rsa
psa_crypto_slot_management psa_util rsa rsa_alt_helpers sha1 sha256 sha512 ssl_ciphersuites
ssl_client ssl_msg ssl_tls ssl_tls12_client ssl_tls13_client ssl_tls13_generic ssl_tls13_keys x509
x509_crt
""".split()
FAST = ("bignum_core", "chacha20", "poly1305", "aes", "gcm", "sha256")


def flags() -> list[str]:
    """For mbedTLS and for what includes its headers."""
    include = sources.unpacked(sources.MBEDTLS) / "include"
    names = ("MBEDTLS_CONFIG_FILE", "MBEDTLS_PSA_CRYPTO_CONFIG_FILE")
    return [f"-I{include}", f"-I{SMALL}", *(f'-D{name}="{CONFIG.name}"' for name in names)]


def built(target: Target) -> Path:
    """`libmbedtls.a`."""
    inputs = [
        sources.MBEDTLS,
        packages.ZIG,
        toolchain.FLAGS,
        toolchain.SMALL,
        toolchain.FAST,
        target,
        *cache.contents(Path(__file__), CONFIG),
    ]
    folder = cache.made(f"mbedtls-{target.name}", inputs, lambda folder: _build(target, folder))
    return folder / "libmbedtls.a"


def _build(target: Target, done: Path) -> None:
    source, log = sources.unpacked(sources.MBEDTLS) / "library", done / "build.log"
    for name in FILES:
        level = toolchain.FAST if name in FAST else toolchain.SMALL
        command = [*toolchain.compiler(target, level), *flags(), f"-I{source}"]
        toolchain.run([*command, "-c", str(source / f"{name}.c"), "-o", f"{name}.o"], done, log)
    objects = [f"{name}.o" for name in FILES]
    toolchain.run([toolchain.zig(), "ar", "rcD", "libmbedtls.a", *objects], done, log)
    for name in objects:
        (done / name).unlink()

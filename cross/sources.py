"""Sources of others: from Debian's pool, pinned by version and hash, never committed.

A Debian source package is the upstream release as it was (`.orig`) and Debian's changes beside it.
Only the former is taken, so a revision of the package does not break the pin. apt's own helper
fetches it from the mirrors that this machine's apt uses, and compares the hash.
"""

from __future__ import annotations

import os
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from cross import cache

_HELPER = "/usr/lib/apt/apt-helper"


@dataclass(frozen=True)
class Source:
    """`pool`: the path below the mirror's pool/main. `licence`: SPDX, for the bill of materials."""

    name: str
    version: str
    pool: str
    sha256: str
    licence: str
    licence_file: str


CPYTHON = Source(
    "cpython",
    "3.13.5",
    "p/python3.13/python3.13_3.13.5.orig.tar.xz",
    "93e583f243454e6e9e4588ca2c2662206ad961659863277afcdb96801647d640",
    "PSF-2.0",
    "LICENSE",
)
LZMA = Source(  # of which only what its C files say is in the public domain is used
    "lzma",
    "25.01",
    "7/7zip/7zip_25.01+dfsg.orig.tar.xz",
    "077c424cd50001e2be8847892522bc83e807e0b9448af1b69512c03d769c88ef",
    "LZMA-SDK-9.22",
    "DOC/License.txt",
)
LIBSODIUM = Source(
    "libsodium",
    "1.0.18",
    "libs/libsodium/libsodium_1.0.18.orig.tar.gz",
    "d59323c6b712a1519a5daf710b68f5e7fde57040845ffec53850911f10a5d4f4",
    "ISC",
    "LICENSE",
)
BORINGSSL = Source(
    "boringssl",
    "13.0.0_r24",  # as Android 13 has it
    "a/android-platform-external-boringssl/"
    "android-platform-external-boringssl_13.0.0+r24.orig.tar.xz",
    "583b7aeee1fca68b8244d086cea6fca23bd19d517bd63f0b9de714e048f92a7d",
    "ISC",
    "LICENSE",
)
MBEDTLS = Source(
    "mbedtls",
    "3.6.7",
    "m/mbedtls/mbedtls_3.6.7.orig.tar.bz2",
    "a7e8bcbec0e6f761b4af24f25677626b35f762f68eef79c08677a363212d11f6",
    "Apache-2.0",
    "LICENSE",
)


def unpacked(source: Source) -> Path:
    """The folder with the files of `source`, fetched and unpacked when it is not there yet."""

    def make(folder: Path) -> None:
        archive = folder / "archive"
        _fetch(source, archive)
        with tarfile.open(archive) as tar:
            tar.extractall(folder)
        archive.unlink()

    folder = cache.made(f"{source.name}-{source.version}-source", [source.sha256], make)
    inside = list(folder.iterdir())
    return inside[0] if len(inside) == 1 else folder  # 7-Zip's archive has no folder of its own


def _fetch(source: Source, to: Path) -> None:
    """Download the archive of `source` from the first mirror that has it with its hash."""
    said = []
    for mirror in mirrors():
        uri = f"{mirror}/pool/main/{source.pool}"
        command = [_HELPER, "-o", "APT::Sandbox::User=root", "download-file"]
        command += [uri, str(to), f"SHA256:{source.sha256}"]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if not done.returncode:
            return
        said.append(f"{uri}: {done.stderr[-500:]}")
    raise SystemExit("\n".join([f"{source.name} {source.version} cannot be fetched", *said]))


def mirrors() -> list[str]:
    """The mirrors of Debian that this machine's apt uses, by the package lists it has fetched."""
    found = _listed()
    if not found and os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        found = _listed()
    if not found:
        raise SystemExit("apt lists no mirror of Debian. Run: sudo apt-get update")
    return found


def _listed() -> list[str]:
    command = ["apt-get", "indextargets", "--format", "$(SITE)", "Origin: Debian"]
    sites = subprocess.run(command, check=False, capture_output=True, text=True).stdout.split()
    return list(dict.fromkeys(sites))


def is_security(mirror: str) -> bool:
    """Whether it has the security updates: they have a mirror of their own, named after them."""
    return "security" in mirror

"""Debian packages that are taken apart, not installed: those would start a server."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.counterparts import cache


def taken_apart(package: str) -> Path:
    """The directory with its files. Raises InstallError."""
    policy = ["apt-cache", "policy", package]
    version = subprocess.run(policy, check=True, capture_output=True).stdout

    def install(target: Path) -> None:
        with cache.scratch() as scratch:
            cache.run("apt-get", "download", "-q", package, cwd=Path(scratch))
            (found,) = Path(scratch).glob("*.deb")
            cache.run("dpkg-deb", "-x", found, target)

    return cache.install(f"debian-{package}", version, install)

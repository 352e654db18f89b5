"""Crates of the counterparts, built by cargo from crates.io, at the pins of their Cargo.lock."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.counterparts import cache

_OLDEST = (1, 88)  # rust-libp2p 0.57 asks for it
_SECURITY = "cargo-web of bookworm-security"
_FILES = ("Cargo.toml", "Cargo.lock", "src/main.rs")


def crate(name: str, source: Path, binary: str, *, release: bool = True) -> Path:
    """The program `binary` of the crate in the directory `source`; built once for each content.

    `name`: of its directory in the cache. Raises InstallError.
    """
    program, version = cargo()

    def build(target: Path) -> None:
        with cache.scratch() as scratch:
            options = ("--locked", "-j", "2", "--target-dir", scratch)
            cache.run(program, "build", *(["--release"] * release), *options, cwd=source)
            shutil.copy(Path(scratch) / ("release" if release else "debug") / binary, target)

    content = b"\0".join([version.encode(), *((source / file).read_bytes() for file in _FILES)])
    return cache.install(name, content, build) / binary


def cargo() -> tuple[str, str]:
    """The program, and what it says its version is. Raises InstallError."""
    named = os.environ.get("CARGO", "cargo")
    found = shutil.which(named)
    wanted = f"cargo {_OLDEST[0]}.{_OLDEST[1]} or newer ({_SECURITY}; or name it by CARGO=PATH)"
    if found is None:
        raise cache.InstallError(f"{named} is missing; needed: {wanted}")
    version = subprocess.run(
        [found, "--version"], check=True, capture_output=True, text=True
    ).stdout
    numbers = re.match(r"cargo (\d+)\.(\d+)", version)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < _OLDEST:
        raise cache.InstallError(f"{found} is {version.strip()}; needed: {wanted}")
    return found, version

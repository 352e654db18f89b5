"""The build's tools from PyPI, pinned by version and hash, each in a folder of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from cross import cache

# Each is the file for this machine, or the one for any.
ZIG = (
    "ziglang==0.15.2",
    "806316453d1ede7174ed3fefb8e5348154629089c3bb5fe812dfd0e172fac130",
)
NUITKA = ("nuitka==4.3.3", "3bed65735d5cfc53dc13070f9f17c52dbe584c0f03de32b6ef011f5db674add9")
CYTHON = ("cython==3.3.1", "61abc7feedd20dac6c4ff7ab3a30e17136a067b242ab9253e2b4a6d9a72c2b61")


def installed(package: tuple[str, str]) -> Path:
    """The folder to import `package` from."""
    requirement, sha256 = package

    def make(folder: Path) -> None:
        wanted = folder / "requirements.txt"
        wanted.write_text(f"{requirement} --hash=sha256:{sha256}\n")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--no-compile", "--require-hashes", "--target", str(folder)]
        subprocess.run([*command, "--requirement", str(wanted)], check=True)

    return cache.made(requirement.replace("==", "-"), [package], make)

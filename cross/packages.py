"""The environment of the build: what requirements.txt pins by hash, and nothing else.

`python -m cross.packages` prints the interpreter in it, made on the first call. tools/pinned runs
the build with that one, so no package of a developer's environment has a say in a binary. The
build itself imports the standard library alone, and pip is the one that came with Python.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cross import cache
from tests.counterparts.cache import pip, run

REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def pins(name: str) -> str:
    """The line of requirements.txt for `name`."""
    lines = REQUIREMENTS.read_text().replace("\\\n", "").splitlines()
    (found,) = [line for line in lines if line.startswith(f"{name}==")]
    return found


def _pinned(name: str) -> tuple[str, str]:
    """The requirement and its SHA-256."""
    requirement, _, sha256 = pins(name).partition(" --hash=sha256:")
    return requirement.strip(), sha256


ZIG = _pinned("ziglang")
NUITKA = _pinned("nuitka")
CYTHON = _pinned("cython")
MSGPACK = _pinned("msgpack")
H11 = _pinned("h11")


def python() -> Path:
    """The interpreter in the environment."""
    inputs = [REQUIREMENTS.read_bytes(), sys.version, sys.base_prefix]
    return cache.made("environment", inputs, _make) / "bin" / "python"


def folder() -> Path:
    """The folder to import the tools from."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return python().parents[1] / "lib" / version / "site-packages"


def _make(environment: Path) -> None:
    run(sys.executable, "-m", "venv", environment)
    inside = environment / "bin" / "python"
    pip("install", pins("setuptools"), python=inside)  # builds Nuitka, so it has to be there
    pip("install", REQUIREMENTS.read_text(), "--no-compile", python=inside)


if __name__ == "__main__":
    print(python())

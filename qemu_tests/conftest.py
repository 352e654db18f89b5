"""Which binaries are tested: mipsel_24kc and x86_64 as in CI, or `--targets all`, or some by name.

They are built when dist/ has none of this commit.
"""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

import pytest

from cross import binary
from cross.targets import TARGETS, Target
from qemu_tests.emulated import command

DEFAULT = "mipsel_24kc,x86_64"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--targets", default=DEFAULT)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "target" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--targets")
        names = list(TARGETS) if chosen == "all" else chosen.split(",")
        metafunc.parametrize(
            "target", [TARGETS[name] for name in names], ids=names, scope="session"
        )


@pytest.fixture(scope="session")
def built(target: Target) -> Path:
    return _built(target)


@functools.cache
def _built(target: Target) -> Path:
    path = binary.DIST / f"kwaainet-{target.name}"
    if not path.exists() or f"commit   {binary.commit()}\n" not in _version(target, path):
        return binary.build(target)
    return path


def _version(target: Target, path: Path) -> str:
    done = subprocess.run(
        [*command(target, path), "--version"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout

"""Which binaries are tested: mipsel_24kc and x86_64, `--targets all`, or some by name."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from cross.targets import TARGETS, Target
from openwrt.package import ipk, recipe
from qemu_tests.emulated import build

DEFAULT = "mipsel_24kc,x86_64"
ROUTER = "mipsel_24kc"  # qemu_tests/malta.py

# As in tests/conftest.py, for what is run alone.
signal.signal(signal.SIGINT, signal.default_int_handler)


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
    return build(target)


@pytest.fixture(scope="session")
def package() -> ipk.Ipk:
    """Of the emulated router."""
    return ipk.build(recipe.read(build(TARGETS[ROUTER])), ROUTER)

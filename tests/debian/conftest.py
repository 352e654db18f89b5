"""The package around a stand-in of the program: a small static file, so that nothing is built."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from debian.package import recipe

TARGET = "x86_64"
VERSION = "0.1.0"


@pytest.fixture(scope="session")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("program") / "kwaainet"
    source = made.with_suffix(".c")
    source.write_text("int main(void) { return 0; }\n")
    subprocess.run(["cc", "-static", "-s", str(source), "-o", str(made)], check=True)
    return made


@pytest.fixture(scope="session")
def package(standin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    name, content = recipe.build(TARGET, standin, VERSION)
    path = tmp_path_factory.mktemp("package") / name
    path.write_bytes(content)
    return path


@pytest.fixture(scope="session")
def root(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the package has been unpacked."""
    found = tmp_path_factory.mktemp("root")
    subprocess.run(["dpkg-deb", "-x", str(package), str(found)], check=True)
    return found

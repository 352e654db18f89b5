"""What comes from PyPI for the build, the real peers and the benchmark is what was pinned."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from cross import packages
from tests.counterparts import cache

ROOT = Path(__file__).parents[2]
REQUIREMENTS = sorted(
    path for room in ("bench", "cross", "tests") for path in (ROOT / room).rglob("requirements.txt")
)
WHEEL = {
    "probe.py": "",
    "probe-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: probe\nVersion: 1\n",
    "probe-1.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "probe-1.dist-info/RECORD": "",
}
SOURCE = {
    "probe-1/probe.py": "",
    "probe-1/pyproject.toml": '[build-system]\nrequires = ["kwaainet-not-on-any-index"]\n'
    'build-backend = "setuptools.build_meta"\n\n[project]\nname = "probe"\nversion = "1"\n',
}


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """An index: a folder with files for pip to choose from."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    return folder


def wheel(shelf: Path) -> str:
    """A wheel; returns its SHA-256."""
    path = shelf / "probe-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in WHEEL.items():
            archive.writestr(name, text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def source(shelf: Path) -> str:
    """The same as source, whose build asks for a package that nobody has; returns its SHA-256."""
    path = shelf / "probe-1.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, text in SOURCE.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def install(pins: str, shelf: Path) -> Path:
    target = shelf.parent / "installed"
    cache.pip("install", pins, "--no-index", "--find-links", shelf, "--target", target)
    return target


def test_a_file_with_its_hash_is_installed(shelf: Path) -> None:
    sha256 = wheel(shelf)
    assert (install(f"probe==1 --hash=sha256:{sha256}", shelf) / "probe.py").exists()


@pytest.mark.parametrize(
    ("pins", "why"),
    [
        (f"probe==1 --hash=sha256:{'0' * 64}", "DO NOT MATCH THE HASHES"),
        ("probe==1", "Hashes are required"),
        (f"probe --hash=sha256:{'0' * 64}", "pinned with =="),
    ],
    ids=["another hash", "no hash", "no version"],
)
def test_all_else_is_refused(pins: str, why: str, shelf: Path) -> None:
    wheel(shelf)
    with pytest.raises(cache.InstallError, match=why):
        install(pins, shelf)


def test_a_source_package_fetches_nothing_for_its_build(shelf: Path) -> None:
    """Pip checks no hash of what pyproject.toml asks for."""
    sha256 = source(shelf)
    assert (install(f"probe==1 --hash=sha256:{sha256}", shelf) / "probe.py").exists()


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.parent.name)
def test_each_requirement_has_a_version_and_hashes(path: Path) -> None:
    for line in path.read_text().replace("\\\n", " ").splitlines():
        pinned = r"[\w.-]+==[\w.]+( +--hash=sha256:[0-9a-f]{64})+"
        assert line.startswith("#") or re.fullmatch(pinned, line), line


def test_nothing_calls_pip_by_another_way() -> None:
    ours = {Path("tests/counterparts/cache.py"), Path("tests/cross/test_pins.py")}
    found = {
        path.relative_to(ROOT)
        for room in ("bench", "cross", "openwrt", "qemu_tests", "tests")
        for path in (ROOT / room).rglob("*.py")
        if '"pip"' in path.read_text()
    }
    assert found <= ours


@pytest.mark.parametrize("name", ["axe", "js"])
def test_every_npm_package_has_its_hash(name: str) -> None:
    lock = json.loads((ROOT / "tests/counterparts" / name / "package-lock.json").read_text())
    assert [
        name for name, each in lock["packages"].items() if name and "integrity" not in each
    ] == []


@pytest.mark.slow
def test_the_environment_of_the_build_has_what_is_pinned_and_nothing_else() -> None:
    """But for pip, which came with Python."""
    command = [ROOT / "tools" / "pinned", "-m", "pip", "list", "--format", "freeze"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
    found = {line.lower() for line in done.stdout.split() if not line.startswith("pip==")}
    assert found == {
        line.split()[0]
        for line in packages.REQUIREMENTS.read_text().replace("\\\n", "").splitlines()
        if not line.startswith("#")
    }

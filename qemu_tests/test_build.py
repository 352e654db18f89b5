"""The same commit gives the same bytes, and the bill of materials says what is in them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from bench import footprint
from cross import binary, boringssl, contents, sbom
from cross.targets import TARGETS, Target
from qemu_tests.emulated import build


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.slow
def test_a_second_build_gives_the_same_bytes(tmp_path: Path) -> None:
    """For one target; tools/release compares all."""
    target = TARGETS["mipsel_24kc"]
    built = build(target)
    assert sha256(binary.build(target, dist=tmp_path, maps=tmp_path)) == sha256(built)
    # The build leaves the linker's map: it accounts for the file, but for headers and alignment.
    origins = footprint.by_origin(target.name, tmp_path)
    assert {"CPython", "musl", "libsodium"} <= set(origins)
    assert sum(origins.values()) == pytest.approx(built.stat().st_size, rel=0.1)


def test_no_path_of_the_build_machine_is_inside(target: Target, built: Path) -> None:
    data = built.read_bytes()
    for path in (str(contents.ROOT), str(Path.home() / ".cache"), "kwaainet-cross-"):
        assert path.encode() not in data


def test_bill_of_materials(target: Target, built: Path) -> None:
    document = sbom.document(target.name, built)
    json.dumps(document)
    names = {package["name"] for package in document["packages"]}
    assert {"kwaainet", "cpython", "libsodium", "lzma-sdk", "musl", "nuitka-runtime"} <= names
    assert ("boringssl-chacha20-poly1305" in names) == boringssl.has(target)
    assert document["packages"][0]["checksums"][0]["checksumValue"] == sha256(built)


def test_every_part_has_its_licence_text() -> None:
    table = (sbom.LICENCES / "README.md").read_text()
    for _, version, _, _, text in sbom.LINKED:
        assert (sbom.LICENCES / text).stat().st_size > 500
        assert f"`{text}`" in table
        assert version in table

"""What kind of file it is, what it is made of, and what it says of itself."""

from __future__ import annotations

import ast
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from cross import binary, boringssl, contents
from cross.targets import TARGETS, Target
from edge.version import VERSION
from qemu_tests.emulated import build, command

MB = 1_000_000


def readelf(flags: str, path: Path) -> str:
    done = subprocess.run(
        ["readelf", flags, str(path)], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def run(target: Target, path: Path, *args: str) -> str:
    done = subprocess.run(
        [*command(target, path), *args], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_static_for_its_processor(target: Target, built: Path) -> None:
    header = readelf("-h", built)
    kind, order, machine = target.elf
    assert re.search(rf"Class: +{kind}\n", header)
    assert re.search(rf"Data: .*{order}\n", header)
    assert re.search(rf"Machine: +{machine}\n", header)
    assert re.search(r"Type: +EXEC ", header)
    segments = readelf("-l", built)
    assert "INTERP" not in segments
    assert "DYNAMIC" not in segments
    assert ".symtab" not in readelf("-S", built)


def test_nothing_is_both_written_and_executed(target: Target, built: Path) -> None:
    """And tables of pointers are read-only as they are: there is no RELRO to be applied."""
    segments = re.findall(r"^ +(LOAD|GNU_STACK) .* ([R ][W ][E ]) ", readelf("-lW", built), re.M)
    assert ("GNU_STACK", "RW ") in segments
    assert not [kind for kind, flags in segments if flags[1:] == "WE"]
    sections = readelf("-SW", built)
    assert ".data.rel.ro" not in sections
    assert ".got.plt" not in sections


def test_the_stack_is_checked(target: Target, built: Path) -> None:
    """By the linker's map; the file has no names."""
    linked = (binary.MAPS / f"{target.name}.map").read_text()
    assert re.search(r"\b__stack_chk_fail$", linked, re.M)


def test_no_floating_point_unit_is_needed(target: Target, built: Path) -> None:
    if target.soft_float:
        assert "FP ABI: Soft float" in readelf("-A", built)


def test_small(target: Target, built: Path) -> None:
    """8 MB is what a router can hold; bench/footprint tells how far from it we are."""
    assert built.stat().st_size <= 8 * MB


def test_version(target: Target, built: Path) -> None:
    lines = run(target, built, "--version").splitlines()
    assert lines[0] == f"kwaainet {VERSION}"
    assert lines[1] == f"target   {target.name}"
    assert lines[2] == f"commit   {binary.commit()}"
    assert lines[3] == "python   cpython 3.13.5"
    assembly = ", BoringSSL's ChaCha20-Poly1305" if boringssl.has(target) else ""
    assert lines[4] == f"ciphers  libsodium 1.0.18{assembly}"


def test_selftest(target: Target, built: Path) -> None:
    """All vectors of the wire and crypto suites, and every module loads."""
    lines = run(target, built, "selftest").splitlines()
    assert lines[-1] == "all passed"
    wire = [name.removeprefix("check_") for name in contents.vectors() if name.startswith("check_")]
    assert {f"passed vectors {name}" for name in wire} <= set(lines)
    assert len([line for line in lines if " by libsodium" in line]) >= 19


@pytest.mark.parametrize(("processor", "assembly"), [("Conroe", False), ("Nehalem", True)])
def test_older_processors(processor: str, assembly: bool) -> None:
    """Without SSE4.1 libsodium's C does it all; with it, and without AVX2, BoringSSL."""
    target = TARGETS["x86_64"]
    emulated = replace(target, qemu=("qemu-x86_64", "-cpu", processor))
    assert ("BoringSSL" in run(emulated, build(target), "--version")) == assembly
    assert run(emulated, build(target), "selftest").endswith("\nall passed\n")


# The list of the standard library's modules

NOT_THERE = {
    "cryptography",  # edge.crypto takes what there is
    "uvloop",
    "ctypes",  # edge.machine: for glibc, which is not there either
    "pwd",  # edge.config.load: for a user without $HOME
    "_image",  # built in
    "termios",  # edge.status.screen: keys, where there is one
}


def names_imported(path: Path) -> set[str]:
    """Modules that `path` imports anywhere, but for type checking."""
    found = set()
    tree = ast.parse(path.read_text())
    checking = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
    ]
    for node in checking:
        node.body = [ast.Pass()]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module)
    return found


@pytest.mark.parametrize("name", sorted(contents.application()))
def test_the_application_imports_only_what_is_in_the_binary(name: str) -> None:
    inside = {
        *contents.stdlib_names(),
        *contents.PACKAGED,
        *contents.BUILTINS,
        *contents.application(),
        *contents.vectors(),
        "edge.crypto.small._primitives",
        "edge.cache.hub.coded",
        "edge.crypto.native",
        "edge.tiers.probe.ps",
        "edge.portmap.igd",
        "edge.page.site",
        "edge.status.where",
    }
    wanted = names_imported(contents.application()[name])
    assert {each for each in wanted if each.split(".")[0] not in NOT_THERE} <= inside


def test_the_list_names_each_module_once() -> None:
    names = contents.stdlib_names()
    assert len(names) == len(set(names))


def test_all_targets_are_openwrts() -> None:
    assert list(TARGETS) == [
        "mipsel_24kc",
        "mips_24kc",
        "arm_cortex-a7_neon-vfpv4",
        "aarch64_cortex-a53",
        "x86_64",
    ]

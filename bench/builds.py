"""Builds the relays and the load peers once for each content, outside the checkout.

`tests.counterparts.cache` says where. What a builder needs and does not find is a MissingTool,
whose text is the one line that the operator needs.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from cross import packages, sources, toolchain
from cross.targets import Target
from esp32.natmod import MICROPYTHON
from tests.counterparts import cache, go_tool
from tests.counterparts.js_peer import JsPeer, node

HERE = Path(__file__).parent
GO_SOURCE = HERE / "go"
RUST_SOURCE = HERE / "rust-relay"
TAILSCALE = "v1.102.5"  # the newest that Go 1.26 builds
TAILSCALE_SUM = "h1:2jK9VxQU4Vq/tyR7f2U2NqINxU0pV7R14TDBFsfguHE="


class MissingTool(Exception):
    """A program that this machine lacks, and how to get it."""


def go_programs() -> Path:
    """The directory with `load` and `relay`."""
    go = go_tool.go()

    def build(target: Path) -> None:
        os.environ.setdefault("GOFLAGS", "-mod=readonly")
        command = (go, "build", "-p", "2", "-trimpath", "-ldflags", "-s -w", "-o", f"{target}/")
        cache.run(*command, "./load", "./relay", cwd=GO_SOURCE)

    return cache.install("bench-go", _content(GO_SOURCE, go_tool.version(go)), build)


def tailscaled(processor: str, small: bool = False) -> Path:
    """The program, static, for Go's `processor`; MIPS without a floating point unit.

    `small`: with the tags of `build_dist.sh --extra-small --box`, which Tailscale's page "Smaller
    binaries for embedded devices" gives to routers: few features, and the command line in the file.
    """
    go = go_tool.go()

    def build(target: Path) -> None:
        source = _go_module(go, "tailscale.com", TAILSCALE, TAILSCALE_SUM)
        tags = ""
        if small:
            chosen = ("run", "./cmd/featuretags", "--min", "--add=osrouter")
            tags = "ts_include_cli," + _output(go, *chosen, cwd=source).strip()
        variables = (f"GOARCH={processor}", "GOMIPS=softfloat", "CGO_ENABLED=0")
        command = (go, "build", "-p", "2", "-trimpath", "-ldflags", "-s -w", "-tags", tags)
        program = target / ("tailscaled.small" if small else "tailscaled")
        cache.run("env", *variables, *command, "-o", program, "./cmd/tailscaled", cwd=source)

    content = f"{TAILSCALE_SUM} {processor} {small} {_output(go, 'version')}"
    [program] = cache.install("tailscaled", content.encode(), build).iterdir()
    return program


def micropython(target: Target, define: str = "") -> Path:
    """The interpreter of the unix port, static and stripped, by the binary's compiler.

    Without what needs other libraries (TLS, ffi, a database), and with no frozen modules; `define`:
    what to tell the preprocessor besides.
    """
    defines = " ".join(["-DMICROPY_GCREGS_SETJMP=1", define]).strip()
    settings = (
        *("MICROPY_PY_SSL=0", "MICROPY_PY_FFI=0", "MICROPY_PY_BTREE=0", "FROZEN_MANIFEST="),
        # zig preprocesses but one file at a time; its linker knows no table of cross references.
        *("CPP=gcc -E", "CWARN=", "LDFLAGS_ARCH=-Wl,--gc-sections", "LDFLAGS_EXTRA=-static -s"),
        # clang keeps the register that MicroPython's other way to find its roots would take.
        *(f"CFLAGS_EXTRA={defines}", "STRIP=true", "SIZE=true"),
    )
    source = sources.unpacked(MICROPYTHON)

    def build(done: Path) -> None:
        with cache.scratch() as scratch:
            work = Path(shutil.copytree(source, Path(scratch) / "micropython"))
            unix = work / "ports" / "unix"
            tools = toolchain.write_tools(target, work / "tools")
            cache.run("make", "-j2", "-C", work / "mpy-cross")
            cache.run("make", "-j2", "-C", unix, f"CC={tools['CC']}", *settings)
            shutil.copy(unix / "build-standard" / "micropython", done)

    content = repr((MICROPYTHON, target, settings, toolchain.FLAGS, toolchain.SMALL))
    return cache.install("micropython", content.encode(), build) / "micropython"


def nuitka_program() -> Path:
    """A folder with the node as `python -m nuitka --onefile` makes it, as `onefile`, and with the
    folder of --standalone that it is packed from, as `standalone`: this machine's CPython, and the
    packages that an installed node has."""
    needs = [packages.pins("setuptools"), packages.pins("nuitka")]
    needs.append((HERE / "requirements.txt").read_text())

    def build(done: Path) -> None:
        with cache.scratch() as scratch:
            work = Path(scratch)
            python = work / "venv" / "bin" / "python"
            cache.run(sys.executable, "-m", "venv", work / "venv")
            for pins in needs:
                cache.pip("install", pins, python=python)
            shutil.copytree(HERE.parent / "edge", work / "edge")
            variables = (f"PATH={python.parent}:{os.environ['PATH']}", f"NUITKA_CACHE_DIR={work}/c")
            options = ("--onefile", "--python-flag=-m", "--output-filename=kwaainet")
            command = (python, "-m", "nuitka", *options, "--no-progressbar", "edge")
            cache.run("env", *variables, *command, cwd=work)
            shutil.copy(work / "kwaainet", done / "onefile")
            shutil.copytree(work / "edge.dist", done / "standalone")

    content = _content(HERE.parent / "edge", f"{sys.version} {needs}")
    return cache.install("nuitka-program", content, build)


def rust_relay() -> Path:
    """The program."""
    cargo = _tool(
        os.environ.get("CARGO", "cargo"),
        "cargo 1.85 or newer (Debian 12's 0.66 is too old); name it by CARGO=/path/to/cargo",
    )

    def build(target: Path) -> None:
        with cache.scratch() as scratch:
            command = (cargo, "build", "--release", "--locked", "-j", "2", "--target-dir", scratch)
            cache.run(*command, cwd=RUST_SOURCE)
            shutil.copy(Path(scratch) / "release" / "rust-relay", target)

    content = _content(RUST_SOURCE, _output(cargo, "--version"))
    return cache.install("bench-rust", content, build) / "rust-relay"


def js_relay(directory: Path) -> tuple[Path, Path]:
    """(node, script): Node looks for packages beside the script, so it is put in `directory`."""
    (directory / "node_modules").symlink_to(JsPeer.install())
    script = shutil.copy(HERE / "js-relay.mjs", directory)
    return node() / "bin" / "node", Path(script)


def haproxy() -> Path:
    """The program, from the distribution."""
    found = os.environ.get("HAPROXY", "/usr/sbin/haproxy")
    return Path(_tool(found, "haproxy (apt-get install haproxy); or name it by HAPROXY=PATH"))


def _go_module(go: str, name: str, version: str, checksum: str) -> Path:
    """The source of a module, from the Go module proxy. Raises InstallError."""
    command = (go, "mod", "download", "-json", f"{name}@{version}")
    with cache.scratch() as scratch:  # outside any module of ours
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
    told = json.loads(done.stdout or "{}")
    if done.returncode or told.get("Sum") != checksum:
        why = told.get("Error") or done.stderr.strip() or f"its checksum is {told.get('Sum')}"
        raise cache.InstallError(f"{name} {version}: {why}")
    return Path(told["Dir"])


def _tool(name: str, advice: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise MissingTool(f"{name} is missing; needed: {advice}")
    return found


def _output(*command: str, cwd: Path | None = None) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=cwd).stdout


def _content(source: Path, version: str) -> bytes:
    """What decides the result: every source file by name, and the compiler's version."""
    files = sorted(path for path in source.rglob("*") if path.is_file())
    parts = [version.encode()]
    for path in files:
        parts += [str(path.relative_to(source)).encode(), path.read_bytes()]
    return b"\0".join(parts)

"""Builds the relays and the load peers once for each content, outside the checkout.

`tests.counterparts.cache` says where. What a builder needs and does not find is a MissingTool,
whose text is the one line that the operator needs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.counterparts import cache
from tests.counterparts.jsp2p import JsPeer, node

HERE = Path(__file__).parent
GO_SOURCE = HERE / "go"
RUST_SOURCE = HERE / "rust-relay"


class MissingTool(Exception):
    """A program that this machine lacks, and how to get it."""


def go_programs() -> Path:
    """The directory with `load` and `relay`."""
    go = _tool(
        os.environ.get("GO", "go"),
        "Go 1.21 or newer (it fetches the release that bench/go/go.mod names; Debian 12's 1.19"
        " cannot); name it by GO=/path/to/go",
    )

    def build(target: Path) -> None:
        os.environ.setdefault("GOFLAGS", "-mod=readonly")
        command = (go, "build", "-p", "2", "-trimpath", "-ldflags", "-s -w", "-o", f"{target}/")
        cache.run(*command, "./load", "./relay", cwd=GO_SOURCE)

    return cache.install("bench-go", _content(GO_SOURCE, _output(go, "version")), build)


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
    return node() / "bin" / "node", script


def haproxy() -> Path:
    """The program, from the distribution."""
    found = os.environ.get("HAPROXY", "/usr/sbin/haproxy")
    return Path(_tool(found, "haproxy (apt-get install haproxy); or name it by HAPROXY=PATH"))


def _tool(name: str, advice: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise MissingTool(f"{name} is missing; needed: {advice}")
    return found


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _content(source: Path, version: str) -> bytes:
    """What decides the result: every source file by name, and the compiler's version."""
    files = sorted(path for path in source.rglob("*") if path.is_file())
    parts = [version.encode()]
    for path in files:
        parts += [str(path.relative_to(source)).encode(), path.read_bytes()]
    return b"\0".join(parts)

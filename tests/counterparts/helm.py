"""Helm, built from its Go module in two minutes, once; and promtool of Debian's prometheus."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.counterparts import cache
from tests.counterparts.debian_files import taken_apart
from tests.counterparts.go_tool import go

_HELM = "helm.sh/helm/v3/cmd/helm@v3.22.0"


class HelmError(Exception):
    """Helm refused; carries what it said."""


def helm(*words: str | Path) -> str:
    """What `helm` prints. Raises HelmError, InstallError."""
    with cache.scratch() as home:
        environment = {**os.environ, "HOME": home}  # it keeps what servers say in there
        command = [str(word) for word in (program(), *words)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise HelmError(done.stdout + done.stderr)
    return done.stdout


def program() -> Path:
    """The program; installed when it is not. Raises InstallError."""
    return cache.install("helm", _HELM.encode(), _install) / "helm"


def promtool(*words: str | Path) -> str:
    """What `promtool` prints. Raises InstallError."""
    program = taken_apart("prometheus") / "usr" / "bin" / "promtool"
    command = [str(word) for word in (program, *words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def _install(target: Path) -> None:
    with cache.scratch() as scratch:
        environment = {**os.environ, "CGO_ENABLED": "0", "GOBIN": str(target), "GOCACHE": scratch}
        command = [go(), "install", "-ldflags=-s -w", _HELM]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise cache.InstallError(f"{command}: {done.stderr[-2000:]}")

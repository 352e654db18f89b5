"""zig as the C compiler of every target: one wrapper script for each tool that configure expects."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from cross import packages
from cross.cache import CACHE
from cross.targets import Target

# -Os on every compilation and link: without it zig takes a link for a debug one and builds its libc
# anew. zig traps undefined behaviour unless told not to, which CPython is not written for.
# -Wno-date-time: CPython's build date is taken from SOURCE_DATE_EPOCH.
FLAGS = (
    "-Os",
    "-fno-sanitize=undefined",
    "-Wno-date-time",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
    "-g0",
)


def zig() -> str:
    return str(packages.installed(packages.ZIG) / "ziglang" / "zig")


def compiler(target: Target) -> list[str]:
    return [zig(), "cc", "-target", target.triple, *target.flags, *FLAGS]


def write_tools(target: Target, folder: Path) -> dict[str, str]:
    """Scripts `cc`, `ar`, `ranlib` in `folder`; returns the variables that make configure use them."""
    folder.mkdir(parents=True, exist_ok=True)
    tools = {
        "cc": " ".join(compiler(target)),
        "ar": f"{zig()} ar",
        "ranlib": f"{zig()} ranlib",
    }
    for name, command in tools.items():
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        script.chmod(0o755)
    return {name.upper(): str(folder / name) for name in tools}


def environment() -> dict[str, str]:
    """For every process of a build: no time, no locale, no path of this machine in what it makes."""
    return {
        **os.environ,
        "LC_ALL": "C",
        "TZ": "UTC",
        "SOURCE_DATE_EPOCH": "1767225600",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "ZIG_GLOBAL_CACHE_DIR": str(CACHE / "zig"),
        "ZIG_LOCAL_CACHE_DIR": str(CACHE / "zig"),
    }


def run(command: list[str], cwd: Path, log: Path, **env: str) -> None:
    """Raises SystemExit with the end of the log if `command` fails."""
    with log.open("ab") as out:
        done = subprocess.run(
            command, cwd=cwd, env={**environment(), **env}, stdout=out, stderr=out, check=False
        )
    if done.returncode:
        tail = log.read_text(errors="replace").splitlines()[-40:]
        raise SystemExit("\n".join([*tail, f"failed: {' '.join(command)[:300]}"]))

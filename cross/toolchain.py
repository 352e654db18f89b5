"""zig as the C compiler of every target, and scripts for the tools that configure expects."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from cross import cache, packages
from cross.targets import Target

# zig traps undefined behaviour unless told not to, which CPython is not written for. CPython's
# build date (-Wno-date-time) is that of SOURCE_DATE_EPOCH. -Os on every link: without it zig takes
# the link for a debug one and builds its libc anew. Why there is no -fPIE: docs/cross.md.
FLAGS = (
    "-fno-sanitize=undefined",
    "-Wno-date-time",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
    "-g0",
)
_PROTECTED = "-fstack-protector-strong"  # zig does not take it back for a file
SMALL = (_PROTECTED, "-Os", "-Xclang", "-Oz")  # zig itself takes -Oz for -Os
BALANCED = (_PROTECTED, "-Os")
FAST = (_PROTECTED, "-O2")
INNERMOST = ("-O2",)  # the interpreter's own loops


def zig() -> str:
    return str(packages.folder() / "ziglang" / "zig")


def compiler(target: Target, level: tuple[str, ...] = SMALL) -> list[str]:
    return [zig(), "cc", "-target", target.triple, *target.flags, *FLAGS, *level]


def write_tools(target: Target, folder: Path, fast: tuple[str, ...] = ()) -> dict[str, str]:
    """Scripts `cc`, `ar`, `ranlib` in `folder`; returns the variables that make configure use them.

    `fast`: source files, as make names them, that are compiled for speed instead of size.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = "|".join(f"*/{name}*" for name in fast) or "-"
    tools = {
        "cc": f"""case "$*" in
{names}) exec {shlex.join(compiler(target, INNERMOST))} "$@";;
esac
exec {shlex.join(compiler(target))} "$@\"""",
        "ar": f'exec {zig()} ar "$@"',
        "ranlib": f'exec {zig()} ranlib "$@"',
    }
    for name, text in tools.items():
        script = folder / name
        script.write_text(f"#!/bin/sh\n{text}\n")
        script.chmod(0o755)
    return {name.upper(): str(folder / name) for name in tools}


def environment() -> dict[str, str]:
    """For every process of a build: no time and no locale in what it makes."""
    return {
        **os.environ,
        "LC_ALL": "C",
        "TZ": "UTC",
        "SOURCE_DATE_EPOCH": "1767225600",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "ZIG_GLOBAL_CACHE_DIR": str(cache.zig()),
        "ZIG_LOCAL_CACHE_DIR": str(cache.zig()),
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

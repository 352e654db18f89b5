"""Where the counterparts are installed: outside the checkout, once for each content.

A directory's name ends in a hash of all that decides what is in it, so a changed pin is a new
directory and a checkout of an old commit finds its own again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path


class InstallError(Exception):
    """A counterpart could not be installed. The test that needs it fails."""


def root() -> Path:
    """$KWAAINET_CACHE, else ~/.cache/kwaainet."""
    return Path(os.environ.get("KWAAINET_CACHE") or Path.home() / ".cache" / "kwaainet")


def install(name: str, content: bytes, build: Callable[[Path], None]) -> Path:
    """The directory which `build` fills; it is called only when `content` is new here.

    Safe when several tests ask at once, and when one was killed half-way.
    """
    target = root() / f"{name}-{hashlib.sha256(content).hexdigest()[:16]}"
    if target.exists():
        return target
    with locked(root() / f"{name}.lock"):
        if target.exists():
            return target
        partial = target.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        build(partial)
        partial.rename(target)
    return target


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock of the file `path`, which is made and stays; waits for who has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(*command: str | Path, cwd: Path | None = None) -> None:
    """Run an installer. Raises InstallError with the end of its output."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        shown = " ".join(str(word) for word in command)
        raise InstallError(f"{shown}: exit {done.returncode}\n{done.stdout[-2000:]}")


def pip(command: str, pins: str, *options: str | Path, python: str | Path = sys.executable) -> None:
    """Run pip `install` or `download` for `pins`, the text of a requirements file with hashes.

    Nothing comes that has no hash there. What there is as source only is built by the setuptools of
    `python`'s environment: pip would take another for it, of which nobody knows the hash.
    """
    with scratch() as folder:
        requirements = Path(folder) / "requirements.txt"
        requirements.write_text(pins)
        words = (python, "-m", "pip", command, "--quiet", "--disable-pip-version-check")
        safe = ("--require-hashes", "--no-deps", "--no-build-isolation")
        run(*words, *safe, *options, "--requirement", requirements)


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A directory for downloads that are not kept."""
    return tempfile.TemporaryDirectory(prefix="kwaainet-")

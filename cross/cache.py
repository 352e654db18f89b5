"""Slow products, kept outside the checkout under the hash of all that made them."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kwaainet" / "cross"


def made(name: str, inputs: Iterable[object], make: Callable[[Path], None]) -> Path:
    """The folder that `make` fills, made once for each set of `inputs`. Their repr() is hashed.

    `make` works in a folder of another name, so what it fills must not depend on its own path.
    """
    key = hashlib.sha256(repr(list(inputs)).encode()).hexdigest()[:16]
    done = CACHE / f"{name}-{key}"
    if done.is_dir():
        return done
    CACHE.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f"{done.name}.", dir=CACHE))
    work.chmod(0o755)
    try:
        make(work)
        work.rename(done)
    except OSError:
        if not done.is_dir():  # else another build was faster
            raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return done


def contents(*paths: Path) -> list[str]:
    """What to give `made` for files of this repository: the hash of each."""
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]

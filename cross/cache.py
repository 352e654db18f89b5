"""Slow products, kept outside the checkout under the hash of all that made them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.counterparts import cache


def made(name: str, inputs: Iterable[object], make: Callable[[Path], None]) -> Path:
    """The folder that `make` fills, made once for each set of `inputs`. Their repr() is hashed.

    `make` works in a folder of another name, so what it fills must not depend on its own path.
    """
    return cache.install(f"cross-{name}", repr(list(inputs)).encode(), make)


def zig() -> Path:
    """Where zig keeps its own products, such as libc for each target."""
    return cache.root() / "cross-zig"


def apt() -> Path:
    """Where cross.audit keeps apt's lists of Debian's source packages."""
    return cache.root() / "cross-apt"


def contents(*paths: Path) -> list[str]:
    """What to give `made` for files of this repository: the hash of each."""
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]

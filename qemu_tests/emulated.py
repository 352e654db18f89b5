"""A binary as its target's processor runs it: through qemu's user mode, or as it is."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Sequence
from pathlib import Path

from cross import binary
from cross.targets import Target
from tests.counterparts import cache
from tests.counterparts.base import Setup
from tests.counterparts.edge_node import EdgeNode


def command(target: Target, path: Path) -> list[str]:
    """The words that run the binary at `path`."""
    return [*target.qemu, str(path)]


class BinaryNode(EdgeNode):
    """The static binary of a target, started as any other node of ours."""

    kind = "binary"

    def __init__(
        self,
        target: Target,
        path: Path,
        setup: Setup | None = None,
        options: Sequence[str] = (),
    ) -> None:
        super().__init__(setup, options)
        self.program = command(target, path)


@functools.cache
def build(target: Target) -> Path:
    """The binary for `target` in dist/, built anew where there is none of this commit.

    Of several workers one builds it; the others wait.
    """
    path = binary.DIST / f"kwaainet-{target.name}"
    with cache.locked(binary.MAPS / f"{target.name}.lock"):
        if not path.exists() or f"commit   {binary.commit()}\n" not in _version(target, path):
            return binary.build(target)
    return path


def _version(target: Target, path: Path) -> str:
    done = subprocess.run(
        [*command(target, path), "--version"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout

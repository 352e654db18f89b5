"""A binary as its target's processor runs it: through qemu's user mode, or as it is."""

from __future__ import annotations

from pathlib import Path

from cross.targets import Target
from tests.counterparts.base import Setup
from tests.counterparts.edge_node import EdgeNode


def command(target: Target, binary: Path) -> list[str]:
    return [*target.qemu, str(binary)]


class BinaryNode(EdgeNode):
    """The static binary of a target, started as any other node of ours."""

    kind = "binary"

    def __init__(self, target: Target, binary: Path, setup: Setup | None = None) -> None:
        super().__init__(setup)
        self.program = command(target, binary)

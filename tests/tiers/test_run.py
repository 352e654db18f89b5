"""`kwaainet run --mode ...`: a real node that looks at this machine, and what it says of it."""

from pathlib import Path
from typing import Any

from tests.counterparts.base import asynchronous
from tests.counterparts.edge_node import EdgeNode


async def status_of(data_dir: Path, *options: str) -> dict[str, Any]:
    async with EdgeNode(options=options, data_dir=data_dir) as node:
        found: dict[str, Any] = await node.status()
        return found


@asynchronous(60)
async def test_a_node_decides_and_only_relays(tmp_path: Path) -> None:
    found = await status_of(tmp_path, "--tier-router", "yes")
    assert (found["mode"], found["mode_reason"]) == (
        "relay",
        "It is a router, and routing comes first",
    )
    assert (found["decision"]["mode"], found["decision"]["tier"]) == ("relay", 3)
    assert (tmp_path / "calibration.json").exists()


@asynchronous(60)
async def test_a_mode_that_cannot_be_had_yet_is_said_and_not_pretended(tmp_path: Path) -> None:
    found = await status_of(tmp_path, "--mode", "full", "--tier-blocks", "4")
    assert found["mode"] == "relay"
    assert found["mode_reason"] == "full was asked for, but this version only relays"
    assert (found["decision"]["mode"], found["decision"]["blocks"]) == ("full", [4, 4])


@asynchronous(60)
async def test_a_relay_does_not_look_at_the_machine(tmp_path: Path) -> None:
    found = await status_of(tmp_path, "--mode", "relay")
    assert (found["mode"], found["mode_reason"]) == ("relay", "configured")
    assert "decision" not in found
    assert not (tmp_path / "calibration.json").exists()

"""Two nodes never share a data directory, and nobody has to tidy up after one that died."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edge import lock
from tests.counterparts.base import PeerError, asynchronous
from tests.counterparts.edge_node import EdgeNode

HOLD = (
    "import sys; from edge import lock; lock.hold(sys.argv[1]); print('held', flush=True); input()"
)


@pytest.fixture
def holder(tmp_path: Path):
    """A process that holds the lock on `tmp_path`."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_one_is_told_who_has_it(holder, tmp_path: Path) -> None:
    with pytest.raises(lock.Held) as held:
        lock.hold(str(tmp_path))
    assert str(held.value) == (
        f"another node, process {holder.pid}, runs in this directory: {tmp_path};"
        " stop it, or give this one its own with --data-dir and --run-dir"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_killed_one_leaves_nothing(holder, tmp_path: Path) -> None:
    holder.kill()
    holder.wait()
    os.close(lock.hold(str(tmp_path)))


def test_nothing_to_keep_needs_no_lock(tmp_path: Path) -> None:
    assert lock.hold(str(tmp_path / "nosuch")) == -1


def node(tmp_path: Path, run_dir: str) -> EdgeNode:
    return EdgeNode(
        options=["--mode", "relay", "--run-dir", str(tmp_path / run_dir)],
        data_dir=tmp_path / "data",
    )


def kept(directory: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in directory.iterdir()}


@pytest.mark.parametrize("second", ["run", "other"])
@asynchronous(60)
async def test_two_nodes_with_one_data_directory(second: str, tmp_path: Path) -> None:
    """Whatever their run directories are; the one that is refused writes nothing."""
    async with node(tmp_path, "run") as first:
        before = kept(tmp_path / "data")
        refused = node(tmp_path, second)
        with pytest.raises(PeerError):
            await refused.start()
        assert refused.process is not None
        assert await asyncio.wait_for(refused.process.wait(), 30) == 1
        complaints = [line for line in refused.log().splitlines() if " info " not in line]
        assert first.process is not None
        (line,) = complaints
        assert re.search(rf"^kwaainet: another node, process {first.process.pid}, runs in", line)
        assert kept(tmp_path / "data") == before
        await first.kill()
    async with node(tmp_path, second) as again:
        assert again.peer_id == first.peer_id

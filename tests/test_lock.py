"""Two nodes never share a data directory, and nobody has to tidy up after one that died."""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
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


@pytest.mark.parametrize(
    ("mode", "names"),
    [
        *[(mode, []) for mode in (0o755, 0o750, 0o711, 0o777, 0o2775, 0o704)],
        (0o755, ["identity.key", "peers"]),
        (0o755, ["status.sock"]),
        (0o755, ["lost+found"]),
    ],
)
def test_a_directory_of_the_nodes_is_made_its_own(
    mode: int, names: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whoever can open a directory can lock it."""
    for name in names:
        (tmp_path / name).touch()
    tmp_path.chmod(mode)
    os.close(lock.hold(str(tmp_path)))
    assert tmp_path.stat().st_mode & 0o777 == 0o700
    told = f"warning directory-tightened path={tmp_path} was={mode:04o} now=0700"
    assert told in capfd.readouterr().err


@pytest.mark.parametrize(("mode", "names"), [(0o755, ["kept"]), (0o1777, []), (0o1777, ["x"])])
def test_a_directory_of_others_keeps_its_mode(mode: int, names: list[str], tmp_path: Path) -> None:
    """As /etc and /tmp, when somebody names them."""
    for name in names:
        (tmp_path / name).touch()
    tmp_path.chmod(mode)
    with pytest.raises(lock.Exposed) as refused:
        lock.hold(str(tmp_path))
    assert str(refused.value) == (
        f"{tmp_path}: others may open this directory (mode {mode:04o}) and lock the node out;"
        " give the node one of its own, mode 0700, such as a new one below it"
    )
    assert tmp_path.stat().st_mode & 0o7777 == mode


@pytest.mark.netns
def test_a_directory_of_another_user(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    with pytest.raises(lock.Exposed, match=r": belongs to another user \(65534\); give the node"):
        lock.hold(str(tmp_path))


def test_a_file_system_without_modes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for one: FAT takes the call for nothing."""
    tmp_path.chmod(0o755)
    monkeypatch.setattr(os, "fchmod", lambda *_: None)
    with pytest.raises(lock.Exposed, match=r"keeps no modes.*; mount that with umask=077, or name"):
        lock.hold(str(tmp_path))


HELD_READ_ONLY = """
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
exec "$2" -c 'import sys; from edge import lock; print(lock.hold(sys.argv[1]) >= 0)' "$1"
"""


@pytest.mark.netns
@pytest.mark.parametrize(("mode", "locked"), [(0o755, "False"), (0o1777, "False"), (0o700, "True")])
def test_a_mounted_secret_needs_no_lock(mode: int, locked: str, tmp_path: Path) -> None:
    """A directory that nobody writes to, and that is open to others, is anybody's to lock."""
    (tmp_path / "identity.key").touch()
    tmp_path.chmod(mode)
    words = ("unshare", "--mount", "sh", "-ec", HELD_READ_ONLY, "sh", str(tmp_path), sys.executable)
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=True)
    assert (done.stdout, done.stderr) == (f"{locked}\n", "")


AS_NOBODY = """
import fcntl, os, sys
os.setgroups([])
os.setuid(65534)
try:
    directory = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(directory, fcntl.LOCK_EX)
except PermissionError:
    print("refused", flush=True)
else:
    print("locked", flush=True)
input()
"""


@pytest.mark.netns
def test_another_user_cannot_keep_a_node_from_starting(tmp_path: Path) -> None:
    """Not even one that came before: the lock is for who may open the directory."""
    with tempfile.TemporaryDirectory() as shared:
        os.chmod(shared, 0o755)
        directory = Path(shared, "data")
        directory.mkdir()
        os.close(lock.hold(str(directory)))
        with subprocess.Popen(
            [sys.executable, "-c", AS_NOBODY, str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
        ) as stranger:
            assert stranger.stdout is not None
            assert stranger.stdout.readline() == "refused\n"
            os.close(lock.hold(str(directory)))
            stranger.communicate("\n")


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

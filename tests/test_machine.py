"""What is small, what is short, and whom the out-of-memory killer takes first."""

import subprocess
import sys
from pathlib import Path

import pytest

from edge import machine
from edge.budget import Budget
from edge.machine import OOM_SCORE, is_short, raise_oom_score, sizing
from edge.swarm.limits import Limits, fitting_buffer_size
from edge.units import GIB, KIB, MIB


@pytest.mark.parametrize(
    ("memory", "cores", "name", "why"),
    [
        (50 * MIB, 4, "little-memory", "50 MiB of memory"),
        (127 * MIB, 1, "little-memory", "127 MiB of memory"),
        (128 * MIB, 1, "few-cores", "1 core"),
        (8 * GIB, 2, "few-cores", "2 cores"),
        (128 * MIB, 4, "ordinary", ""),
    ],
)
def test_a_machine_is_small_by_memory_or_by_cores(
    memory: int, cores: int, name: str, why: str
) -> None:
    found = sizing(memory, cores)
    assert (found.name, found.why) == (name, why)


def test_a_small_machine_has_smaller_windows_buffers_and_tables() -> None:
    little, few, ordinary = sizing(64 * MIB, 4), sizing(GIB, 2), sizing(GIB, 4)
    assert little.max_window < few.max_window < ordinary.max_window
    assert little.tables < few.tables < ordinary.tables == 1
    assert little.buffer <= few.buffer < ordinary.buffer
    assert little.socket_buffer and not ordinary.socket_buffer


def test_the_limits_follow_the_machine() -> None:
    limits = Limits()
    budget = Budget(GIB, 14 * MIB, sizing(64 * MIB, 1))
    limits.fill_in(budget)
    assert (limits.max_window, limits.socket_buffer) == (256 * KIB, 64 * KIB)
    assert fitting_buffer_size(budget) == 128 * KIB
    roomy = Budget(GIB, 14 * MIB, sizing(GIB, 4))
    limits.fill_in(roomy)
    assert (limits.max_window, limits.socket_buffer) == (MIB, 0)
    assert fitting_buffer_size(roomy) == 256 * KIB


def test_a_machine_without_memory_to_give_gets_nothing_new_from_us() -> None:
    budget = Budget(GIB, 14 * MIB)
    connections = budget.pool("connections", 0.5, growth=True)
    buffers = budget.pool("buffers", 0.5)
    assert connections.take(KIB)
    assert budget.measure(20 * MIB, short=True)
    assert buffers.pressed
    assert not connections.take(KIB)
    assert buffers.take(KIB)  # what is being served goes on
    assert not budget.measure(20 * MIB)
    assert connections.take(KIB)
    assert not buffers.pressed


def test_a_cgroup_narrows_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = machine.memory()
    for text, expected in (("max\n", whole), (f"{32 * MIB}\n", 32 * MIB), ("garbage", whole)):
        (tmp_path / "memory.max").write_text(text)
        paths = [str(tmp_path / "memory.max"), "/no"]
        monkeypatch.setattr(machine, "cgroup_files", lambda _, paths=paths: paths)
        assert machine.memory() == expected


def test_the_heap_is_trimmed_where_the_c_library_can() -> None:
    machine.trim_heap()
    assert machine.resident() > MIB


@pytest.mark.parametrize(
    ("total", "available", "short"),
    [(64, 3, True), (64, 4, False), (24_000, 15, True), (24_000, 17, False)],
)
def test_short_is_a_twentieth_or_16_mib(
    total: int, available: int, short: bool, tmp_path: Path
) -> None:
    path = tmp_path / "meminfo"
    path.write_text(
        f"MemTotal: {total << 10} kB\nMemFree: 1 kB\nMemAvailable: {available << 10} kB\nX: 1\n"
    )
    assert is_short(str(path)) == short


@pytest.mark.parametrize("text", ["", "MemTotal: 64 kB\n"])
def test_what_is_not_told_is_no_emergency(text: str, tmp_path: Path) -> None:
    path = tmp_path / "meminfo"
    path.write_text(text)
    assert not is_short(str(path))
    assert not is_short(str(tmp_path / "nosuch"))


@pytest.mark.parametrize(
    ("before", "after"),
    [("0\n", OOM_SCORE), ("200\n", OOM_SCORE), ("800\n", 800), ("-900\n", -900)],
)
def test_the_score_is_only_ever_raised(before: str, after: int, tmp_path: Path) -> None:
    path = tmp_path / "oom_score_adj"
    path.write_text(before)
    assert raise_oom_score(str(path)) == after
    assert int(path.read_text()) == after


def test_without_proc_the_score_is_unknown(tmp_path: Path) -> None:
    assert raise_oom_score(str(tmp_path / "nosuch")) is None


RAISED = """
import resource, sys
from edge import machine
machine.FILES = 128
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
machine.raise_file_limit()
print(machine.file_limit())
"""


@pytest.mark.parametrize(
    ("soft", "hard", "after"),
    [(64, 100, 100), (64, 64, 64), (64, 4096, 128), (256, 256, 256)],
)
def test_the_limit_of_files_is_only_ever_raised(soft: int, hard: int, after: int) -> None:
    """And no further than a node needs: Docker's may be a thousand million."""
    done = subprocess.run(
        [sys.executable, "-c", RAISED, str(soft), str(hard)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == f"{after}\n"

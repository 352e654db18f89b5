"""What is small, what is short, and whom the out-of-memory killer takes first."""

from pathlib import Path

import pytest

from edge.budget import KIB, MIB, Budget
from edge.machine import OOM_SCORE, go_first, is_short, profile

GIB = 1 << 30


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
    found = profile(memory, cores)
    assert (found.name, found.why) == (name, why)


def test_a_small_machine_has_smaller_windows_buffers_and_tables() -> None:
    little, few, ordinary = profile(64 * MIB, 4), profile(GIB, 2), profile(GIB, 4)
    assert little.max_window < few.max_window < ordinary.max_window
    assert little.tables < few.tables < ordinary.tables == 1
    assert little.buffer <= few.buffer < ordinary.buffer
    assert little.socket_buffer and not ordinary.socket_buffer


def test_the_budget_follows_the_profile() -> None:
    class Limits:
        max_connections = max_window = socket_buffer = max_circuits = max_reservations = 0

    limits = Limits()
    budget = Budget(GIB, 14 * MIB, profile(64 * MIB, 1))
    budget.fill_in(limits, limits)
    assert (limits.max_window, limits.socket_buffer) == (256 * KIB, 64 * KIB)
    assert budget.buffer_size == 128 * KIB
    roomy = Budget(GIB, 14 * MIB, profile(GIB, 4))
    roomy.fill_in(limits, limits)
    assert (limits.max_window, limits.socket_buffer) == (MIB, 0)
    assert roomy.buffer_size == 256 * KIB


def test_a_machine_without_memory_to_give_gets_nothing_new_from_us() -> None:
    budget = Budget(GIB, 14 * MIB)
    assert budget.connections.take(KIB)
    assert budget.measure(20 * MIB, short=True)
    assert budget.buffers.pressed
    assert not budget.connections.take(KIB)
    assert not budget.circuits.take(KIB)
    assert budget.buffers.take(KIB)  # what is being served goes on
    assert not budget.measure(20 * MIB)
    assert budget.connections.take(KIB)
    assert not budget.buffers.pressed


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
    assert go_first(str(path)) == after
    assert int(path.read_text()) == after


def test_without_proc_the_score_is_unknown(tmp_path: Path) -> None:
    assert go_first(str(tmp_path / "nosuch")) is None

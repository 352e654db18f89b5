"""What happens to a disk: flipped bits, torn logs, lost files, other processes, no room."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.cache.store import layout
from edge.cache.store import store as stores
from edge.cache.store.store import Store
from edge.units import MIB
from edge.wire.merkle import PIECE
from tests.cache.store.stores import (
    HEADER,
    content,
    extent,
    keep,
    logs,
    mount,
    opened,
    pool,
    read,
    run,
    segments,
    sha256,
    umount,
    write,
)

DATA = content(9 * PIECE + 100)


def flip(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 0x10]))


async def again(store: Store) -> None:
    """As the timer of `Again` does, without its wait."""
    store._again.now()
    while store._tasks:
        await asyncio.wait(set(store._tasks))


# --- what is on the disk is not what was written ---


def test_a_flipped_bit_is_found_dropped_refetched_and_counted(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as store:
            await keep(store, DATA)
        flip(segments(tmp_path)[0], HEADER + 4 * PIECE + 77)
        async with opened(tmp_path) as store:
            file = store.find(sha256(DATA))
            assert file is not None
            assert await file.verified(0)
            assert not await file.verified(4 * PIECE)
            assert not file.whole
            assert file.missing(0, 5 * PIECE) == [(4 * PIECE, 5 * PIECE)]
            writer = file.writer(4 * PIECE, 5 * PIECE)
            assert writer is not None
            assert not await writer.piece(b"x" * PIECE), "another piece than was lost"
            assert await write(file, DATA)
            assert store.repaired >= PIECE
            assert await file.settle()
            assert await read(file) == DATA

    run(work)


@pytest.mark.parametrize("at", [3, 20, 100, -1, -8, -20, -300])
def test_a_flipped_bit_in_header_row_or_seal_costs_the_segment(tmp_path: Path, at: int) -> None:
    async def work() -> None:
        async with opened(tmp_path) as store:
            await keep(store, DATA)
        path = segments(tmp_path)[0]
        flip(path, at % path.stat().st_size)
        async with opened(tmp_path) as store:
            file = store.file(sha256(DATA), len(DATA))
            assert await extent(file, 0) is None or await read(file) in (None, DATA)
            assert await write(file, DATA)
            assert await file.settle()
            assert await read(file) == DATA

    run(work)


def test_the_regular_look_finds_what_nobody_asked_for(tmp_path: Path) -> None:
    from edge.cache.store import check

    data = content(PIECE, 5)

    async def work() -> None:
        async with opened(tmp_path) as store:
            file = await keep(store, data)
            flip(segments(tmp_path)[0], HEADER + 1)
            await check.scrub(store)
            assert file.kept == 0
            assert not file.whole

    run(work)


def test_a_segment_that_is_gone_or_short_is_forgotten(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, 16 * MIB) as store:
            await keep(store, DATA)
            await keep(store, content(3 * PIECE, 2))
        first, *_, last = segments(tmp_path)
        first.unlink()
        os.truncate(last, last.stat().st_size - 1)
        async with opened(tmp_path, 16 * MIB) as store:
            file = store.find(sha256(DATA))
            assert file is not None
            assert file.missing(0, PIECE) == [(0, PIECE)]
            assert not last.exists()

    run(work)


def test_a_segment_that_vanishes_while_we_run(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as store:
            await keep(store, DATA)
        async with opened(tmp_path) as store:
            for path in segments(tmp_path):
                path.unlink()
            file = store.find(sha256(DATA))
            assert file is not None
            assert not await file.verified(0)
            assert store.available
            assert file.missing(0, PIECE) == [(0, PIECE)]

    run(work)


# --- the log ---


def test_without_a_log_the_segments_tell_all(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as store:
            await keep(store, DATA)
            (await keep(store, content(20 * PIECE, 3))).private = True
        for path in logs(tmp_path):
            path.unlink()
        async with opened(tmp_path) as store:
            for data in (DATA, content(20 * PIECE, 3)):
                file = store.find(sha256(data))
                assert file is not None
                assert await read(file) == data
                assert await file.settle()

    run(work)


def test_what_is_no_plain_file_is_passed_by(tmp_path: Path) -> None:
    """Also numbers after which there are no more."""
    data = content(3 * PIECE)

    async def work() -> None:
        async with opened(tmp_path) as store:
            await keep(store, data)
        for suffix in ("seg", "row", "idx", "not"):
            (tmp_path / f"0000aa00.{suffix}").mkdir()
            (tmp_path / f"0000aa01.{suffix}").symlink_to("/nonexistent")
            (tmp_path / f"0000aa02.{suffix}").symlink_to("/etc/passwd")
            os.mkfifo(tmp_path / f"0000aa03.{suffix}")
            (tmp_path / f"ffffffff.{suffix}").write_bytes(bytes(1000))
        for _ in range(2):
            async with opened(tmp_path) as store:
                assert store.available
                file = store.find(sha256(data))
                assert file is not None
                assert await read(file) == data
                await keep(store, content(PIECE, seed=store.next_serial()))
                store.notes.put(b"a", b"b")
        assert (tmp_path / "0000aa03.seg").is_fifo()

    run(work)


def test_a_log_that_tells_of_the_last_number(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as store:
            await keep(store, content(PIECE))
            store.record(layout.serial_record(0xFFFFFFFF))
            store.record(layout.segment_record(9, 0, 0xFFFFFFFF, 0, 1))
            store.record(layout.row_record(0, 0xFFFFFFFF))
        for seed in (2, 3):
            async with opened(tmp_path) as store:
                await keep(store, content(PIECE, seed=seed))

    run(work)


@pytest.mark.parametrize("cut", [1, 7, 60, 500])
def test_a_torn_end_of_the_log_is_ignored(tmp_path: Path, cut: int) -> None:
    async def work() -> None:
        async with opened(tmp_path) as store:
            await keep(store, DATA)
        path = logs(tmp_path)[0]
        os.truncate(path, max(path.stat().st_size - cut, 0))
        async with opened(tmp_path) as store:
            file = store.file(sha256(DATA), len(DATA))
            await write(file, DATA)
            assert await file.settle()
        async with opened(tmp_path) as store:
            found = store.find(sha256(DATA))
            assert found is not None
            assert await read(found) == DATA

    run(work)


def test_the_log_is_written_anew_before_it_grows_large(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as store:
            file = await keep(store, DATA)
            for _ in range(1500):
                file.pinned = not file.pinned
            for _ in range(3):
                await store.flush()
                file.pinned = not file.pinned
            assert len(logs(tmp_path)) == 1
            assert logs(tmp_path)[0].stat().st_size < 1 << 16
        async with opened(tmp_path) as store:
            found = store.find(sha256(DATA))
            assert found is not None
            assert found.pinned
            assert await read(found) == DATA

    run(work)


# --- who else is there ---


def test_a_second_process_keeps_nothing_there(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys\nfrom tests.cache.store.stores import *\n"
        "async def work():\n"
        "    async with opened(sys.argv[1]) as store:\n"
        "        print(store.trouble, flush=True)\n"
        "        sys.stdin.read()\n"
        "asyncio.run(work())\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "\n"

        async def work() -> None:
            async with opened(tmp_path) as store:
                assert "another process" in store.trouble
                await keep(store, content(PIECE, 3))  # in memory
                assert store.written == 0
                other.communicate("")
                await again(store)
                assert store.available
                await keep(store, DATA)

        run(work)


# --- a disk that is full, read-only, gone, and back ---


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    point = tmp_path / "disk"
    point.mkdir()
    mount("-t", "tmpfs", "-o", "size=8m", "tmpfs", str(point))
    yield point
    umount(point)


def test_a_disk_that_others_fill(small_disk: Path) -> None:
    async def work() -> None:
        async with opened(small_disk / "cache") as store:
            await keep(store, DATA)
            with (small_disk / "other").open("wb") as other:
                left = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
                other.write(bytes(left))
            more = content(MIB, 7)
            file = store.file(sha256(more), len(more))
            assert not await write(file, more)
            assert store.trouble == "disk full"
            kept = store.find(sha256(DATA))
            assert kept is not None
            assert await read(kept) == DATA, "what is kept is served all the same"
            (small_disk / "other").unlink()
            await again(store)
            assert store.available
            await keep(store, more)

    run(work)


def test_what_others_take_of_the_last_part_is_given_back(small_disk: Path) -> None:
    async def work() -> None:
        async with opened(small_disk / "cache") as store:
            await keep(store, content(4 * MIB))
            left = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
            (small_disk / "other").write_bytes(bytes(left - 4096))
            await store._look()
            await store.worker.do(lambda: None)
            found = os.statvfs(small_disk)
            assert found.f_bavail >= found.f_blocks // 20

    run(work)


def test_a_disk_that_becomes_read_only(small_disk: Path) -> None:
    async def work() -> None:
        async with opened(small_disk / "cache") as store:
            await keep(store, DATA)
        async with opened(small_disk / "cache") as store:
            disk = str(small_disk)  # which the log is open on for writing: so another mount over it
            mount("--bind", "-o", "ro", disk, disk)
            more = content(MIB, 7)
            assert not await write(store.file(sha256(more), len(more)), more)
            assert store.trouble == "read-only"
            kept = store.find(sha256(DATA))
            assert kept is not None
            assert await read(kept) == DATA
            umount(small_disk)
            await again(store)
            assert store.available
            await keep(store, more)

    run(work)


def test_a_disk_that_is_pulled_and_put_back(small_disk: Path) -> None:
    async def work() -> None:
        async with opened(small_disk) as store:
            await keep(store, DATA)
            await store.flush()
            umount(small_disk)
            mount("-t", "tmpfs", "-o", "size=8m", "tmpfs", str(small_disk))
            more = content(MIB, 7)
            await store._look()
            assert store.trouble == stores.GONE
            await again(store)
            assert store.available
            await keep(store, more)
            assert segments(small_disk)

    run(work)


def test_nothing_is_written_to_the_disk_that_the_pulled_one_was_mounted_on(
    small_disk: Path,
) -> None:
    async def work() -> None:
        for directory in (small_disk, small_disk / "cache"):
            async with opened(directory) as store:
                await keep(store, DATA)
                umount(small_disk)
                more = content(MIB, 7)
                assert not await write(store.file(sha256(more), len(more)), more)
                assert store.trouble == stores.GONE
                await again(store)
                assert store.trouble == stores.GONE
                assert not os.listdir(small_disk)
                mount("-t", "tmpfs", "-o", "size=8m", "tmpfs", str(small_disk))

    run(work)


def test_a_directory_that_is_removed(tmp_path: Path) -> None:
    directory = tmp_path / "cache"

    async def work() -> None:
        async with opened(directory) as store:
            file = await keep(store, DATA)
            shutil.rmtree(directory)
            directory.write_text("in its place")
            more = content(MIB, 7)
            assert not await write(store.file(sha256(more), len(more)), more)
            assert store.trouble == stores.GONE
            assert file.extent(0) is None
            assert not await file.verified(0)
            assert file.missing(0, PIECE)
            assert file.names == set()
            await again(store)
            assert store.trouble == stores.GONE
            assert await read(await keep(store, more)) == more, "in memory meanwhile"
            directory.unlink()
            await again(store)
            assert store.available
            await keep(store, more)

    run(work)


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    async def work() -> None:
        async with opened(tmp_path / "file" / "cache") as store:
            assert store.trouble == stores.GONE

    run(work)


# --- without a disk ---


def test_small_files_are_kept_in_memory_where_there_is_no_directory() -> None:
    async def work() -> None:
        leased = pool(16 * MIB)
        store = Store(leased, asyncio.get_running_loop())
        for seed in range(40):
            data = content(PIECE - 5, seed)
            file = await keep(store, data)
            assert await read(file) == data
            assert leased.used <= leased.ceiling
        assert store.written == 0
        assert leased.refused == 0
        await store.close()
        assert leased.used == store.index.cost() or leased.used == 0

    run(work)


def test_a_kernel_without_such_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> int:
        raise OSError(errno.ENOSYS, "no such call")

    async def work() -> None:
        monkeypatch.setattr(os, "memfd_create", missing)
        store = Store(pool(), asyncio.get_running_loop())
        data = content(PIECE)
        for _ in range(2):
            assert not await write(store.file(sha256(data), len(data)), data)
        await store.close()

    run(work)


def test_without_memory_nothing_is_kept() -> None:
    async def work() -> None:
        store = Store(pool(0), asyncio.get_running_loop())
        leased = store.pool
        leased.take(leased.ceiling - 1000)
        data = content(PIECE)
        assert not await write(store.file(sha256(data), len(data)), data)
        await store.close()

    run(work)

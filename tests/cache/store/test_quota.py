"""The quota, the write limit, pins; what goes for what comes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from edge.atomic import flash
from edge.cache import names as naming
from edge.cache.store import space
from edge.cache.store.space import HOUR, HOURS, Space
from edge.units import MIB
from edge.wire.merkle import PIECE
from tests.cache.store.stores import content, keep, on_disk, opened, read, run, sha256, write


def test_the_oldest_goes_and_the_quota_holds_at_every_moment(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, 8 * MIB) as store:
            files = [content(3 * MIB + 5, seed) for seed in range(5)]
            for data in files:
                file = store.file(sha256(data), len(data))
                writer = file.writer(0, len(data)) or file.writer(0, len(data))
                assert writer is not None
                for at in range(0, len(data), PIECE):
                    assert await writer.piece(data[at : at + PIECE])
                    assert on_disk(tmp_path) <= 8 * MIB
                assert await file.settle()
                assert on_disk(tmp_path) <= 8 * MIB
                del file
            newest, oldest = store.find(sha256(files[-1])), store.find(sha256(files[0]))
            assert newest is not None
            assert await read(newest) == files[-1]
            assert oldest is None or oldest.missing(0, oldest.size)
            assert store.evicted > 0

    run(work)


def test_what_was_read_last_stays(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, 8 * MIB) as store:
            first, second, third = (content(3 * MIB, seed) for seed in range(3))
            await keep(store, first)
            await keep(store, second)
            file = store.find(sha256(first))
            assert file is not None
            assert await read(file) == first
            await keep(store, third)
            assert await read(file) == first

    run(work)


def test_nothing_goes_for_what_has_no_room_anyhow(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, 8 * MIB) as store:
            file = await keep(store, content(3 * MIB))
            assert not store.room.make(9 * MIB)
            vast = store.file(naming.name(naming.ROOT, bytes(32)), 1 << 50)
            assert not await vast.set_row(bytes(64))
            assert file.whole
            assert store.evicted == 0

    run(work)


def test_a_file_that_is_larger_than_the_quota_passes_by(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, 4 * MIB) as store:
            file = store.file(sha256(b""), 5 * MIB)
            assert file.writer(0, 5 * MIB) is None
            assert store.refused == {"quota": 1}

    run(work)


def test_a_full_store_takes_what_is_asked_for_twice_and_pins_at_once(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, 8 * MIB) as store:
            for seed in range(2):
                await keep(store, content(3 * MIB + 5, seed))
            passing, pinned = content(3 * MIB, 7), content(3 * MIB, 8)
            file = store.file(sha256(passing), len(passing))
            assert file.writer(0, len(passing)) is None
            assert store.refused == {"admission": 1}
            assert await write(file, passing)
            imported = store.file(sha256(pinned), len(pinned))
            imported.pinned = True
            writer = imported.writer(0, len(pinned))
            assert writer is not None
            writer.close()

    run(work)


def test_two_writers_are_not_promised_the_same_room(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, 8 * MIB) as store:
            one, two = content(5 * MIB, 1), content(5 * MIB, 2)
            first = store.file(sha256(one), len(one))
            second = store.file(sha256(two), len(two))
            writer = first.writer(0, len(one))
            assert writer is not None
            assert second.writer(0, len(two)) is None
            writer.close()
            assert await write(second, two)

    run(work)


def test_the_pinned_stays_and_is_still_there_after_a_restart(tmp_path: Path) -> None:
    first, second = content(5 * MIB, 1), content(5 * MIB, 2)

    async def work() -> None:
        async with opened(tmp_path, 8 * MIB) as store:
            (await keep(store, first)).pinned = True
        async with opened(tmp_path, 8 * MIB) as store:
            file = store.file(sha256(second), len(second))
            assert file.writer(0, len(second)) is None
            pinned = store.find(sha256(first))
            assert pinned is not None
            assert pinned.pinned
            assert await read(pinned) == first
            pinned.pinned = False
            assert await write(file, second)

    run(work)


def test_a_smaller_quota_is_kept_to_at_once(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, 16 * MIB) as store:
            for seed in range(4):
                await keep(store, content(3 * MIB, seed))
            await store.open(str(tmp_path), 8 * MIB, 0)
            await store.worker.do(lambda: None)
            assert on_disk(tmp_path) <= 8 * MIB
        async with opened(tmp_path, 4 * MIB) as store:
            await store.worker.do(lambda: None)
            assert on_disk(tmp_path) <= 4 * MIB
            assert store.index.segments > 0

    run(work)


def test_no_more_is_written_than_a_day_has(tmp_path: Path) -> None:
    data = content(3 * MIB)

    async def work() -> None:
        async with opened(tmp_path, 64 * MIB, 4 * MIB) as store:
            await keep(store, data)
            other = content(3 * MIB, 2)
            assert not await write(store.file(sha256(other), len(other)), other)
            assert store.written <= 4 * MIB
            assert set(store.refused) <= {"write-limit", "room"}
        async with opened(tmp_path, 64 * MIB, 4 * MIB) as store:  # a restart is no new day
            assert not await write(store.file(sha256(other), len(other)), other)

    run(work)


def test_what_was_written_for_nothing_counts_too(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, 64 * MIB, 4 * MIB) as store:
            for seed in range(4):
                data = content(MIB - 7, seed)
                file = store.file(sha256(data), len(data))
                writer = file.writer(0, len(data))
                if writer is not None:
                    assert await writer.piece(data[:PIECE])
                    store.drop_file(file.at)
                    writer.close()
            assert store.written >= 4 * PIECE
            before = flash.written
            for seed in range(9):
                data = content(MIB - 7, seed)
                await write(store.file(sha256(data), len(data)), data)
            await store.flush()
            assert store.written <= 4 * MIB
            assert flash.written - before <= 3 * MIB

    run(work)


def test_a_day_is_24_hours_of_running() -> None:
    day = Space(64 * MIB, 4 * MIB)
    day.tick(1000.0)
    day.wrote(3 * MIB)
    assert day.may_write == MIB
    day.tick(1000.0 + (HOURS - 1) * HOUR)
    assert day.may_write == MIB
    day.tick(1000.0 + HOURS * HOUR)
    assert day.may_write == 4 * MIB
    day.tick(5.0)  # a clock that jumps back gives nothing
    assert day.may_write == 4 * MIB


def test_flash_is_written_little_more_than_is_kept(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, 64 * MIB) as store:
            before = flash.written
            data = content(24 * MIB)
            await keep(store, data)
            await store.flush()
            assert store.kept == len(data)
            assert store.written <= 1.05 * len(data)
            assert flash.written - before <= 1.05 * len(data)

    run(work)


@pytest.mark.parametrize(
    ("mounts", "expected"),
    [
        ("22 1 0:20 / / rw - ext4 /dev/root rw", False),
        ("22 1 0:20 / / rw - ext4 /dev/root rw\n23 22 31:6 / /tmp rw - jffs2 /dev/mtd6 rw", True),
        (
            "22 1 0:20 / / rw,noatime - overlay overlayfs:/overlay rw,upperdir=/overlay/upper\n"
            "23 22 0:19 / /overlay rw shared:3 - ubifs /dev/ubi0_1 rw",
            True,
        ),
        ("garbage\n- - -\n", False),
    ],
)
def test_raw_flash_is_known_below_an_overlay(tmp_path: Path, mounts: str, expected: bool) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(mounts)
    assert space.is_raw_flash("/tmp/cache", str(table)) == expected


def test_the_last_part_of_a_disk_is_left_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file system's own numbers, moved until next to nothing is above the last 5 percent."""
    import os

    real = os.statvfs(tmp_path)
    taken = real.f_bavail - real.f_blocks // 20 - 2 * MIB // real.f_frsize

    class Fuller:
        f_bavail, f_blocks, f_frsize = real.f_bavail - taken, real.f_blocks, real.f_frsize

    async def work() -> None:
        monkeypatch.setattr(space.os, "statvfs", lambda _: Fuller)
        async with opened(tmp_path, 64 * MIB) as store:
            data = content(3 * MIB)
            assert store.file(sha256(data), len(data)).writer(0, len(data)) is None
            assert store.refused == {"disk": 1}
            await keep(store, content(MIB))

    run(work)


def test_many_small_ranges_one_after_the_other_share_a_segment(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, 64 * MIB) as store:
            data = content(8 * MIB)
            file = store.file(sha256(data), len(data))
            for at in range(0, len(data), PIECE):
                assert await write(file, data, at, at + PIECE)
            assert await file.settle()
            assert store.index.segments == 2

    run(work)


def test_concurrent_ranges_of_one_file(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, 64 * MIB) as store:
            data = content(16 * MIB - 77)
            file = store.file(sha256(data), len(data))
            part = 2 * MIB
            done = await asyncio.gather(
                *(
                    write(file, data, at, min(at + part, len(data)))
                    for at in range(0, len(data), part)
                )
            )
            assert all(done)
            assert await file.settle()
            assert await read(file) == data

    run(work)

"""What is kept is found again: in this process, and in the next."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from edge.cache import names as naming
from edge.cache.store.store import Store
from edge.units import MIB
from edge.wire import merkle
from edge.wire.merkle import PIECE
from tests.cache.fragments.hosts import prover
from tests.cache.store.stores import (
    SIZE,
    content,
    extent,
    keep,
    on_disk,
    opened,
    pool,
    read,
    run,
    sha256,
    write,
)

DATA = content(5 * PIECE + 1000)
LONG = content(40 * PIECE + 1, 2)


def test_a_file_is_read_back_and_after_a_restart(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as store:
            file = await keep(store, LONG)
            assert file.whole
            assert await read(file) == LONG
        async with opened(tmp_path) as store:
            again = store.find(sha256(LONG))
            assert again is not None
            assert again.whole
            assert again.extent(0) is None, "before it was verified"
            assert await read(again) == LONG

    run(work)


def test_its_root_is_another_name(tmp_path: Path) -> None:
    row = b"".join(merkle.piece_hash(LONG[at : at + PIECE]) for at in range(0, len(LONG), PIECE))
    root = merkle.root(row)

    async def work() -> None:
        async with opened(tmp_path) as store:
            file = await keep(store, LONG)
            assert file.root == root
            assert store.find(naming.name(naming.ROOT, root)) is file
            assert await file.row(0, 41) == row
            assert await file.row(3, 20) == row[3 * 32 : 23 * 32]

    run(work)


def test_what_is_missing_is_told_in_pieces(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as store:
            file = store.file(sha256(LONG), len(LONG))
            assert file.missing(0, len(LONG)) == [(0, len(LONG))]
            assert await write(file, LONG, 2 * PIECE, 5 * PIECE)
            assert file.missing(1, len(LONG)) == [(0, 2 * PIECE), (5 * PIECE, len(LONG))]
            assert file.missing(2 * PIECE, 5 * PIECE) == []
            assert await write(file, LONG)
            assert await file.settle()
            assert await read(file) == LONG

    run(work)


def test_a_file_that_is_not_what_its_name_says_is_dropped(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as store:
            file = store.file(sha256(LONG), len(LONG))
            assert await write(file, b"x" + LONG[1:])
            assert not await file.settle()
            assert store.find(sha256(LONG)) is None
            assert store.refused["wrong"] == 1

    run(work)


def test_notes_last(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as store:
            store.notes.put(b"a/1", b"one")
            store.notes.put(b"a/2", b"two")
            store.notes.put(b"b", b"x" * 65536)
            store.notes.delete(b"a/2")
            assert store.notes.get(b"a/1") == b"one"
        async with opened(tmp_path) as store:
            assert store.notes.get(b"a/1") == b"one"
            assert store.notes.get(b"a/2") is None
            assert store.notes.get(b"b") == b"x" * 65536
            assert store.notes.keys(b"a/") == [b"a/1"]

    run(work)


def test_what_came_in_the_place_of_what_went_is_checked_again(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as store:
            file = await keep(store, LONG)
            store.drop(file.slots()[0], 0)
            assert not file.whole
            assert await write(file, bytes(len(LONG)))
            assert not file.whole
        async with opened(tmp_path) as store:
            again = store.find(sha256(LONG))
            assert again is not None
            assert not again.whole
            assert not await again.settle()
            assert store.find(sha256(LONG)) is None

    run(work)


def test_the_same_content_by_two_names_is_kept_once(tmp_path: Path) -> None:
    one, two = naming.by_origin("http://a", "1"), naming.by_origin("http://b", "2")

    async def work() -> None:
        async with opened(tmp_path) as store:
            first = await keep(store, LONG, one)
            second = await keep(store, LONG, two)
            assert first.missing(0, PIECE)
            assert store.find(one) is second
            assert second.names >= {one, two}
            assert await read(second) == LONG
            assert sum(file.kept for file in store.files()) == len(LONG)

    run(work)


def test_git_s_name_of_a_small_file(tmp_path: Path) -> None:
    data = b"what is up, doc?"
    digest = bytes.fromhex("bd9dbf5aae1a3862dd1526723246b20206e5fc37")  # the Pro Git book's

    async def work() -> None:
        async with opened(tmp_path) as store:
            name = naming.name(naming.GIT_SHA1, digest)
            file = await keep(store, data, name)
            assert await read(file) == data
            other = store.file(name, len(data) + 1)
            assert other.size == len(data) + 1
            assert not await write(other, data + b"?")
            assert await read(file) == data

    run(work)


def test_a_wrong_piece_is_found_though_right_ones_came_past_it(tmp_path: Path) -> None:
    data = content(3 * PIECE)
    wrong = data[:PIECE] + bytes([data[PIECE] ^ 1]) + data[PIECE + 1 :]

    async def work() -> None:
        async with opened(tmp_path) as store:
            file = store.file(sha256(data), len(data))
            assert await write(file, wrong, PIECE, 2 * PIECE)
            assert await write(file, data)
            assert not await file.settle()
            await keep(store, data)

    run(work)


def test_a_piece_that_is_lost_is_hashed_again_when_it_comes_again(tmp_path: Path) -> None:
    data = content(3 * PIECE)
    wrong = bytes([data[0] ^ 1]) + data[1:]

    async def work() -> None:
        async with opened(tmp_path) as store:
            file = store.file(sha256(data), len(data))
            assert await write(file, data, 0, PIECE)
            await store.growth.finish(file)
            store.drop(file.slot(0), 0)
            assert await write(file, wrong, 0, PIECE)
            assert await write(file, data, PIECE)
            assert not await file.settle()

    run(work)


@pytest.mark.parametrize("others", [0, 1])
def test_two_write_the_same_pieces_at_once(tmp_path: Path, others: int) -> None:
    """Of the same content, or one of another (1)."""
    data = content(20 * PIECE + 5)
    second = data[: -3 * PIECE] + content(3 * PIECE, seed=2) if others else data

    async def work() -> None:
        async with opened(tmp_path) as store:
            file = store.file(sha256(data), len(data))
            assert await asyncio.gather(write(file, data), write(file, second)) == [True, True]
            assert file.kept == file.size
            if await file.settle():
                assert await read(file) == data
            else:
                assert others

    run(work)


def test_one_settles_while_another_still_writes(tmp_path: Path) -> None:
    data = content(2 * PIECE)

    async def work() -> None:
        async with opened(tmp_path) as store:
            file = store.file(sha256(data), len(data))

            async def both() -> bool:
                return await write(file, data) and await file.settle()

            assert await asyncio.gather(*[both() for _ in range(4)]) == [True] * 4
            assert await read(file) == data

    run(work)


def test_a_hash_becomes_a_name_if_it_is_the_content_s(tmp_path: Path) -> None:
    data, other = content(2 * PIECE), content(2 * PIECE, seed=2)

    async def work() -> None:
        async with opened(tmp_path) as store:
            file = store.file(naming.name(naming.ROOT, prover(data).root), len(data))
            assert await write(file, data)
            assert await file.settle()
            begun = store.file(sha256(data), len(data))
            assert await write(begun, data, 0, PIECE)
            assert not await store.named(file, sha256(other))
            assert await store.named(file, sha256(data))
            assert not await store.named(file, sha256(other))
            assert store.find(sha256(data)) is file
            assert begun.at == -1
            assert await read(file) == data

    run(work)


def test_an_empty_file_needs_no_room(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as store:
            file = store.file(sha256(b""), 0)
            assert file.missing(0, 0) == []
            assert await file.settle()
            assert file.whole
            assert await read(file) == b""
            assert not await store.file(sha256(b"x"), 0).settle()

    run(work)


def test_pieces_are_checked_as_they_come_where_the_root_proved_their_hashes(
    tmp_path: Path,
) -> None:
    row = b"".join(merkle.piece_hash(LONG[at : at + PIECE]) for at in range(0, len(LONG), PIECE))
    root = naming.name(naming.ROOT, merkle.root(row))

    async def work() -> None:
        async with opened(tmp_path) as store:
            file = store.file(root, len(LONG))
            assert not await file.set_row(row[:-32] + bytes(32))
            assert await file.row(0, 1) is None
            assert await file.set_row(row[: 10 * 32])
            assert await file.set_row(row[10 * 32 :], 10)
            assert await file.row(0, 41) == row
            writer = file.writer(0, len(LONG))
            assert writer is not None
            assert await writer.piece(LONG[:PIECE])
            assert not await writer.piece(bytes(PIECE))
        async with opened(tmp_path) as store:
            again = store.find(root)
            assert again is not None
            assert await again.row(5, 36) == row[5 * 32 :]
            assert not await write(again, bytes(len(LONG)))
            assert await write(again, LONG)
            assert await again.settle()
            assert await again.row(0, 41) == row
            await store.worker.do(lambda: None)
            assert not list_rows(tmp_path)
        async with opened(tmp_path) as store:
            last = store.find(root)
            assert last is not None
            assert await read(last) == LONG

    run(work)


def list_rows(directory: Path) -> list[Path]:
    return list(directory.glob("*.row"))


def test_a_writer_that_is_cancelled_leaves_what_it_wrote(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as store:
            file = store.file(sha256(LONG), len(LONG))
            task = asyncio.ensure_future(write(file, LONG))
            for _ in range(1 << 20):
                await asyncio.sleep(0)
                if file.kept >= 3 * PIECE:
                    break
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert store.room.promised == 0
            assert await write(file, LONG)
            assert await file.settle()
            assert await read(file) == LONG

    run(work)


def test_a_store_that_closes_under_a_writer_keeps_what_came_before(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as store:
            file = store.file(sha256(LONG), len(LONG))
            writer = file.writer(0, len(LONG))
            assert writer is not None
            for at in range(0, 5 * PIECE, PIECE):
                assert await writer.piece(LONG[at : at + PIECE])
            late = asyncio.ensure_future(writer.piece(LONG[5 * PIECE : 6 * PIECE]))
            await asyncio.sleep(0)
        assert not await late
        assert not await writer.piece(LONG[5 * PIECE : 6 * PIECE])
        writer.close()
        assert file.writer(0, PIECE) is None
        async with opened(tmp_path) as store:
            again = store.find(sha256(LONG))
            assert again is not None
            assert not again.missing(0, 5 * PIECE)
            assert await write(again, LONG)
            assert await again.settle()
            assert await read(again) == LONG

    run(work)


def test_an_extent_outlives_what_it_is_of(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as store:
            file = await keep(store, DATA)
            found = await extent(file, 0)
            assert found is not None
            store.drop_file(file.at)
            for seed in range(20):
                await keep(store, content(PIECE, seed))
            part = os.pread(found.fd, found.length, found.position)
            assert part == DATA[: found.length]

    run(work)


def test_notes_are_bounded_and_the_oldest_go(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, 16 * MIB) as store:
            for number in range(60):
                store.notes.put(b"%d" % number, bytes(1 << 16))
                await store.flush()
            assert store.notes.get(b"0") is None
            assert store.notes.get(b"59") == bytes(1 << 16)
            assert on_disk(tmp_path) <= 4 * MIB
            for number in range(3000):
                store.notes.put(b"n%d" % number, b"")
            assert len(store.notes) <= 2048
        async with opened(tmp_path, 16 * MIB) as store:
            assert store.notes.get(b"n2999") == b""

    run(work)


def test_notes_without_a_directory_go_to_it_once_there_is_one(tmp_path: Path) -> None:
    async def work() -> None:
        store = Store(pool(), asyncio.get_running_loop())
        store.notes.put(b"early", b"1")
        await store.open(str(tmp_path), SIZE)
        assert store.notes.get(b"early") == b"1"
        await store.close()
        async with opened(tmp_path) as later:
            assert later.notes.get(b"early") == b"1"

    run(work)

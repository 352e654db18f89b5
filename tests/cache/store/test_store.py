"""What is kept is found again: in this process, and in the next."""

from __future__ import annotations

from pathlib import Path

from edge.cache import names as naming
from edge.wire import merkle
from edge.wire.merkle import PIECE
from tests.cache.store.stores import content, keep, opened, read, run, sha256, write

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

"""Any order of anything: beside a store, a model of what it may and must have."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.cache.store.store import Store
from edge.units import MIB
from edge.wire.merkle import PIECE, pieces
from tests.cache.store.stores import (
    content,
    extent,
    on_disk,
    pool,
    quick_directory,
    read,
    sha256,
    write,
)

QUOTA = 4 * MIB
FILES = [
    content(size, size) for size in (1, PIECE, PIECE + 1, 5 * PIECE + 9, 9 * PIECE, 20 * PIECE)
]

numbers = st.integers(0, len(FILES) - 1)
places = st.integers(0, 19)
operations = st.lists(
    st.one_of(
        st.tuples(st.just("write"), numbers, places, places),
        st.tuples(st.just("whole"), numbers),
        st.tuples(st.just("wrong"), numbers, places),
        st.tuples(st.just("read"), numbers, places),
        st.tuples(st.just("drop"), numbers),
        st.tuples(st.just("pin"), numbers, st.booleans()),
        st.tuples(st.just("note"), st.integers(0, 5), st.binary(max_size=50)),
        st.tuples(st.just("forget"), st.integers(0, 5)),
        st.tuples(st.just("restart")),
        st.tuples(st.just("rebuild")),
    ),
    max_size=30,
)


class Model:
    """`whole`: files that are, and pinned: so nothing may take them away."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.store: Store
        self.pinned: set[int] = set()
        self.whole: set[int] = set()
        self.notes: dict[bytes, bytes] = {}

    async def open(self) -> None:
        self.store = Store(pool(), asyncio.get_running_loop())
        await self.store.open(str(self.directory), QUOTA)
        assert self.store.available

    async def check(self) -> None:
        await self.store.worker.do(lambda: None)
        assert on_disk(self.directory) <= QUOTA
        assert self.store.room.promised == 0
        for number in self.pinned & self.whole:
            file = self.store.find(sha256(FILES[number]))
            assert file is not None
            assert not file.missing(0, file.size)
        for key in (b"%d" % number for number in range(6)):
            assert self.store.notes.get(key) == self.notes.get(key)

    async def write(self, number: int, first: int, last: int) -> None:
        data = FILES[number]
        first, last = sorted((min(first, pieces(len(data)) - 1), min(last, pieces(len(data)) - 1)))
        file = self.store.file(sha256(data), len(data))
        end = min((last + 1) * PIECE, len(data))
        if await write(file, data, first * PIECE, end):
            assert not file.missing(first * PIECE, end)

    async def whole_(self, number: int) -> None:
        data = FILES[number]
        file = self.store.file(sha256(data), len(data))
        if await write(file, data):
            assert await file.settle()
            assert file.whole
            assert await read(file) == data
            self.whole.add(number)

    async def wrong(self, number: int, place: int) -> None:
        """The last bytes of another file come under this one's name."""
        data = bytearray(FILES[number])
        data[min(place * PIECE, len(data) - 1)] ^= 1
        file = self.store.file(sha256(FILES[number]), len(data))
        kept = not file.missing(0, file.size)
        if file.whole or not await write(file, bytes(data)):
            return
        assert await file.settle() <= (kept or await read(file) == FILES[number])
        if not file.whole:
            assert self.store.find(sha256(FILES[number])) is None
            self.whole.discard(number)
            self.pinned.discard(number)

    async def read(self, number: int, place: int) -> None:
        file = self.store.find(sha256(FILES[number]))
        at = place * PIECE
        if file is None or at >= file.size:
            return
        part = await extent(file, at)
        assert (part is None) == bool(file.missing(at, at + 1))
        if part is not None and file.whole:
            data = os.pread(part.fd, part.length, part.position)
            assert data == FILES[number][at : at + part.length]

    async def drop(self, number: int) -> None:
        file = self.store.find(sha256(FILES[number]))
        if file is not None:
            self.store.drop_file(file.at)
        self.whole.discard(number)
        self.pinned.discard(number)

    async def pin(self, number: int, value: bool) -> None:
        file = self.store.find(sha256(FILES[number]))
        if file is None or not file.whole:
            return
        file.pinned = value
        self.whole.add(number)
        (self.pinned.add if value else self.pinned.discard)(number)

    async def note(self, number: int, value: bytes) -> None:
        self.store.notes.put(b"%d" % number, value)
        self.notes[b"%d" % number] = value

    async def forget(self, number: int) -> None:
        self.store.notes.delete(b"%d" % number)
        self.notes.pop(b"%d" % number, None)

    async def restart(self) -> None:
        await self.store.close()
        await self.open()

    async def rebuild(self) -> None:
        """The log is lost, and all that stood in it alone."""
        await self.store.close()
        for path in self.directory.glob("*.idx"):
            path.unlink()
        self.pinned.clear()
        await self.open()


@settings(max_examples=60)
@given(operations)
def test_whatever_happens(program: list[tuple[object, ...]]) -> None:
    async def work(directory: Path) -> None:
        model = Model(directory)
        await model.open()
        for operation in program:
            name, *arguments = operation if isinstance(operation, tuple) else (operation,)
            name = "whole_" if name == "whole" else name
            await getattr(model, str(name))(*arguments)
            await model.check()
        await model.store.close()
        assert model.store.pool.used <= 1 << 20

    with quick_directory() as directory:
        asyncio.run(work(directory))

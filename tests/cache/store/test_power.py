"""Power fails at any moment, on a disk that loses, tears and reorders what was not flushed."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import pytest

from edge.cache.store import book
from edge.units import MIB
from edge.wire.merkle import PIECE
from tests.cache.store.fault_disk import FaultDisk
from tests.cache.store.stores import content, extent, keep, on_disk, opened, read, sha256

QUOTA = 5 * MIB
FILES = [content((number + 1) * PIECE + number, number) for number in range(6)]
FAILURES = 60


class Failure:
    """`there`: what was in the directory; `lasting`: files that had to be there by then."""

    def __init__(self, there: dict[str, bytes], lasting: set[int]) -> None:
        self.there = there
        self.lasting = lasting


async def _work(
    directory: Path, disk: FaultDisk, rng: random.Random, failures: list[Failure]
) -> None:
    lasting: set[int] = set()
    moments = set(rng.sample(range(1000), FAILURES))
    moment = -1

    def at_each() -> None:
        nonlocal moment
        moment += 1
        if moment in moments:
            failures.append(Failure(disk.after_failure(rng), set(lasting)))

    disk.at_each = at_each
    numbers = {sha256(data): number for number, data in enumerate(FILES)}
    async with opened(directory, QUOTA) as store:
        drop = store.drop

        def dropping(slot: int, count: int) -> None:
            names = store.index.names(store.index.owner[slot])
            lasting.difference_update(numbers[name] for name in names if name in numbers)
            drop(slot, count)

        store.drop = dropping  # type: ignore[method-assign]
        while moment < max(moments):
            number = rng.randrange(len(FILES))
            file = store.find(sha256(FILES[number]))
            if file is not None and file.whole:
                assert await read(file) == FILES[number]
                if rng.random() < 0.2:
                    store.drop_file(file.at)
                continue
            await keep(store, FILES[number])
            store.notes.put(b"key", b"%d" % number * 3000)
            await store.flush()
            for one, data in enumerate(FILES):
                kept = store.find(sha256(data))
                if kept is not None and kept.whole:
                    lasting.add(one)


async def _look(directory: Path, failure: Failure) -> None:
    async with opened(directory, QUOTA) as store:
        assert store.available
        for number, data in enumerate(FILES):
            file = store.find(sha256(data))
            if number in failure.lasting:
                assert file is not None
                assert file.whole, (number, file.missing(0, file.size), failure.lasting)
                assert await read(file) == data
            for at in range(0, len(data), PIECE) if file is not None else ():
                assert file is not None
                part = await extent(file, at)
                if part is not None:
                    found = os.pread(part.fd, part.length, part.position)
                    assert found == data[at : at + part.length]
        await store.worker.do(lambda: None)
        assert on_disk(directory) <= QUOTA
        note = store.notes.get(b"key")
        assert note is None or note == note[:1] * 3000
    async with opened(directory, QUOTA) as store:  # and what was mended stays so
        for number in failure.lasting:
            file = store.find(sha256(FILES[number]))
            assert file is not None
            assert file.whole
        await keep(store, FILES[0])


@pytest.mark.parametrize("seed", range(3))
def test_what_was_there_for_certain_is_there_and_nothing_is_wrong(
    tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    failures: list[Failure] = []
    directory = tmp_path / "disk"
    directory.mkdir()
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(book, "_SLACK", 500)  # so that the log is written anew again and again
        disk = FaultDisk(directory, patches)
        asyncio.run(_work(directory, disk, rng, failures))
    assert len(failures) == FAILURES
    assert sum(len(failure.lasting) for failure in failures) > FAILURES // 2
    for number, failure in enumerate(failures):
        after = tmp_path / str(number)
        after.mkdir()
        for name, data in failure.there.items():
            (after / name).write_bytes(data)
        asyncio.run(_look(after, failure))

"""Kill -9 at any moment of an import or a fetch: what was told is there, and nothing is wrong."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge.cache import names
from edge.cache.catalog import Catalog
from edge.cache.jobs import Job
from edge.cache.local import LocalFile, add
from edge.crypto import Ed25519Key
from edge.units import MIB
from edge.wire import merkle
from edge.wire.merkle import PIECE
from tests.cache.store.stores import content, opened, pool, quick_directory, read, sha256, write
from tests.cache.store.test_kill import NURSERY

KILLS = 100
QUOTA = 16 * MIB
SIZES = (3 * PIECE, 5 * PIECE + 1)
DONE = "done"  # a file of the names that were told as kept


def label(number: int) -> str:
    return f"model-{number}.bin"


def sources(directory: Path) -> list[Path]:
    return [directory / label(number) for number in range(len(SIZES))]


async def import_all(directory: Path) -> None:
    """Import each file that is not told as kept, and tell it."""
    done = directory / DONE
    told = done.read_text().split() if done.exists() else []
    async with opened(directory / "cache", QUOTA) as store:
        catalog = Catalog(store, Ed25519Key.generate(), pool())
        for path in sources(directory):
            if path.name in told:
                continue
            with LocalFile(os.open(path, os.O_RDONLY), store, pool()) as source:
                await add(store, catalog, source, path.name, False, Job(1))
            with done.open("a") as file:
                file.write(f"{path.name}\n")


async def check(directory: Path) -> None:
    """What was told is whole, has its name and is pinned; nothing is wrong."""
    done = directory / DONE
    told = done.read_text().split() if done.exists() else []
    async with opened(directory / "cache", QUOTA) as store:
        catalog = Catalog(store, Ed25519Key.generate(), pool())
        for path in sources(directory):
            data = path.read_bytes()
            file = store.find(sha256(data))
            if path.name in told:
                assert file is not None
                assert file.whole
                assert file.pinned
                assert catalog.label(file) == path.name
                assert await read(file) == data
            elif file is not None:
                assert await read(file) in (None, data)
        assert not store.repaired


async def fetch_all(directory: Path) -> None:
    """Keep each file by its root, as the fetcher does with what peers send: first its row."""
    done = directory / DONE
    told = done.read_text().split() if done.exists() else []
    async with opened(directory / "cache", QUOTA) as store:
        catalog = Catalog(store, Ed25519Key.generate(), pool())
        for path in sources(directory):
            if path.name in told:
                continue
            data = path.read_bytes()
            row = b"".join([merkle.piece_hash(data[at : at + PIECE]) for at in starts(data)])
            file = store.file(names.name(names.ROOT, merkle.root(row)), len(data))
            assert file.whole or await file.set_row(row)
            for start, end in file.missing(0, file.size):
                assert await write(file, data, start, end)
            assert await file.settle()
            assert store.alias(file, sha256(data)) or sha256(data) in file.names
            file.pinned = True
            catalog.set_label(file, path.name)
            assert await store.flush()
            with done.open("a") as listed:
                listed.write(f"{path.name}\n")


def starts(data: bytes) -> range:
    return range(0, len(data), PIECE)


async def forget_all(directory: Path) -> None:
    (directory / DONE).write_text("")
    async with opened(directory / "cache", QUOTA) as store:
        for file in list(store.files()):
            store.drop_file(file.at)


WORK = {"import": import_all, "fetch": fetch_all}


async def child(directory: Path, _: int) -> None:
    """Do it and forget it, without end."""
    work = WORK[(directory / "work").read_text()]
    while True:
        await work(directory)
        await forget_all(directory)


@pytest.mark.parametrize("what", WORK)
def test_kill_at_random_points(what: str) -> None:
    rng = random.Random(3)
    nursery = NURSERY.replace("test_kill.child", "test_kills.child").replace(
        "from tests.cache.store import test_kill",
        "from tests.cache.store import test_kill\nfrom tests.cache import test_kills",
    )
    with quick_directory() as directory:
        for path, size in zip(sources(directory), SIZES, strict=True):
            path.write_bytes(content(size, size))
        (directory / "work").write_text(what)
        with subprocess.Popen(
            [sys.executable, "-c", nursery, str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            for _ in range(KILLS):
                process.stdin.write(f"{rng.randrange(1, 60)}\n")
                assert int(process.stdout.readline()) == signal.SIGKILL, "it ended by itself"
                asyncio.run(check(directory))
                asyncio.run(WORK[what](directory))  # again, over what was left
                asyncio.run(check(directory))
                if rng.random() < 0.7:
                    (directory / DONE).unlink(missing_ok=True)
            process.stdin.close()

"""Stores for the tests, and files to keep in them."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from edge.budget import Budget, Pool
from edge.cache import names as naming
from edge.cache.store import layout
from edge.cache.store.file import Extent, File
from edge.cache.store.store import Store
from edge.units import MIB
from edge.wire.merkle import PIECE

SIZE = 64 * MIB


def pool(memory: int = 64 * MIB) -> Pool:
    return Budget(memory, 0).pool("cache", 0.5)


@asynccontextmanager
async def opened(
    directory: Path | str, size: int = SIZE, max_written: int = 0
) -> AsyncIterator[Store]:
    store = Store(pool(), asyncio.get_running_loop())
    await store.open(str(directory), size, max_written)
    try:
        yield store
    finally:
        await store.close()


def content(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def sha256(data: bytes) -> bytes:
    return naming.name(naming.SHA256, hashlib.sha256(data).digest())


async def write(file: File, data: bytes, start: int = 0, end: int | None = None) -> bool:
    """Write the pieces of `data` (the whole file's) in [start, end)."""
    stop = len(data) if end is None else end
    writer = file.writer(start, stop) or file.writer(start, stop)  # when it is full, who asks twice
    if writer is None:
        return False
    try:
        for at in range(start, stop, PIECE):
            if not await writer.piece(data[at : min(at + PIECE, len(data))]):
                return False
        return True
    finally:
        writer.close()


async def keep(store: Store, data: bytes, name: bytes = b"") -> File:
    """A file with `data`, written and settled."""
    file = store.file(name or sha256(data), len(data))
    assert await write(file, data), (store.trouble, store.refused)
    assert await file.settle(), (store.trouble, store.refused)
    return file


async def extent(file: File, offset: int) -> Extent | None:
    found = file.extent(offset)
    if found is None and await file.verified(offset):
        found = file.extent(offset)
        assert found is not None
    return found


async def read(file: File) -> bytes | None:
    """All of the file; None: not all of it is kept."""
    data = bytearray()
    while len(data) < file.size:
        found = await extent(file, len(data))
        if found is None:
            return None
        part = os.pread(found.fd, found.length, found.position)
        assert len(part) == found.length
        data += part
    return bytes(data)


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), 60))


@contextmanager
def quick_directory() -> Iterator[Path]:
    """In memory: for what does not depend on a disk and flushes without end."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        yield Path(directory)


def segments(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.seg"))


def logs(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.idx"))


def on_disk(directory: Path) -> int:
    return sum(one.stat().st_size for one in directory.iterdir())


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def umount(point: Path) -> None:
    """Also while files are open there."""
    subprocess.run(["umount", "-l", str(point)], check=True)


HEADER = layout.HEADER

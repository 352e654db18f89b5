"""Files that a caller has opened: read into the store, or written from it, off the loop.

Import reads a file twice. The first time tells its SHA-256, which is its name: so the pieces that
an import which was killed has left are found again, and nothing is written that is there already.
"""

from __future__ import annotations

import fcntl
import os
import stat
from functools import partial

from edge.cache import names
from edge.cache.catalog import read_part
from edge.cache.errors import CacheError
from edge.cache.store.worker import Worker
from edge.crypto import digests
from edge.models.errors import ModelError
from edge.models.manifest import id_of
from edge.wire.merkle import PIECE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from typing import Self

    from edge.budget import Pool
    from edge.cache.catalog import Catalog
    from edge.cache.jobs import Job
    from edge.cache.store.file import File
    from edge.cache.store.store import Store
    from edge.models.manifest import Manifest

CHUNK = 4 * PIECE  # bytes that are read at a time
MAX_SIZE = 1 << 50  # bytes of a file
_REASONS = {
    "quota": "it is larger than the space that is left in the cache ([cache] size)",
    "disk": "the disk of the cache has too little space",
    "write-limit": "no more may be written today ([cache] max_written)",
}


class LocalFile:
    """An open file, which is closed at the end. Raises CacheError unless it is a plain one."""

    def __init__(self, fd: int, store: Store, pool: Pool, writable: bool = False) -> None:
        self._fd = fd
        self._store = store
        self._pool = pool
        try:
            about = os.fstat(fd)
            mode = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE
            if not stat.S_ISREG(about.st_mode):
                raise CacheError("not a plain file")
            if mode == (os.O_RDONLY if writable else os.O_WRONLY):
                raise CacheError("a file that was opened the wrong way")
            if not writable and not 0 < about.st_size <= MAX_SIZE:
                raise CacheError("an empty file" if not about.st_size else "too large a file")
        except CacheError:
            os.close(fd)
            raise
        self.size = about.st_size
        self._worker = Worker(store.loop, "cache-file")

    def __enter__(self) -> Self:
        if not self._pool.take(CHUNK):
            os.close(self._fd)
            raise CacheError("there is too little memory")
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.give(CHUNK)
        self._worker.later(partial(os.close, self._fd))  # after what is under way

    def close(self) -> None:
        """Without having used it."""
        os.close(self._fd)

    def read_at(self, offset: int, length: int) -> bytes:
        """From any thread. Raises OSError."""
        return os.pread(self._fd, length, offset)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The whole of it. Raises CacheError if it ends early, and OSError."""
        for at in range(0, self.size, CHUNK):
            length = min(CHUNK, self.size - at)
            data = await self._worker.do(partial(os.pread, self._fd, length, at))
            if len(data) != length:
                raise CacheError("the file became shorter while it was read")
            yield data

    async def sha256(self, told: Callable[[int], None]) -> bytes:
        """`told`: of the bytes that were hashed."""
        running = digests.new()
        async for data in self.chunks():
            await self._worker.do(partial(running.update, data))
            told(len(data))
        return running.digest()

    async def write(self, data: bytes, offset: int) -> None:
        """Raises OSError."""
        view = memoryview(data)
        while view:
            written = await self._worker.do(partial(os.pwrite, self._fd, view, offset))
            view = view[written:]
            offset += written

    async def finish(self, size: int) -> None:
        """It ends after `size` bytes."""
        await self._worker.do(partial(os.ftruncate, self._fd, size))


async def add(
    store: Store, catalog: Catalog, source: LocalFile, label: str, model: bool, job: Job
) -> dict[str, object]:
    """Keep a file of the caller's. `model`: refuse it if it is none. Raises CacheError, OSError."""

    def told(count: int) -> None:
        job.done += count

    job.total = 2 * source.size
    manifest = await _manifest(catalog, source) if model else None
    sha256 = await source.sha256(told)
    file = store.file(names.name(names.SHA256, sha256), source.size)
    if not file.whole:
        await _keep(store, file, source, told)
    file.pinned = True
    catalog.set_label(file, label)
    root = file.root
    assert root is not None
    answer: dict[str, object] = {"name": f"sha256:{sha256.hex()}", "size": source.size}
    answer["root"] = root.hex()
    if manifest is not None:
        encoded = manifest.encode()
        catalog.keep_manifest(root, encoded)
        job.files.append((sha256, source.size, id_of(encoded)))
        answer.update(about(manifest), manifest=id_of(encoded).hex())
    job.done = job.total
    return answer


async def _manifest(catalog: Catalog, source: LocalFile) -> Manifest:
    try:
        found = await catalog.read_manifest(source.size, source.read_at)
        found.encode()
    except ModelError as error:
        raise CacheError(f"not a model that can be read: {error}") from None
    return found


async def _keep(store: Store, file: File, source: LocalFile, told: Callable[[int], None]) -> None:
    """Write what is missing; pinned, so that nothing else is worth more."""
    if store.trouble:  # memory may have room, but is not what was asked for
        raise _no_room(store, file)
    pinned = file.pinned
    file.pinned = True
    writer = file.writer(0, file.size)
    if writer is None:
        file.pinned = pinned
        raise _no_room(store, file)
    try:
        async for data in source.chunks():
            view = memoryview(data)
            for at in range(0, len(data), PIECE):
                if not await writer.piece(view[at : at + PIECE]):
                    raise _no_room(store, file)
            told(len(data))
    except BaseException:
        file.pinned = pinned  # half of a file is to be of nobody's way
        raise
    finally:
        writer.close()
    if not await file.settle():
        raise CacheError("the file changed while it was read")


def _no_room(store: Store, file: File) -> CacheError:
    reason = store.trouble or (store.room.admits(file, 0, file.size) if file.at >= 0 else "")
    return CacheError(f"not kept: {_REASONS.get(reason, reason or 'no room in the cache')}")


async def write_out(
    store: Store,
    file: File,
    extents: Sequence[tuple[int, int]],
    target: LocalFile,
    told: Callable[[int], None],
) -> None:
    """Write `extents` of a file, one behind the other. Raises CacheError, OSError."""
    position = 0
    for offset, length in extents:
        for at in range(offset, offset + length, CHUNK):
            taken = min(CHUNK, offset + length - at)
            data = await read_part(store, file, at, taken)
            await target.write(data, position)
            position += taken
            told(taken)
    await target.finish(position)


def about(manifest: Manifest) -> dict[str, object]:
    """What people are told of a model."""
    held = [part for part in manifest.parts if part >= 0]
    return {
        "format": manifest.format,
        "architecture": manifest.architecture,
        "blocks": manifest.block_count,
        "blocks_held": len(held),
        "tied": manifest.tied,
    }

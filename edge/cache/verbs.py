"""The cache's answers on the status socket: cache-ls, cache-import, cache-get and so on.

What takes long is a job: the answer has its number, and cache-job tells how far it is. Files of the
caller come as descriptors (edge/status/server.py): the node opens no path for anybody.
"""

from __future__ import annotations

import os

from edge.cache import names
from edge.cache.catalog import main_name
from edge.cache.errors import CacheError
from edge.cache.local import LocalFile, about, add, write_out
from edge.host import DESCRIPTOR
from edge.models.errors import ModelError
from edge.models.manifest import MAX_FILES, ModelSet
from edge.models.table import MAX_BLOCKS
from edge.wire.merkle import PIECE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, Protocol

    from edge.budget import Pool
    from edge.cache.catalog import Catalog
    from edge.cache.jobs import Job, Jobs, Work
    from edge.cache.store.file import File
    from edge.cache.store.store import Store
    from edge.host import Answer, Status
    from edge.models.manifest import Manifest

    class Fetcher(Protocol):
        """Who gets pieces from peers."""

        async def fetch(
            self,
            name: bytes,
            extents: Iterable[tuple[int, int]] | None = None,
            progress: Callable[[int, int], None] | None = None,
        ) -> File:
            """The file, when all of `extents` (None: the whole) is kept. Raises SwarmError."""

        async def manifest(self, name: bytes) -> Manifest:
            """The manifest of a file, which peers agree on. Raises SwarmError."""

    class Cache(Protocol):
        """A cache that is open."""

        store: Store
        catalog: Catalog
        jobs: Jobs
        pool: Pool

        @property
        def fetcher(self) -> Fetcher | None:
            """None while no peers are asked."""

        def look(self) -> None:
            """What is kept has changed: peers are to be told soon."""

    class Service(Protocol):
        """What the verbs ask."""

        async def opened(self) -> Cache:
            """The cache, opened if it was not. Raises CacheError."""

        def report(self) -> Status:
            """What `status` tells."""


def verbs(service: Service) -> dict[str, Answer]:
    """By the verb that a request names."""

    def of(call: Callable[[Cache, Status], Any]) -> Answer:
        async def answer(request: Status) -> Mapping[str, Any]:
            found: Mapping[str, Any] = await call(await service.opened(), request)
            return found

        return answer

    async def stats(_: Status) -> Mapping[str, Any]:
        return service.report()

    calls = (_ls, _add, _get, _job, _pin, _gc, _verify)
    return {"cache-stats": stats, **{f"cache-{call.__name__[1:]}": of(call) for call in calls}}


async def _ls(cache: Cache, _: Status) -> Mapping[str, Any]:
    files = sorted(cache.store.files(), key=lambda file: (cache.catalog.label(file), file.size))
    return {"files": [_shown(cache, file) for file in files]}


def _shown(cache: Cache, file: File) -> dict[str, Any]:
    name = main_name(file)
    manifest = cache.catalog.known_manifest(file.root)
    found = {
        "name": names.text(name) if name else "",
        "label": cache.catalog.label(file),
        "size": file.size,
        "kept": file.kept,
        "whole": file.whole,
        "pinned": file.pinned,
        "private": file.private,
    }
    return found | ({"model": about(manifest)} if manifest is not None else {})


async def _add(cache: Cache, request: Status) -> Mapping[str, Any]:
    """`label`; `model`: whether it is read as one. `with`: the job of the file before this one, of
    the same model; `last`: there is no more of it.
    """
    source = _file_of(cache, request, writable=False)
    try:
        label, model = _text(request, "label"), request.get("model") is True
        before = cache.jobs.job(request["with"]) if "with" in request else None
        if before is not None and len(before.files) >= MAX_FILES:
            raise CacheError(f"a model in more than {MAX_FILES} files")
    except CacheError:
        source.close()
        raise

    async def work(job: Job) -> dict[str, Any]:
        if before is not None:
            job.files = before.files
        with source:
            answer = await add(cache.store, cache.catalog, source, label, model, job)
        cache.look()
        if model and request.get("last") is True and len(job.files) > 1:
            answer["set"] = _set(cache.catalog, job.files)
        return answer

    return _begun(cache, work, source)


def _set(catalog: Catalog, files: list[tuple[bytes, int, bytes]]) -> str:
    try:
        return catalog.keep_set(ModelSet(set(files))).hex()
    except ModelError as error:
        raise CacheError(str(error)) from None


async def _get(cache: Cache, request: Status) -> Mapping[str, Any]:
    """`file`; `block`: of a model, else the whole. Written to the descriptor, if there is one."""
    target = _file_of(cache, request, writable=True) if DESCRIPTOR in request else None
    try:
        text, block = _text(request, "file"), request.get("block")
        if block is not None and not (type(block) is int and 0 <= block < MAX_BLOCKS):
            raise CacheError('"block" is not the number of one')
        file, name = _wanted(cache, text)
    except CacheError:
        if target is not None:
            target.close()
        raise

    async def work(job: Job) -> dict[str, Any]:
        if target is None:
            return await _fetched(cache, file, name, block, None, job)
        with target:
            return await _fetched(cache, file, name, block, target, job)

    return _begun(cache, work, target)


async def _fetched(
    cache: Cache,
    file: File | None,
    name: bytes,
    block: int | None,
    target: LocalFile | None,
    job: Job,
) -> dict[str, Any]:
    """Fetch what is not kept, and write it out."""
    extents = None
    if block is not None:
        extents = await _extents(cache, file, name, block)
    if file is None or _lacks(file, extents):
        file = await _by_peers(cache, name, extents, job)
    if extents is None:
        extents = [(0, file.size)]
    job.done, job.total = 0, sum(length for _, length in extents)

    def told(count: int) -> None:
        job.done += count

    if target is not None:
        await write_out(cache.store, file, extents, target, told)
    job.done = job.total
    return {"name": names.text(main_name(file) or name), "size": job.total}


def _lacks(file: File, extents: list[tuple[int, int]] | None) -> bool:
    wanted = [(0, file.size)] if extents is None else extents
    return any(file.missing(offset, offset + length) for offset, length in wanted)


async def _extents(
    cache: Cache, file: File | None, name: bytes, block: int
) -> list[tuple[int, int]]:
    manifest = await cache.catalog.manifest_of(file) if file is not None else None
    if manifest is None and cache.fetcher is not None and (file is None or not file.whole):
        manifest = await cache.fetcher.manifest(name)
    if manifest is None:
        raise CacheError("no model whose blocks are known")
    found = manifest.extents(block)
    if not found:
        raise CacheError(f"the file has no block {block}; its model has {manifest.block_count}")
    return found


async def _by_peers(
    cache: Cache, name: bytes, extents: list[tuple[int, int]] | None, job: Job
) -> File:
    def told(done: int, total: int) -> None:
        job.done, job.total = done, total

    if cache.fetcher is None:
        raise CacheError("not all of it is kept, and there is nobody to ask for the rest")
    return await cache.fetcher.fetch(name, extents, told)


async def _job(cache: Cache, request: Status) -> Mapping[str, Any]:
    """`job`: its number; `stop`: end it. What was kept stays."""
    job = cache.jobs.job(request.get("job"))
    if request.get("stop") is True and job.task is not None:
        job.task.cancel()
    return job.report()


async def _pin(cache: Cache, request: Status) -> Mapping[str, Any]:
    """`file`; `pinned`: what it is to be."""
    file, name = _wanted(cache, _text(request, "file"))
    if file is None:
        raise CacheError("nothing of this file is kept")
    file.pinned = request.get("pinned") is True
    return {"name": names.text(name), "pinned": file.pinned}


async def _gc(cache: Cache, request: Status) -> Mapping[str, Any]:
    """Drop what is not pinned and nobody writes; `dry_run`: only say what."""
    found = [file for file in cache.store.files() if not file.pinned and not _written(file)]
    answer = {
        "files": [_shown(cache, file) for file in found],
        "bytes": sum(file.kept for file in found),
    }
    if request.get("dry_run") is not True:
        for file in found:
            if file.at >= 0:
                cache.store.drop_file(file.at)
    return answer


def _written(file: File) -> bool:
    """Whether somebody writes to it now."""
    return file.writers > 0


async def _verify(cache: Cache, _: Status) -> Mapping[str, Any]:
    """Read all that is kept; what is wrong is dropped by the store."""

    async def work(job: Job) -> dict[str, Any]:
        files = list(cache.store.files())
        job.total = sum(file.kept for file in files)
        wrong = []
        for file in files:
            name, kept = main_name(file), file.kept
            await _recheck(cache.store, file, job)
            if file.kept < kept:
                wrong.append({"name": names.text(name), "dropped": kept - file.kept})
        answer = {"files": len(files), "bytes": job.total, "wrong": wrong}
        job.done = job.total
        return answer

    return _begun(cache, work, None)


async def _recheck(store: Store, file: File, job: Job) -> None:
    """Read all that is kept of a file as if it had not been verified."""
    index = store.index
    for slot in list(file.slots()):
        serial, first = index.serial[slot], index.first[slot]
        for inside in range(0, index.count[slot], index.part):
            if store.index is not index or not index.has_segment(slot):
                break
            if index.serial[slot] != serial or inside >= index.count[slot]:
                break
            index.set_verified(slot, inside, 1, False)
            await file.verified((first + inside) * PIECE)
            job.done += index.part * PIECE


def _begun(cache: Cache, work: Work, file: LocalFile | None) -> Mapping[str, Any]:
    try:
        return {"job": cache.jobs.begin(work).number}
    except CacheError:
        if file is not None:
            file.close()
        raise


def _file_of(cache: Cache, request: Status, writable: bool) -> LocalFile:
    """The file that came with the request."""
    if DESCRIPTOR not in request:
        raise CacheError("the request brings no file")
    descriptor: int = request.pop(DESCRIPTOR)
    return LocalFile(descriptor, cache.store, cache.pool, writable)


def _wanted(cache: Cache, text: str) -> tuple[File | None, bytes]:
    """The file that `text` means, and its name; None: peers may have it."""
    found = cache.catalog.called(text)
    if len(found) > 1:
        raise CacheError(f"{len(found)} files are meant; give more of the hash")
    if found:
        return found[0], main_name(found[0])
    try:
        return None, names.from_text(text)
    except ValueError:
        raise CacheError("no file is called so; `kwaainet cache ls` lists them") from None


def _text(request: Status, name: str) -> str:
    value = request.get(name)
    if not isinstance(value, str):
        raise CacheError(f'"{name}" is not a text')
    return os.path.basename(value) if name == "label" else value

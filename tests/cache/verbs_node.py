"""The cache's verbs at a status socket of their own, and the program that asks them."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from edge.cache import names
from edge.cache.catalog import Catalog
from edge.cache.errors import CacheError
from edge.cache.jobs import Jobs
from edge.cache.store.file import File
from edge.cache.store.store import Store
from edge.cache.verbs import verbs
from edge.crypto import Ed25519Key
from edge.models.manifest import Manifest
from edge.status.server import StatusServer
from edge.units import MIB
from tests.cache.store.stores import pool

KEY = Ed25519Key.from_seed(bytes(range(32)))


class Other:
    """Another node's store as who is asked for what is missing. `fetched`: the extents."""

    def __init__(self, store: Store, catalog: Catalog, own: Store) -> None:
        self._store, self._catalog, self._own = store, catalog, own
        self.fetched: list[Any] = []

    async def fetch(
        self, name: bytes, extents: Iterable[tuple[int, int]] | None = None, progress: Any = None
    ) -> File:
        from edge.cache.catalog import read_part

        theirs = self._store.find(name)
        if theirs is None:
            raise CacheError("no peer has this file")
        wanted = [(0, theirs.size)] if extents is None else list(extents)
        self.fetched.append(wanted)
        file = self._own.file(name, theirs.size)
        for offset, length in wanted:
            for start, end in file.missing(offset, offset + length):
                writer = file.writer(start, end)
                assert writer is not None
                for at in range(start, end, 1 << 18):
                    data = await read_part(self._store, theirs, at, min(1 << 18, end - at))
                    assert await writer.piece(data)
                writer.close()
        if not file.missing(0, file.size):
            assert await file.settle()
        return file

    async def manifest(self, name: bytes) -> Manifest:
        theirs = self._store.find(name)
        found = await self._catalog.manifest_of(theirs) if theirs is not None else None
        if found is None:
            raise CacheError("no peer knows its blocks")
        return found


class Node:
    """What the verbs ask, and the program beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pool = pool()
        self.store = Store(self.pool, asyncio.get_running_loop())
        self.catalog = Catalog(self.store, KEY, self.pool)
        self.jobs = Jobs()
        self.fetcher: Any = None

    async def opened(self) -> Node:
        return self

    def look(self) -> None:
        """There are no peers."""

    def report(self) -> dict[str, object]:
        return {"cache": {"written": self.store.written, "store": {"files": 3}}}

    async def run(self, *words: str, cwd: Path | None = None) -> tuple[int, str, str]:
        """`kwaainet cache WORDS`: status, output, complaints."""
        command = [sys.executable, "-m", "edge", "cache", *words]
        process = await asyncio.create_subprocess_exec(
            *command,
            *("--data-dir", str(self.folder)),
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
        )
        said, complaints = await asyncio.wait_for(process.communicate(), 120)
        assert process.returncode is not None
        return process.returncode, said.decode(), complaints.decode()

    async def asked(self, *words: str) -> Any:
        """Its answer in JSON."""
        status, said, complaints = await self.run(*words, "--json")
        assert status == 0, complaints
        return json.loads(said)

    async def at_a_terminal(self, *words: str) -> str:
        """What a terminal is sent as standard error."""
        ours, theirs = pty.openpty()
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "edge", "cache", *words, "--data-dir", str(self.folder)),
                stdin=DEVNULL,
                stdout=DEVNULL,
                stderr=theirs,
            )
            os.close(theirs)
            seen = bytearray()
            loop = asyncio.get_running_loop()

            def read() -> None:
                try:
                    while data := os.read(ours, 4096):
                        seen.extend(data)
                except OSError:  # how a terminal ends that nobody holds any more
                    pass

            await asyncio.wait_for(loop.run_in_executor(None, read), 120)
            assert await process.wait() == 0, seen
        finally:
            os.close(ours)
        return seen.decode()

    def file(self, name: str) -> File:
        found = self.store.find(names.from_text(name))
        assert found is not None
        return found


@asynccontextmanager
async def running(folder: Path, size: int = 256 * MIB) -> AsyncIterator[Node]:
    os.makedirs(folder, mode=0o700, exist_ok=True)
    node = Node(folder)
    await node.store.open(str(folder / "cache"), size)
    server = StatusServer(str(folder), verbs(node))
    await server.start()
    try:
        yield node
    finally:
        await node.jobs.stop()
        await server.stop()
        await node.store.close()

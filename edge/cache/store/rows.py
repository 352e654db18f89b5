"""Hashes of pieces that are not kept so far, proven by the root: pieces are checked as they come.

Of a file that is fetched from peers the row is known before the pieces are. It stands in a file of
its own, until the whole file is there and its segments have the hashes.
"""

from __future__ import annotations

import os
from functools import partial

from edge.cache.store import layout
from edge.cache.store.shelf import ROW, Handle
from edge.wire.merkle import HASH, Tree, pieces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.cache.store.file import File, Keeper
    from edge.cache.store.room import Room


_OPEN = 8
_PART = 1 << 16  # bytes read at a time


class Root:
    """The root above a row of `count` hashes that comes bit by bit."""

    __slots__ = ("_rest", "_tree")

    def __init__(self, count: int) -> None:
        self._tree = Tree(count)
        self._rest = bytearray()

    def add(self, row: bytes | bytearray | memoryview) -> None:
        """The next hashes, one after the other."""
        self._rest += row
        step = self._tree.step * HASH
        while len(self._rest) >= step:
            self._tree.add(bytes(self._rest[:step]))
            del self._rest[:step]

    def value(self) -> bytes:
        """Once all were added."""
        if self._rest:
            self._tree.add(bytes(self._rest))
            self._rest.clear()
        return self._tree.root


class Rows:
    """The rows of `store`'s files."""

    def __init__(self, store: Keeper, room: Room) -> None:
        self._store = store
        self._room = room
        self._coming: dict[int, tuple[int, Handle, int]] = {}  # by file: serial, file, hashes
        self._handles: dict[int, Handle] = {}  # by serial

    def reset(self) -> None:
        """The store begins with another shelf."""
        self._coming.clear()
        self._handles.clear()

    async def set(self, file: File, row: bytes | bytearray | memoryview, start: int) -> bool:
        """See `File.set_row`."""
        store, count = self._store, pieces(file.size)
        if file.at < 0 or file.root is None or len(row) % HASH or store.refuses:
            return False
        if store.index.row_serial[file.at]:
            return True
        try:
            return await self._add(file, bytes(row), start, count)
        except OSError as error:
            self._stop(file.at)
            store.failed(error)
            return False

    async def _add(self, file: File, row: bytes, start: int, count: int) -> bool:
        store = self._store
        if start == 0:
            self._stop(file.at)
            if len(self._coming) >= _OPEN or not self._room.make(count * HASH):
                return False
            new = store.next_serial()
            created = await store.worker.do(partial(store.shelf.create, new, ROW))
            self._coming[file.at] = new, created, 0
        coming = self._coming.get(file.at)
        end = start + len(row) // HASH
        if coming is None or start != coming[2] or end > count:
            self._stop(file.at)
            return False
        serial, handle, _ = coming
        await store.worker.do(partial(store.shelf.write, handle, row, start * HASH))
        if file.at < 0 or self._coming.get(file.at, (0,))[0] != serial:
            return False
        self._coming[file.at] = serial, handle, end
        return end < count or await self._finish(file, serial, handle, count)

    async def _finish(self, file: File, serial: int, handle: Handle, count: int) -> bool:
        store = self._store
        found = await store.worker.do(partial(_root, handle.fd, count))
        await store.worker.do(partial(store.shelf.flush, handle))
        if file.at < 0 or self._coming.get(file.at, (0,))[0] != serial:
            return False
        if found != file.root:
            self._stop(file.at)
            return False
        del self._coming[file.at]
        store.index.set_row(file.at, serial)
        if store.shelf.lasts:
            store.wrote(count * HASH)
        store.changed(file.at)
        store.record(layout.row_record(file.at, serial))
        self._hold(serial, handle)
        return True

    async def read(self, file: File, start: int, count: int) -> bytes | None:
        """The hashes of `count` pieces from `start` on; None: they are not known."""
        store = self._store
        serial = store.index.row_serial[file.at] if file.at >= 0 else 0
        if not serial:
            return None
        try:
            handle = self._handles.get(serial)
            if handle is None:
                handle = await store.worker.do(partial(self._open, serial, file))
                self._hold(serial, handle)
            found = await store.worker.do(partial(os.pread, handle.fd, count * HASH, start * HASH))
        except (OSError, layout.LayoutError):
            if file.at >= 0 and store.index.row_serial[file.at] == serial:
                self.drop(file.at)
            return None
        return found if len(found) == count * HASH else None

    def drop(self, at: int) -> None:
        """There is no need of it any more."""
        self._stop(at)
        serial = self._store.index.row_serial[at]
        if serial:
            self._store.index.set_row(at, 0)
            self._handles.pop(serial, None)
            self._store.record(layout.row_record(at, 0))
            self._store.remove(serial, ROW)

    def _open(self, serial: int, file: File) -> Handle:
        handle = self._store.shelf.open(serial, ROW)
        if _root(handle.fd, pieces(file.size)) != file.root:
            raise layout.LayoutError("a row that is not the root's")
        return handle

    def _stop(self, at: int) -> None:
        serial, _, _ = self._coming.pop(at, (0, None, 0))
        if serial:
            self._store.remove(serial, ROW)

    def _hold(self, serial: int, handle: Handle) -> None:
        while len(self._handles) >= _OPEN:
            del self._handles[next(iter(self._handles))]
        self._handles[serial] = handle


def _root(fd: int, count: int) -> bytes:
    root = Root(count)
    for at in range(0, count * HASH, _PART):
        root.add(os.pread(fd, min(_PART, count * HASH - at), at))
    return root.value()

"""Whether what is kept is what it has to be: piece by piece, and as a whole."""

from __future__ import annotations

import os
import random
from functools import partial

from edge.cache import names as naming
from edge.cache.store.file import Running, whole_kind
from edge.cache.store.layout import LayoutError
from edge.cache.store.rows import Root
from edge.cache.store.shelf import Handle, first_wrong, read_header, read_row
from edge.wire.merkle import HASH, PIECE, pieces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.cache.store.file import File, Keeper

_RUN = 4  # pieces hashed at a time, between which others have their turn


async def verify(store: Keeper, file: File, slot: int, piece: int) -> bool:
    """Check the part of the segment in `slot` that `piece` of the file is in, and open it."""
    index = store.index
    serial, first = index.serial[slot], index.first[slot]
    inside = piece - first
    known = index.is_verified(slot, inside)
    start = inside - inside % index.part
    run = range(start, min(start + index.part, index.count[slot]))
    try:
        handle = await store.handle(slot)
        if known:
            return True
        wrong, row = await store.worker.do(partial(_check, handle, serial, file.size, first, run))
    except LayoutError:
        wrong, row = 0, b""
    except OSError as error:
        await store.unreadable(file, slot, error)
        return False
    if store.index is not index or not index.has_segment(slot) or index.serial[slot] != serial:
        return False
    if wrong is not None:
        store.found_wrong(file, slot, wrong, row)
        return False
    index.set_verified(slot, start, len(run), True)
    store.hold(slot, handle)
    return True


def _check(
    handle: Handle, serial: int, size: int, first: int, run: range
) -> tuple[int | None, bytes]:
    header = read_header(handle)
    if (header.serial, header.size, header.first) != (serial, size, first):
        raise LayoutError("another segment than it was")
    row = read_row(handle, serial)
    return first_wrong(handle, header, row, run), row


async def row(store: Keeper, file: File, start: int, count: int) -> bytes | None:
    """The hashes of `count` pieces from `start` on; None: not all of them are known."""
    found = bytearray()
    while len(found) < count * HASH:
        part = await _row_part(store, file, start + len(found) // HASH)
        if not part:
            return await store.row_of_root(file, start, count)
        found += part
    return bytes(found[: count * HASH])


async def _row_part(store: Keeper, file: File, piece: int) -> bytes:
    """The hashes from `piece` to the end of the segment that it is in; none: it is in none."""
    for growing in file.growing:
        if growing.first <= piece < growing.end:
            return bytes(growing.row[(piece - growing.first) * HASH :])
    slot = file.slot(piece)
    if slot < 0:
        return b""
    serial, first, count = (
        store.index.serial[slot],
        store.index.first[slot],
        store.index.count[slot],
    )
    try:
        handle = await store.handle(slot)
        hashes = await store.worker.do(partial(read_row, handle, serial))
    except LayoutError:
        store.found_wrong(file, slot, 0, b"")
        return b""
    except OSError as error:
        await store.unreadable(file, slot, error)
        return b""
    return hashes[(piece - first) * HASH : count * HASH]


async def settle(store: Keeper, file: File) -> bool:
    """Whether the file, all of whose pieces came, is what its names say; else it is dropped."""
    if file.at < 0 or file.kept != file.size:
        return False
    if file.whole:
        return True
    await store.growth.finish(file)
    root = await _root(store, file)
    if root is None or file.at < 0:
        return False
    right = file.root in (None, root)
    if right and not file.proven:
        right = await _whole_right(store, file)
    if file.at < 0 or file.kept != file.size:
        return False
    if not right:
        store.refuse("wrong")
        store.drop_file(file.at)
        return False
    store.settled(file, root)
    await store.flush()
    return file.whole


async def _root(store: Keeper, file: File) -> bytes | None:
    piece, count = 0, pieces(file.size)
    if not count:
        return bytes(HASH)
    root = Root(count)
    while piece < count:
        part = await _row_part(store, file, piece)
        if not part:
            return None
        await store.worker.do(partial(root.add, part))
        piece += len(part) // HASH
    return root.value()


async def _whole_right(store: Keeper, file: File) -> bool:
    """Whether the hash of the whole is that of its name."""
    kind = whole_kind(file.names)
    if not kind:
        return True
    running = file.running or Running(kind, file.size)
    file.running = None
    if not await _hash(store, file, running):
        return False
    return naming.name(kind, running.digest()) in file.names


async def is_named(store: Keeper, file: File, name: bytes) -> bool:
    """Whether `name` is the hash of the file, all of which is kept. It has one of a kind."""
    if any(one[0] == name[0] for one in file.names):
        return False
    running = Running(name[0], file.size)
    return await _hash(store, file, running) and running.digest() == name[1:]


async def _hash(store: Keeper, file: File, running: Running) -> bool:
    while running.position < file.size:
        piece = running.position // PIECE
        extent = file.extent(running.position)
        if extent is None:
            if not await file.verified(piece * PIECE):
                return False
            extent = file.extent(running.position)
        if extent is None:
            return False
        length = min(extent.length, _RUN * PIECE)
        try:
            await store.worker.do(partial(_feed, running, extent.fd, extent.position, length))
        except OSError as error:
            store.failed(error)
            return False
    return True


def _feed(running: Running, fd: int, position: int, length: int) -> None:
    for at in range(0, length, PIECE):
        data = os.pread(fd, min(PIECE, length - at), position + at)
        if len(data) < min(PIECE, length - at):
            raise OSError("a segment is shorter than it was")
        running.feed(data, running.position)


async def scrub(store: Keeper) -> None:
    """Look at one piece, at random, as if it had not been verified."""
    index = store.index
    if not store.shelf.lasts or not index.segments:
        return
    slot = random.randrange(len(index.owner))  # noqa: S311 - no secret
    if not index.has_segment(slot):
        return
    inside = random.randrange(index.count[slot])  # noqa: S311
    at = index.owner[slot]
    file = store.at(at)
    index.set_verified(slot, inside, 1, False)
    await verify(store, file, slot, index.first[slot] + inside)

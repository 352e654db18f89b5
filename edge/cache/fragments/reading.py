"""Reads a piece of a file: at once what is in the page cache, else in a thread."""

from __future__ import annotations

import os

from edge.threads import in_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.cache.store.file import Extent

# Linux's: read what is there without a wait for the disk (preadv2(2)).
_NOWAIT: int = getattr(os, "RWF_NOWAIT", 0)


async def read_into(extent: Extent, into: memoryview) -> bool:
    """Fill `into` from the beginning of `extent`. False: it is shorter. Raises OSError."""
    done = _at_once(extent, into)
    if done == len(into):
        return True
    return await in_thread("fragment-read", lambda: _read(extent, into, done))


def _at_once(extent: Extent, into: memoryview) -> int:
    """How many bytes of it could be read without a wait."""
    if not _NOWAIT:
        return 0
    try:
        return os.preadv(extent.fd, [into], extent.position, _NOWAIT)
    except OSError:  # it would wait, or this file system cannot tell
        return 0


def _read(extent: Extent, into: memoryview, done: int) -> bool:
    while done < len(into):
        count = os.preadv(extent.fd, [into[done:]], extent.position + done)
        if not count:
            return False
        done += count
    return True

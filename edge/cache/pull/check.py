"""Whether a file is what its name says, where the store does not keep it to look."""

from __future__ import annotations

import os
from functools import partial

from edge.cache.names import GIT_SHA1, SHA256, hasher
from edge.threads import in_thread
from edge.wire.merkle import PIECE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.cache.store.file import File


def has_hash(name: bytes) -> bool:
    """Whether `name` tells what the whole file hashes to."""
    return name[0] in (SHA256, GIT_SHA1)


class Check:
    """Hashes a file that passes, piece after piece, in a thread."""

    def __init__(self, name: bytes, size: int) -> None:
        self._wanted = name[1:]
        self._hash = hasher(name[0], size)
        self.position = 0

    async def piece(self, data: bytes) -> bool:
        """The next bytes of the file."""
        await in_thread("hash", partial(self._hash.update, data))
        self.position += len(data)
        return True

    async def catch_up(self, file: File, end: int) -> bool:
        """Hash what `file` keeps up to `end`. False: it does not keep it any more."""
        while self.position < end:
            extent = file.extent(self.position)
            if extent is None:
                return False
            length = min(extent.length, PIECE, end - self.position)
            data = await in_thread("hash", partial(os.pread, extent.fd, length, extent.position))
            if len(data) != length or not await self.piece(data):
                return False
        return True

    def close(self) -> None:
        """There is nothing to let go of."""

    @property
    def right(self) -> bool:
        """Whether the bytes so far are the file."""
        return self._hash.digest() == self._wanted

"""What is known of files beside their bytes: what people call them, manifests, attestations.

All of it stands in the store's notes, and can be made again from a file that is kept whole: a file
that came by HTTP is offered by its blocks as soon as somebody asks for its manifest.
"""

from __future__ import annotations

import asyncio
import errno
import os
from contextlib import suppress
from functools import partial

from edge.cache import names
from edge.models.errors import ModelError
from edge.models.manifest import Manifest, ModelSet, id_of
from edge.models.read import read_table
from edge.models.table import MAX_TENSORS, TENSOR_MEMORY
from edge.threads import in_thread
from edge.wire import attestation
from edge.wire.attestation import Attestation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.budget import Pool
    from edge.cache.store.file import File
    from edge.cache.store.store import Store
    from edge.crypto.interface import Ed25519Key
    from edge.models.cursor import ReadAt

MAX_LABEL = 255  # characters of what people call a file
_LABEL, _MANIFEST, _ID, _SET, _MEMBER = (
    b"label:",
    b"manifest:",
    b"manifest-id:",
    b"set:",
    b"member:",
)
_PATIENCE = 60.0  # seconds for one part of a file's table


class Catalog:
    """Of `store`. `key`: signs the attestations. `pool`: leases the memory of reading a table."""

    def __init__(self, store: Store, key: Ed25519Key, pool: Pool) -> None:
        self._store = store
        self._key = key
        self._pool = pool
        self._notes = store.notes
        self._reading = asyncio.Lock()

    # --- names ---

    def label(self, file: File) -> str:
        """What people call it; "" for none."""
        found = [self._notes.get(_LABEL + name) for name in file.names]
        return next((text.decode("utf-8", "replace") for text in found if text), "")

    def set_label(self, file: File, label: str) -> None:
        """Call it so."""
        text = label[:MAX_LABEL].encode("utf-8", "replace")
        name = main_name(file)
        if name and text and self._notes.get(_LABEL + name) != text:
            self._notes.put(_LABEL + name, text)

    def called(self, text: str) -> list[File]:
        """The files that `text` means: by name, by the start of a hash, or by their label."""
        try:
            found = self._store.find(names.from_text(text))
        except ValueError:
            found = None
        if found is not None:
            return [found]
        lower = text.lower()
        return [
            file
            for file in self._store.files()
            if text == self.label(file)
            or (len(lower) >= 8 and any(name[1:].hex().startswith(lower) for name in file.names))
        ]

    # --- models ---

    def keep_manifest(self, root: bytes, encoded: bytes) -> None:
        """The file with this root has this manifest; b"": it is no model."""
        if self._notes.get(_MANIFEST + root) != encoded:
            self._notes.put(_MANIFEST + root, encoded)
            if encoded:
                self._notes.put(_ID + id_of(encoded), root)

    def known_manifest(self, root: bytes | None) -> Manifest | None:
        """What is noted of the file with this root; None also of what is noted in another form."""
        encoded = self._notes.get(_MANIFEST + root) if root else None
        with suppress(ModelError):
            return Manifest.decode(encoded) if encoded else None
        return None

    async def manifest_of(self, file: File) -> Manifest | None:
        """The manifest of a file of the store; None: it is no model, or not kept whole."""
        root = file.root
        if root is None or self._notes.get(_MANIFEST + root) is not None or not file.whole:
            return self.known_manifest(root)
        async with self._reading:
            try:
                found = await self.read_manifest(file.size, self._reader(file))
                encoded = found.encode()
            except ModelError:
                found, encoded = None, b""
            except (OSError, TimeoutError):  # nothing was learnt of the file
                return None
        self.keep_manifest(root, encoded)
        return found

    async def read_manifest(self, size: int, read: ReadAt) -> Manifest:
        """The manifest of the file of `size` bytes that `read` reads, in a thread.

        Raises ModelError, OSError of `read`, and OSError without the memory for it.
        """
        memory = next((m for m in _steps() if self._pool.take(m)), 0)
        if not memory:
            raise OSError(errno.ENOMEM, "there is too little memory to read its table")
        try:
            return await in_thread(
                "cache-table",
                lambda: Manifest.of(read_table(read, size, memory // TENSOR_MEMORY)),
            )
        finally:
            self._pool.give(memory)

    def _reader(self, file: File) -> ReadAt:
        """Reads a file of the store from another thread."""
        loop = self._store.loop

        def read(offset: int, length: int) -> bytes:
            part = read_part(self._store, file, offset, min(length, file.size - offset))
            return asyncio.run_coroutine_threadsafe(part, loop).result(_PATIENCE)

        return read

    def keep_set(self, files: ModelSet) -> bytes:
        """These are the files of one model. Returns the id of the set. Raises ModelError."""
        encoded = files.encode()
        found = id_of(encoded)
        self._notes.put(_SET + found, encoded)
        for sha256, _, _ in files.files:
            self._notes.put(_MEMBER + sha256, found)
        return found

    def set_of(self, file: File) -> ModelSet | None:
        """The set that a file belongs to."""
        name = main_name(file)
        found = self._notes.get(_MEMBER + name[1:]) if name[:1] == bytes([names.SHA256]) else None
        encoded = self._notes.get(_SET + found) if found else None
        return ModelSet.decode(encoded) if encoded else None

    # --- what peers are told ---

    async def manifest(self, name: bytes) -> tuple[bytes, bytes] | None:
        """(root, manifest) of the file called `name`, or of the manifest with this id."""
        file = self._store.find(name) if len(name) != attestation.HASH else None
        if file is not None:
            found = await self.manifest_of(file)
            root = file.root
        else:
            root = self._notes.get(_ID + name)
            found = self.known_manifest(root)
        return (root, found.encode()) if root and found is not None else None

    async def attestations(self, name: bytes) -> list[bytes]:
        """Our own, of a file that is kept whole and that everybody may have."""
        file = self._store.find(name)
        if file is None:
            return []
        own = await self.attest(file)
        return [] if own is None or file.private else [own]

    async def attest(self, file: File) -> bytes | None:
        """What this node found when it hashed the file; None: it did not."""
        sha256 = [name[1:] for name in file.names if name[0] == names.SHA256]
        root = file.root
        if not file.whole or not sha256 or root is None:
            return None
        found = await self.manifest_of(file)
        manifest = id_of(found.encode()) if found is not None else None
        said = Attestation(sha256=sha256[0], size=file.size, root=root, manifest=manifest)
        return attestation.seal(self._key, said)


def main_name(file: File) -> bytes:
    """Of its names the one to tell people: SHA-256 before the others; b"" if it is gone."""
    return min(file.names, default=b"")


async def read_part(store: Store, file: File, offset: int, length: int) -> bytes:
    """Bytes of a file of the store. Raises OSError if they are not kept."""
    parts = []
    while length > 0:
        extent = file.extent(offset)
        if extent is None and await file.verified(offset):
            extent = file.extent(offset)
        if extent is None:
            raise OSError("a piece of the file is not kept, or was damaged")
        taken = min(length, extent.length)
        parts.append(await store.worker.do(partial(os.pread, extent.fd, taken, extent.position)))
        if len(parts[-1]) != taken:
            raise OSError("a piece of the file was cut short")
        offset += taken
        length -= taken
    return b"".join(parts)


def _steps() -> list[int]:
    """Bytes to read a table with: of the largest, or of what most models have."""
    return [MAX_TENSORS * TENSOR_MEMORY >> shift for shift in (0, 2, 4)]

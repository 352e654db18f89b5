"""SHA-256 of much data: of files and their pieces.

`hashlib` without OpenSSL, which the node does without (edge/slim.py), takes five times as long on a
processor with instructions for it. PyCA cryptography is there for the ciphers, and has OpenSSL's.
It keeps the interpreter to itself meanwhile, so it is given CHUNK bytes at a time: other threads
wait some 50 µs.
"""

from __future__ import annotations

import hashlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    Buffer = bytes | bytearray | memoryview

    class Hasher(Protocol):
        """A hash that takes data as it comes."""

        def update(self, data: Buffer, /) -> None: ...

        def digest(self) -> bytes:
            """Of all data so far."""


CHUNK = 1 << 16

try:
    from cryptography.hazmat.primitives import hashes

    _ALGORITHM = hashes.SHA256()

    class _Sha256:
        """As hashlib's."""

        __slots__ = ("_context",)

        def __init__(self) -> None:
            self._context = hashes.Hash(_ALGORITHM)

        def update(self, data: Buffer, /) -> None:
            if len(data) <= CHUNK:
                self._context.update(data)
                return
            view = memoryview(data)
            for start in range(0, len(view), CHUNK):
                self._context.update(view[start : start + CHUNK])

        def digest(self) -> bytes:
            return self._context.copy().finalize()

    def _digest(data: Buffer) -> bytes:
        context = hashes.Hash(_ALGORITHM)
        context.update(data)
        return context.finalize()

except ImportError:

    def _digest(data: Buffer) -> bytes:
        return hashlib.sha256(data).digest()

    _Sha256 = hashlib.sha256  # type: ignore[misc, assignment]

new: Callable[[], Hasher] = _Sha256
sha256: Callable[[Buffer], bytes] = _digest  # of at most CHUNK bytes

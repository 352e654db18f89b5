"""What the test peers say to each other on PROTOCOL, and its proof.

The dialer sends a length (8 bytes, big end first) and as many pseudo-random bytes; the listener
answers with their SHA-256, then sends as many bytes of its own and their SHA-256. Both sides
hold one block at a time, so a gigabyte costs no memory.

Standard library only: py-libp2p's process, which has an environment of its own, imports it too.
"""

import hashlib
import os

PROTOCOL = "/kwaai/test/1.0.0"
BLOCK = 64 * 1024
HEADER = 8
DIGEST = 32
MAX_SIZE = 1 << 40


class Source:
    """`size` bytes, a random block again and again with its number in front, and their hash."""

    def __init__(self, size: int) -> None:
        self.left = size
        self._block = bytearray(os.urandom(BLOCK))
        self._number = 0
        self._hash = hashlib.sha256()

    def next(self) -> bytes:
        """The next block, empty at the end."""
        self._block[:HEADER] = self._number.to_bytes(HEADER, "big")
        self._number += 1
        chunk = bytes(self._block[: min(BLOCK, self.left)])
        self.left -= len(chunk)
        self._hash.update(chunk)
        return chunk

    def digest(self) -> bytes:
        return self._hash.digest()


class Sink:
    """Counts and hashes `size` bytes."""

    def __init__(self, size: int) -> None:
        self.left = size
        self._hash = hashlib.sha256()

    def add(self, chunk: bytes) -> None:
        self.left -= len(chunk)
        self._hash.update(chunk)

    def digest(self) -> bytes:
        return self._hash.digest()


def header(size: int) -> bytes:
    return size.to_bytes(HEADER, "big")


def parse_header(data: bytes) -> int:
    size = int.from_bytes(data, "big")
    if size > MAX_SIZE:
        raise ValueError(f"the other side announces {size} bytes")
    return size

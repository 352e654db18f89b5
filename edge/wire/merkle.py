"""Merkle trees of files: what a piece is worth on its own, once the root is known.

The tree is that of BitTorrent v2: leaves of 16 KiB are hashed by SHA-256 (the last one as short as
it is), and the row of hashes is filled up with zeros to a power of two. The root names the file's
content. Of all rows only that of pieces (256 KiB, 16 leaves) is kept: a piece is checked against
it, and a row is checked against the root. A file of one piece or less has no row but the root.

Source: BEP 52, "pieces root" and "piece layers"
"""

import hashlib

LEAF = 1 << 14
PIECE = 1 << 18
HASH = 32  # bytes of a hash
_LEAVES = PIECE // LEAF


def pieces(size: int) -> int:
    """How many pieces a file of `size` bytes has."""
    return -(-size // PIECE)


def piece_hash(data: "bytes | bytearray | memoryview", alone: bool = False) -> bytes:
    """The hash of one piece of at most PIECE bytes. `alone`: the file has no other piece."""
    view = memoryview(data)
    row = [hashlib.sha256(view[at : at + LEAF]).digest() for at in range(0, len(view), LEAF)]
    width = len(row) if alone else _LEAVES
    return _top(row, bytes(HASH), _power_of_two(width))


def root(row: "bytes | bytearray | memoryview") -> bytes:
    """The root above a row of piece hashes, one after the other."""
    view = memoryview(row)
    hashes = [bytes(view[at : at + HASH]) for at in range(0, len(view), HASH)]
    return _top(hashes, _EMPTY_PIECE, _power_of_two(len(hashes))) if hashes else bytes(HASH)


class Tree:
    """The root above a row of piece hashes that comes bit by bit, in a few hashes of memory."""

    def __init__(self) -> None:
        self._tops: list[
            tuple[int, bytes]
        ] = []  # of full trees: height and root, the largest first

    def add(self, row: "bytes | bytearray | memoryview") -> None:
        """The next hashes, one after the other."""
        view = memoryview(row)
        for at in range(0, len(view), HASH):
            self._push(0, bytes(view[at : at + HASH]))

    def root(self) -> bytes:
        """The root; nothing comes after it."""
        height, padding = 0, _EMPTY_PIECE
        while len(self._tops) > 1:
            if self._tops[-1][0] == height:
                self._push(height, padding)
                continue  # which made higher ones of it
            padding = hashlib.sha256(padding + padding).digest()
            height += 1
        return self._tops[0][1] if self._tops else bytes(HASH)

    def _push(self, height: int, top: bytes) -> None:
        while self._tops and self._tops[-1][0] == height:
            top = hashlib.sha256(self._tops.pop()[1] + top).digest()
            height += 1
        self._tops.append((height, top))


def _top(row: "list[bytes]", padding: bytes, width: int) -> bytes:
    """The hash above `row`, filled up to `width`, a power of two; `padding`: of the lowest row."""
    while width > 1:
        if len(row) % 2:
            row.append(padding)
        pairs = range(0, len(row), 2)
        row = [hashlib.sha256(row[at] + row[at + 1]).digest() for at in pairs]
        padding = hashlib.sha256(padding + padding).digest()
        width //= 2
    return row[0] if row else padding


def _power_of_two(least: int) -> int:
    return 1 << max(least - 1, 0).bit_length()


_EMPTY_PIECE = _top([], bytes(HASH), _LEAVES)

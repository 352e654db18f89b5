"""Merkle trees of files: what a piece is worth on its own, once the root is known.

The tree is that of BitTorrent v2: leaves of 16 KiB are hashed by SHA-256 (the last one as short as
it is), and the row of hashes is filled up with zeros to a power of two. The root names the file's
content. Of all rows only that of pieces (256 KiB, 16 leaves) is kept: a piece is checked against
it, and a row is checked against the root. A file of one piece or less has no row but the root.

Source: BEP 52, "pieces root" and "piece layers"
"""

from edge.crypto.digests import sha256

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
    row = [sha256(view[at : at + LEAF]) for at in range(0, len(view), LEAF)]
    width = len(row) if alone else _LEAVES
    return _top(row, bytes(HASH), _power_of_two(width))


def root(row: "bytes | bytearray | memoryview") -> bytes:
    """The root above a row of piece hashes, one after the other."""
    view = memoryview(row)
    hashes = [bytes(view[at : at + HASH]) for at in range(0, len(view), HASH)]
    return _top(hashes, _EMPTY_PIECE, _power_of_two(len(hashes))) if hashes else bytes(HASH)


def _top(row: "list[bytes]", padding: bytes, width: int) -> bytes:
    """The hash above `row`, filled up to `width`, a power of two; `padding`: of the lowest row."""
    while width > 1:
        if len(row) % 2:
            row.append(padding)
        pairs = range(0, len(row), 2)
        row = [sha256(row[at] + row[at + 1]) for at in pairs]
        padding = sha256(padding + padding)
        width //= 2
    return row[0] if row else padding


def _power_of_two(least: int) -> int:
    return 1 << max(least - 1, 0).bit_length()


_EMPTY_PIECE = _top([], bytes(HASH), _LEAVES)

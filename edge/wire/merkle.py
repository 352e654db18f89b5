"""Merkle trees of files: what a piece is worth on its own, once the root is known.

The tree is that of BitTorrent v2: leaves of 16 KiB are hashed by SHA-256 (the last one as short as
it is), and the row of hashes is filled up with zeros to a power of two. The root names the file's
content. Of all rows only that of pieces (256 KiB, 16 leaves) is kept: a piece is checked against
it, and a row is checked against the root. A file of one piece or less has no row but the root.

A part of the row is proven by the hashes beside its way to the root ("uncles" there): from the row
up, of each level the one to the left, then the one to the right, where they are needed. Those that
stand for nothing but filling are known and left out, so that there is one proof of a range.

Source: BEP 52, "pieces root", "piece layers" and "hash request"
"""

from edge.crypto.digests import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edge.wire.types import Buffer

LEAF = 1 << 14
PIECE = 1 << 18
HASH = 32  # bytes of a hash
MAX_SIZE = 1 << 50  # bytes of a file
MAX_PROOF = 2 * 32 * HASH  # bytes of a proof: the row of the largest file is 32 levels high
_LEAVES = PIECE // LEAF
_SUMMIT = 256  # hashes that a Tree keeps, at most


def pieces(size: int) -> int:
    """How many pieces a file of `size` bytes has."""
    return -(-size // PIECE)


def piece_hash(data: "Buffer", alone: bool = False) -> bytes:
    """The hash of one piece of at most PIECE bytes. `alone`: the file has no other piece."""
    view = memoryview(data)
    row = [sha256(view[at : at + LEAF]) for at in range(0, len(view), LEAF)]
    width = len(row) if alone else _LEAVES
    return _top(row, bytes(HASH), _power_of_two(width))


def root(row: "Buffer") -> bytes:
    """The root above a row of piece hashes, one after the other."""
    hashes = split(row)
    return _top(hashes, _EMPTY_PIECE, _power_of_two(len(hashes))) if hashes else bytes(HASH)


def piece_length(size: int, index: int) -> int:
    """Bytes of piece `index` of a file of `size` bytes."""
    return min(PIECE, size - index * PIECE)


def proves(root: bytes, count: int, start: int, hashes: "Sequence[bytes]", proof: "Buffer") -> bool:
    """Whether `hashes` are those of the pieces from `start` on, of `count`, below `root`.

    `proof`: as `Tree.proof` makes it. That of the last piece proves `count`: no piece has the hash
    of the filling.
    """
    end = start + len(hashes)
    uncles = list(_uncles(count, start, end)) if 0 <= start < end <= count else None
    if uncles is None or len(proof) != HASH * len(uncles) or _EMPTY_PIECE in hashes:
        return False
    given = {uncles[at]: one for at, one in enumerate(split(proof))}
    row, padding = list(hashes), _EMPTY_PIECE
    for level in range(_height(count)):
        if start % 2:
            row.insert(0, given[level, start - 1])
        if end % 2:
            row.append(given.get((level, end), padding))
        row = _above(row)
        padding = _above([padding, padding])[0]
        start, end = start // 2, (end + 1) // 2
    return row == [root]


class Tree:
    """As much of the tree of a file of `count` pieces as makes a proof cheap: at most _SUMMIT
    hashes of one level. Of the row, a proof then needs the part around its range only.

    `step`: pieces below each of these hashes.
    """

    __slots__ = ("_summit", "count", "step")

    def __init__(self, count: int) -> None:
        self.count = count
        self.step = max(1, _power_of_two(count) // _SUMMIT)
        self._summit: list[bytes] = []

    def add(self, row: "Buffer") -> None:
        """The next `step` hashes of the row; fewer at its end."""
        self._summit.append(_top(split(row), _EMPTY_PIECE, self.step))

    @property
    def root(self) -> bytes:
        """What all of them lead to, once the whole row was added."""
        return self._node([], 0, _height(self.count), 0)

    def span(self, start: int, end: int) -> "tuple[int, int]":
        """The part of the row, first and behind the last, that the proof of [start, end) needs."""
        step = self.step
        return start // step * step, min(-(-end // step) * step, self.count)

    def proof(self, row: "Buffer", start: int, end: int) -> bytes:
        """That the pieces [start, end) are what they are. `row`: the part that `span` tells."""
        first, hashes = self.span(start, end)[0], split(row)
        uncles = _uncles(self.count, start, end)
        return b"".join([self._node(hashes, first, level, index) for level, index in uncles])

    def _node(self, row: "list[bytes]", first: int, level: int, index: int) -> bytes:
        """A hash of the tree. `row`: from piece `first` on."""
        width = 1 << level
        if width < self.step:
            at = index * width - first
            return _top(row[at : at + width], _EMPTY_PIECE, width)
        width //= self.step
        padding = _top([], _EMPTY_PIECE, self.step)
        return _top(self._summit[index * width : (index + 1) * width], padding, width)


def _uncles(count: int, start: int, end: int) -> "Iterator[tuple[int, int]]":
    """(level, index) of the hashes that lead from the pieces [start, end) to the root."""
    for level in range(_height(count)):
        if start % 2:
            yield level, start - 1
        if end % 2 and end < count:
            yield level, end
        start, end, count = start // 2, (end + 1) // 2, (count + 1) // 2


def _height(count: int) -> int:
    """Levels from the row of `count` pieces to the root."""
    return max(count - 1, 0).bit_length()


def split(row: "Buffer") -> "list[bytes]":
    """The hashes that `row` holds one after the other."""
    view = memoryview(row)
    return [bytes(view[at : at + HASH]) for at in range(0, len(view), HASH)]


def _above(row: "list[bytes]") -> "list[bytes]":
    """The hashes of pairs."""
    return [sha256(row[at] + row[at + 1]) for at in range(0, len(row), 2)]


def _top(row: "list[bytes]", padding: bytes, width: int) -> bytes:
    """The hash above `row`, filled up to `width`, a power of two; `padding`: of the lowest row."""
    while width > 1:
        row = _above([*row, padding] if len(row) % 2 else row)
        padding = _above([padding, padding])[0]
        width //= 2
    return row[0] if row else padding


def _power_of_two(least: int) -> int:
    return 1 << max(least - 1, 0).bit_length()


_EMPTY_PIECE = _top([], bytes(HASH), _LEAVES)

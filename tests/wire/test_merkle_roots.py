"""Merkle trees of files, against libtorrent's torrents of version 2."""

from collections.abc import Iterator

import pytest

from edge.wire.merkle import HASH, LEAF, PIECE, piece_hash, pieces, root
from tests.counterparts.model_files import Oracle

UNIT = bytes(range(251))


@pytest.fixture(scope="module")
def libtorrent() -> Iterator[Oracle]:
    with Oracle() as oracle:
        yield oracle


@pytest.mark.parametrize(
    "size",
    [
        *(1, LEAF - 1, LEAF, LEAF + 1, 2 * LEAF, 3 * LEAF + 7, 5 * LEAF),
        *(PIECE - 1, PIECE, PIECE + 1, PIECE + LEAF, 2 * PIECE, 3 * PIECE - LEAF, 3 * PIECE + 1),
        *(4 * PIECE, 5 * PIECE + LEAF + 1, 17 * PIECE),
    ],
)
def test_roots_and_rows_are_those_of_libtorrent(libtorrent: Oracle, size: int) -> None:
    content = (UNIT * (size // len(UNIT) + 1))[:size]
    row = b"".join(
        [piece_hash(content[at : at + PIECE], alone=size <= PIECE) for at in range(0, size, PIECE)]
    )
    theirs, layer = libtorrent.ask("tree", content=UNIT.hex(), repeated=size)
    assert root(row).hex() == theirs
    assert layer == (row.hex() if size > PIECE else "")
    assert len(row) == HASH * pieces(size)

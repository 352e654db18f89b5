"""Trees of files, against a tree that is written out whole as BEP 52 has it."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.wire import merkle
from edge.wire.merkle import HASH, LEAF, PIECE, Tree, proves

COUNTS = st.one_of(st.integers(1, 40), st.integers(250, 1100))


def pair(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(left + right).digest()


def levels(leaves: list[bytes], padding: bytes) -> list[list[bytes]]:
    """Every level from `leaves` up, each of them filled up to a power of two."""
    width = 1
    while width < len(leaves):
        width *= 2
    rows = [leaves + [padding] * (width - len(leaves))]
    while len(rows[-1]) > 1:
        below = rows[-1]
        rows.append([pair(below[at], below[at + 1]) for at in range(0, len(below), 2)])
    return rows


def empty_piece() -> bytes:
    return levels([bytes(HASH)] * (PIECE // LEAF), bytes(HASH))[-1][0]


def row_of(count: int) -> list[bytes]:
    return [hashlib.sha256(index.to_bytes(4, "big")).digest() for index in range(count)]


def tree_of(row: list[bytes]) -> Tree:
    tree = Tree(len(row))
    for at in range(0, len(row), tree.step):
        tree.add(b"".join(row[at : at + tree.step]))
    return tree


def proof_of(row: list[bytes], start: int, end: int) -> bytes:
    tree = tree_of(row)
    first, behind = tree.span(start, end)
    return tree.proof(b"".join(row[first:behind]), start, end)


def test_the_hash_of_a_piece_is_that_of_its_leaves() -> None:
    data = bytes(range(256)) * (5 * LEAF // 256) + b"end"
    leaves = [hashlib.sha256(data[at : at + LEAF]).digest() for at in range(0, len(data), LEAF)]
    assert merkle.piece_hash(data, alone=True) == levels(leaves, bytes(HASH))[-1][0]
    padded = leaves + [bytes(HASH)] * (PIECE // LEAF - len(leaves))
    assert merkle.piece_hash(data) == levels(padded, bytes(HASH))[-1][0]


@given(COUNTS)
def test_the_root_is_that_of_the_whole_tree(count: int) -> None:
    row = row_of(count)
    expected = levels(row, empty_piece())[-1][0]
    assert merkle.root(b"".join(row)) == expected
    assert tree_of(row).root == expected


@given(COUNTS, st.data())
def test_a_range_is_proven_by_the_hashes_beside_its_way_up(count: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, count - 1))
    end = data.draw(st.integers(start + 1, min(count, start + 64)))
    row, rows = row_of(count), levels(row_of(count), empty_piece())
    proof = proof_of(row, start, end)
    filling = {each[-1] for each in levels([empty_piece()] * len(rows[0]), empty_piece())}
    known = {node for level in rows for node in level} - filling
    given_ = [proof[at : at + HASH] for at in range(0, len(proof), HASH)]
    assert set(given_) <= known
    assert len(given_) <= 2 * (len(rows) - 1)
    assert proves(rows[-1][0], count, start, row[start:end], proof)


@given(COUNTS, st.data())
def test_nothing_else_is_proven(count: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, count - 1))
    end = data.draw(st.integers(start + 1, min(count, start + 64)))
    row = row_of(count)
    root, hashes, proof = merkle.root(b"".join(row)), row[start:end], proof_of(row, start, end)
    wrong = data.draw(st.integers(0, len(hashes) - 1))
    flipped = [*hashes[:wrong], bytes(HASH), *hashes[wrong + 1 :]]
    assert not proves(root, count, start, flipped, proof)
    assert not proves(root, count, start, hashes, proof + bytes(HASH))
    assert not proves(root, count, start, hashes, proof[:-1]) or not proof
    assert not proves(bytes(HASH), count, start, hashes, proof)
    assert not proves(root, count, start + 1, hashes, proof) or hashes == row[start + 1 : end + 1]
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        assert not proves(
            root, count, start, hashes, proof[:at] + bytes([proof[at] ^ 1]) + proof[at + 1 :]
        )


@pytest.mark.parametrize(("start", "number"), [(-1, 1), (0, 0), (3, 1), (2, 2), (1 << 60, 1)])
def test_a_range_outside_the_file_is_not_proven(start: int, number: int) -> None:
    row = row_of(3)
    assert not proves(merkle.root(b"".join(row)), 3, start, row[:1] * number, b"")


def test_a_file_of_one_piece_is_its_own_proof() -> None:
    only = merkle.piece_hash(b"short", alone=True)
    assert proves(only, 1, 0, [only], b"")
    assert not proves(only, 1, 0, [bytes(HASH)], b"")


def test_a_tree_keeps_little_of_a_large_file() -> None:
    tree = Tree(merkle.MAX_SIZE // PIECE)
    assert (merkle.MAX_SIZE // PIECE) // tree.step <= 256
    first, behind = tree.span(5 * tree.step - 1, 5 * tree.step + 1)
    assert (first, behind) == (4 * tree.step, 6 * tree.step)


def test_the_longest_proof_is_within_its_bound() -> None:
    count = merkle.MAX_SIZE // PIECE
    middle = count // 2
    assert len(list(merkle._uncles(count, middle - 1, middle + 1))) * HASH <= merkle.MAX_PROOF

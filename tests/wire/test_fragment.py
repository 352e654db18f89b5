"""The messages of the fragment protocol."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.wire import fragment, merkle, packed
from edge.wire.errors import RemoteProtocolError
from edge.wire.fragment import (
    ATTESTATIONS,
    HAVE,
    MANIFEST,
    MAX_PIECES,
    RANGE,
    ROW,
    Attestations,
    Have,
    Manifest,
    Range,
    Refusal,
    Request,
    Row,
    bitmap,
    decode_answer,
    runs,
)
from edge.wire.merkle import HASH, PIECE
from edge.wire.varint import decode

NAME = b"\x03" + bytes(range(32))
SIZE = 10 * PIECE + 5
WANTED = Request(RANGE, NAME, 2, 3)


def body(message: bytes) -> bytes:
    """A message without its length, which is right."""
    found = decode(message)
    assert found is not None
    length, start = found
    assert len(message) == start + length
    return message[start:]


def changed(message: bytes, **fields: Any) -> bytes:
    """A message of which some fields are others; None: they are missing."""
    found = {**packed.loads(body(message)), **fields}
    return packed.dumps({key: value for key, value in found.items() if value is not None})


@given(
    st.sampled_from(fragment.OPERATIONS),
    st.binary(max_size=64),
    st.integers(0, 1 << 30),
    st.integers(1, 1 << 30),
)
def test_a_request_is_read_as_it_was_written(
    operation: str, name: bytes, first: int, count: int
) -> None:
    found = Request.decode(body(Request(operation, name, first, count).encode()))
    assert (found.operation, found.name) == (operation, name)
    if operation in (HAVE, ROW, RANGE):
        assert (found.first, found.count) == (first, count)


def test_a_request_as_it_stands_on_the_wire() -> None:
    assert WANTED.encode() == bytes.fromhex(
        "40"  # length
        "84a26f70a572616e6765"  # {op: range
        "a46e616d65c42103000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
        "a5666972737402a5636f756e7403"  # first: 2, count: 3}
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"op": "delete"},
        {"op": None},
        {"name": None},
        {"name": "text"},
        {"name": bytes(65)},
        {"first": -1},
        {"first": True},
        {"first": 1.0},
        {"first": 1 << 40},
        {"count": 0},
        {"count": None},
    ],
)
def test_what_is_no_request_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(RemoteProtocolError):
        Request.decode(changed(WANTED.encode(), **fields))


def test_unknown_keys_are_skipped() -> None:
    found = Request.decode(changed(WANTED.encode(), priority=[1, {"a": 2}]))
    assert (found.first, found.count) == (2, 3)


@pytest.mark.parametrize("data", [b"", b"\x90", b"\xc1", packed.dumps({"x": bytes(600)})])
def test_a_request_is_one_short_map(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        Request.decode(data)


def a_range() -> Range:
    return Range(SIZE, 2, bytes(3 * HASH), bytes(4 * HASH))


def test_a_range_tells_the_length_of_its_body() -> None:
    found = decode_answer(body(a_range().encode()), WANTED)
    assert isinstance(found, Range)
    assert (found.first, found.count, found.length) == (2, 3, 3 * PIECE)
    assert Range(SIZE, 9, bytes(2 * HASH), b"").length == PIECE + 5
    assert Range(5, 0, bytes(HASH), b"").length == 5


@pytest.mark.parametrize(
    "fields",
    [
        {"first": 3},
        {"size": 2 * PIECE},
        {"size": 1 << 60},
        {"hashes": b""},
        {"hashes": bytes(HASH + 1)},
        {"hashes": bytes(4 * HASH)},
        {"hashes": bytes((MAX_PIECES + 1) * HASH)},
        {"proof": bytes(merkle.MAX_PROOF + 1)},
        {"proof": None},
        {"length": 3 * PIECE - 1},
        {"length": 1 << 62},
        {"length": None},
    ],
)
def test_a_range_that_does_not_fit_the_request_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_answer(changed(a_range().encode(), **fields), WANTED)


def test_a_range_is_proven_against_root_and_size() -> None:
    data = [bytes([index]) * PIECE for index in range(3)] + [b"end"]
    row = b"".join([merkle.piece_hash(piece) for piece in data])
    tree, size = merkle.Tree(4), 3 * PIECE + 3
    for at in range(4):
        tree.add(row[at * HASH : (at + 1) * HASH])
    first, behind = tree.span(1, 3)
    proof = tree.proof(row[first * HASH : behind * HASH], 1, 3)
    found = Range(size, 1, row[HASH : 3 * HASH], proof)
    assert found.proven(merkle.root(row), size)
    assert found.hash_of(2) == merkle.piece_hash(data[2])
    assert not found.proven(merkle.root(row), size + 1)
    assert not found.proven(bytes(HASH), size)
    assert not Range(size, 0, found.hashes, proof).proven(merkle.root(row), size)


def test_have_tells_of_a_window_of_pieces() -> None:
    request = Request(HAVE, NAME, 8, 1 << 30)
    found = decode_answer(body(Have(SIZE, bytes(HASH), False, 8, 3).encode()), request)
    assert isinstance(found, Have)
    assert (found.count, found.length, found.whole) == (3, 1, False)
    huge = Have(1 << 50, bytes(HASH), True, 8, fragment.WINDOW)
    assert isinstance(decode_answer(body(huge.encode()), request), Have)
    for fields in ({"count": 4}, {"length": 2}, {"size": 0}, {"first": 9}, {"root": bytes(31)}):
        with pytest.raises(RemoteProtocolError):
            decode_answer(changed(Have(SIZE, bytes(HASH), False, 8, 3).encode(), **fields), request)


def test_a_row_is_proven_against_root_and_size() -> None:
    row = b"".join([merkle.piece_hash(bytes([index])) for index in range(5)])
    tree, size = merkle.Tree(5), 4 * PIECE + 1
    for at in range(5):
        tree.add(row[at * HASH : (at + 1) * HASH])
    proof, request = tree.proof(row, 3, 5), Request(ROW, NAME, 3, 99)
    found = decode_answer(body(Row(size, 3, 2, proof).encode()), request)
    assert isinstance(found, Row)
    assert found.length == 2 * HASH
    assert found.proven(merkle.root(row), size, row[3 * HASH :])
    assert not found.proven(merkle.root(row), size, row[2 * HASH : 4 * HASH])
    assert not found.proven(merkle.root(row), size, row[3 * HASH :][:-1])
    assert not found.proven(merkle.root(row), size - 1, row[3 * HASH :])
    with pytest.raises(RemoteProtocolError):
        decode_answer(body(Row(size, 3, 1, proof).encode()), request)


def test_a_manifest_is_only_so_long() -> None:
    request = Request(MANIFEST, bytes(32))
    found = decode_answer(body(Manifest(60_000).encode()), request)
    assert isinstance(found, Manifest)
    assert found.length == 60_000
    with pytest.raises(RemoteProtocolError):
        decode_answer(body(Manifest(fragment.MAX_MANIFEST + 1).encode()), request)


def test_attestations_are_few_and_short() -> None:
    request = Request(ATTESTATIONS, b"\x01" + bytes(32))
    found = decode_answer(body(Attestations([b"one", bytes(1024)]).encode()), request)
    assert isinstance(found, Attestations)
    assert found.items == [b"one", bytes(1024)]
    for items in ([b"x"] * 9, [bytes(1025)], ["text"], {"a": b"x"}, None):
        with pytest.raises(RemoteProtocolError):
            decode_answer(changed(Attestations([]).encode(), items=items), request)


@given(st.sampled_from(fragment.ERRORS), st.text(max_size=300), st.integers(0, 3600))
def test_a_refusal_says_why_and_until_when(error: str, text: str, seconds: int) -> None:
    found = decode_answer(body(Refusal(error, text, seconds).encode()), WANTED)
    assert isinstance(found, Refusal)
    assert (found.error, found.text, found.retry_after) == (error, text[:256], seconds)


def test_an_error_of_a_later_version_is_a_refusal() -> None:
    found = decode_answer(packed.dumps({"error": "too-hot"}), WANTED)
    assert isinstance(found, Refusal)
    assert (found.error, found.text) == (fragment.REFUSED, "")
    with pytest.raises(RemoteProtocolError):
        decode_answer(packed.dumps({"error": 7}), WANTED)


@given(st.sets(st.integers(0, 99)), st.integers(1, 100))
def test_a_bitmap_holds_runs(pieces: set[int], count: int) -> None:
    some = sorted(each for each in pieces if each < count)
    bits = bitmap(count, [(each, each + 1) for each in some])
    assert len(bits) == (count + 7) // 8
    assert [at for start, end in runs(bits, count) for at in range(start, end)] == some
    joined = runs(bits, count)
    assert all(before[1] < after[0] for before, after in pairwise(joined))


def test_the_first_piece_is_the_highest_bit() -> None:
    assert bitmap(9, [(0, 2), (8, 9)]) == b"\xc0\x80"

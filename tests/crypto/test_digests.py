"""SHA-256 of much data, by whatever is fastest."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from edge.crypto import digests


@given(st.binary(max_size=200))
def test_a_short_digest(data: bytes) -> None:
    assert digests.sha256(data) == hashlib.sha256(data).digest()
    assert digests.sha256(memoryview(data)) == hashlib.sha256(data).digest()


@given(st.lists(st.integers(0, 3 * digests.CHUNK), max_size=4))
def test_data_as_it_comes(sizes: list[int]) -> None:
    ours, theirs = digests.new(), hashlib.sha256()
    for size in sizes:
        data = bytearray(size)
        data[-1:] = b"x"
        ours.update(data)
        theirs.update(data)
        assert ours.digest() == theirs.digest()
        assert ours.digest() == theirs.digest()

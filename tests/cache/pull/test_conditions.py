"""Ranges and conditions, as values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.cache.pull.conditions import UnsatisfiableError, parse_content_range, parse_range

SIZES = st.integers(0, 1 << 60)


@given(st.text(max_size=40) | st.from_regex(r"bytes=\d{0,20}-\d{0,20}", fullmatch=True), SIZES)
def test_a_range_lies_in_the_file(text: str, size: int) -> None:
    try:
        found = parse_range(text, size)
    except UnsatisfiableError:
        return
    assert found is None or 0 <= found[0] < found[1] <= size


@given(SIZES, SIZES, SIZES)
def test_a_plain_range_is_what_it_says(start: int, more: int, size: int) -> None:
    text = f"bytes={start}-{start + more}"
    if start < size:
        assert parse_range(text, size) == (start, min(start + more + 1, size))
    else:
        with pytest.raises(UnsatisfiableError):
            parse_range(text, size)


@pytest.mark.parametrize("last", [2**63 - 1, 2**63, 2**64, 10**63])
def test_a_range_may_end_wherever_a_client_thinks_that_files_end(last: int) -> None:
    assert parse_range(f"bytes=10-{last}", 100) == (10, 100)
    assert parse_range(f"bytes=-{last}", 100) == (0, 100)
    with pytest.raises(UnsatisfiableError):
        parse_range(f"bytes={last}-", 100)


@given(st.text(max_size=60) | st.from_regex(r"bytes [\d*]{1,4}-[\d*]{1,4}/[\d*]{1,4}"))
def test_a_content_range_is_one_or_refused(text: str) -> None:
    try:
        start, end, total = parse_content_range(text)
    except ValueError:
        return
    assert 0 <= start < end
    assert total is None or total >= 0


def test_content_ranges() -> None:
    assert parse_content_range("bytes 5-9/100") == (5, 10, 100)
    assert parse_content_range("bytes 5-9/*") == (5, 10, None)
    for wrong in ("bytes */100", "bytes 9-5/100", "lines 1-2/3", "bytes 1-/3", "bytes 1-2", "*"):
        with pytest.raises(ValueError, match="Content-Range"):
            parse_content_range(wrong)

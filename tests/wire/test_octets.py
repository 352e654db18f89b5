"""Bytes that came as arrays of numbers."""

import msgpack
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.wire import packed
from edge.wire.errors import RemoteProtocolError
from edge.wire.octets import folded

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def as_folded(value: object) -> object:
    """What a reader finds then."""
    if isinstance(value, dict):
        return {key: as_folded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        if value and all(type(each) is int and 0 <= each <= 255 for each in value):
            return bytes(value)
        return [as_folded(each) for each in value]
    return value


@given(VALUES)
def test_only_arrays_of_bytes_change(value: object) -> None:
    data = msgpack.packb(value)
    assert packed.loads(folded(data)) == as_folded(value)


@given(st.binary(min_size=1, max_size=3000))
@example(bytes([127, 128, 204, 255]))
@example(bytes(range(256)) * 600)
def test_bytes_of_any_length_are_themselves(data: bytes) -> None:
    message = msgpack.packb({"data": list(data), "after": 7})
    assert packed.loads(folded(message)) == {"data": data, "after": 7}


@pytest.mark.parametrize("inner", [256, -1, None, "x", [1]])
def test_a_long_array_of_anything_else_is_refused(inner: object) -> None:
    with pytest.raises(RemoteProtocolError, match="neither short nor bytes"):
        folded(msgpack.packb([1] * 2000 + [inner]))


def test_numbers_in_other_than_the_shortest_form_are_no_bytes() -> None:
    assert folded(b"\x91\xcc\x05") == b"\x91\xcc\x05"
    assert packed.loads(folded(b"\x91\xcd\x00\x05")) == [5]


def test_what_is_cut_or_lies_about_its_length_is_left_to_the_reader() -> None:
    for data in (b"\xdd\xff\xff\xff\xff\x01", b"\x93\x01\x02", b"\x81"):
        with pytest.raises(RemoteProtocolError):
            packed.loads(folded(data))


def test_more_items_than_allowed_are_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="too many"):
        folded(msgpack.packb([[None, "x"]] * 40), 64)


@given(st.binary(max_size=400))
def test_bytes_of_a_stranger(data: bytes) -> None:
    try:
        packed.loads(folded(data, 64), 64, 4)
    except RemoteProtocolError:
        return

"""Varint and protobuf: what holds for any value and any bytes. The vectors are in portable/."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.wire import varint
from edge.wire.autonat import DialBack, Message1, Message2
from edge.wire.circuit import HopMessage, StopMessage
from edge.wire.dcutr import HolePunch
from edge.wire.envelope import Envelope, PeerRecord, Voucher
from edge.wire.errors import RemoteProtocolError
from edge.wire.identify import Identify
from edge.wire.peerid import PublicKey
from edge.wire.protobuf import BYTES, DOUBLE, INT, MESSAGE, STRING, UINT, Field, Message

MESSAGES = (
    *(Envelope, HolePunch, HopMessage, Identify, PeerRecord, PublicKey, StopMessage, Voucher),
    *(DialBack, Message1, Message2),
)


class Leaf(Message):
    FIELDS = (Field(1, "signed", INT), Field(2, "blob", BYTES, limit=40))


class Tree(Message):
    FIELDS = (
        Field(1, "number", UINT),
        Field(2, "text", STRING, limit=200),
        Field(3, "real", DOUBLE),
        Field(4, "leaf", MESSAGE, limit=64, message=Leaf),
        Field(5, "leaves", MESSAGE, limit=64, many=4, message=Leaf),
        Field(1000, "numbers", UINT, many=4),
    )


def optional(values: st.SearchStrategy) -> st.SearchStrategy:
    return st.none() | values


def build(message: type[Message], **fields: st.SearchStrategy) -> st.SearchStrategy:
    return st.fixed_dictionaries(fields).map(lambda values: message(**values))


leaves = build(
    Leaf,
    signed=optional(st.integers(-(1 << 63), (1 << 63) - 1)),
    blob=optional(st.binary(max_size=40)),
)
unsigned = st.integers(0, (1 << 64) - 1)
trees = build(
    Tree,
    number=optional(unsigned),
    text=optional(st.text(st.characters(codec="utf-8"), max_size=50)),
    real=optional(st.floats(allow_nan=False)),
    leaf=optional(leaves),
    leaves=st.lists(leaves, max_size=4),
    numbers=st.lists(unsigned, max_size=4),
)


@given(st.integers(0, (1 << 63) - 1), st.binary(max_size=3))
def test_a_varint_comes_back_with_the_position_behind_it(value: int, rest: bytes) -> None:
    encoded = varint.encode(value)
    assert varint.decode(encoded + rest) == (value, len(encoded))


@given(st.binary(max_size=12))
def test_any_bytes_are_a_minimal_varint_or_incomplete_or_refused(data: bytes) -> None:
    try:
        found = varint.decode(data)
    except RemoteProtocolError:
        return
    if found is None:
        assert all(byte >= 0x80 for byte in data)
    else:
        value, end = found
        assert varint.encode(value) == data[:end]


@given(trees)
def test_a_message_comes_back(tree: Tree) -> None:
    again = Tree.decode(tree.encode())
    for field in Tree.FIELDS:
        assert getattr(again, field.name) == getattr(tree, field.name)
    assert again == tree


@given(trees, trees)
def test_messages_one_after_the_other_are_merged(first: Tree, second: Tree) -> None:
    both = first.encode() + second.encode()
    if len(first.leaves) + len(second.leaves) > 4 or len(first.numbers) + len(second.numbers) > 4:
        with pytest.raises(RemoteProtocolError):
            Tree.decode(both)
        return
    merged = Tree.decode(both)
    assert merged.leaves == first.leaves + second.leaves
    assert merged.number == (first.number if second.number is None else second.number)


@given(trees, st.data())
def test_a_message_cut_short_is_refused_or_another_message(tree: Tree, data: st.DataObject) -> None:
    encoded = tree.encode()
    cut = data.draw(st.integers(0, len(encoded)))
    try:
        part = Tree.decode(encoded[:cut])
    except RemoteProtocolError:
        return
    assert encoded.startswith(part.encode())


@pytest.mark.parametrize("message", MESSAGES)
@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_refused(message: type[Message], data: bytes) -> None:
    try:
        found = message.decode(data)
    except RemoteProtocolError:
        return
    assert message.decode(found.encode()) == found


@pytest.mark.parametrize("message", MESSAGES)
@given(st.data())
def test_any_fields_are_a_message_or_refused(message: type[Message], data: st.DataObject) -> None:
    """As above, of bytes that look more like messages."""
    keys = st.sampled_from([field.key for field in message.FIELDS])
    bodies = st.binary(max_size=20).map(lambda body: bytes((len(body),)) + body) | st.binary()
    parts = data.draw(st.lists(st.tuples(keys, bodies).map(b"".join), max_size=8))
    try:
        found = message.decode(b"".join(parts))
    except RemoteProtocolError:
        return
    assert message.decode(found.encode()) == found

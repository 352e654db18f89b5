"""The delimited reader, however a stream is cut. The vectors are in portable/."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.wire import varint
from edge.wire.delimited import DelimitedReader
from edge.wire.errors import RemoteProtocolError
from edge.wire.protobuf import delimited


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(1, 400))
def test_a_stream_cut_anywhere_gives_the_same_messages(messages: list[bytes], size: int) -> None:
    stream = b"".join(map(delimited, messages))
    reader = DelimitedReader(300)
    found = []
    for start in range(0, len(stream), size):
        rest = memoryview(stream)[start : start + size]
        while len(rest):
            message, taken = reader.feed(rest)
            rest = rest[taken:]
            if message is not None:
                found.append(bytes(message))
    assert found == messages
    assert not reader.partial


@given(st.lists(st.binary(max_size=30)))
def test_any_bytes_are_messages_or_refused(chunks: list[bytes]) -> None:
    reader = DelimitedReader(100)
    try:
        for chunk in chunks:
            rest = chunk
            while True:
                message, taken = reader.feed(rest)
                rest = rest[taken:]
                if message is None:
                    break
                assert len(message) <= 100
    except RemoteProtocolError:
        return


def test_a_length_announced_is_not_allocated() -> None:
    ten_mib = 10 << 20
    reader = DelimitedReader(ten_mib)
    tracemalloc.start()
    try:
        reader.feed(varint.encode(ten_mib))
        reader.feed(bytes(1000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10_000
    with pytest.raises(RemoteProtocolError, match="10485761 bytes, at most 10485760"):
        DelimitedReader(ten_mib).feed(varint.encode(ten_mib + 1))

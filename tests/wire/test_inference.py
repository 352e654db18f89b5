"""The calls of our own protocol of inference, and their bounds."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.wire import inference, packed
from edge.wire.delimited import DelimitedReader
from edge.wire.errors import RemoteProtocolError
from edge.wire.inference import MAX_HEAD, MODEL, Answer, Call, Hop, Refusal

U64 = st.integers(0, 2**64 - 1)
BLOCKS = st.tuples(st.integers(0, 4095), st.integers(0, 4095)).map(
    lambda pair: (min(pair), max(pair) + 1)
)
HOPS = st.builds(
    lambda peer, blocks: Hop(peer, *blocks), st.binary(min_size=1, max_size=64), BLOCKS
)
DTYPE = st.sampled_from(inference.DTYPES)


@st.composite
def calls(draw: st.DrawFn) -> Call:
    start, end = draw(BLOCKS)
    return Call(
        draw(U64),
        draw(U64),
        draw(st.binary(min_size=MODEL, max_size=MODEL)),
        start,
        end,
        draw(st.integers(0, 2**31)),
        draw(st.integers(1, inference.MAX_ROWS)),
        draw(st.integers(0, inference.MAX_BODY)),
        tokens=draw(st.booleans()),
        dtype=draw(DTYPE),
        positions=draw(st.integers(0, 2**31)),
        top=draw(st.integers(0, inference.MAX_TOP)),
        deadline=draw(st.integers(0, inference.MAX_DEADLINE)),
        hops=draw(st.lists(HOPS, max_size=inference.MAX_HOPS)),
    )


ANSWERS = st.builds(
    Answer,
    U64,
    st.sampled_from([inference.HIDDEN, inference.LOGITS, inference.TOP]),
    st.integers(0, inference.MAX_ROWS),
    st.integers(0, inference.MAX_BODY),
    dtype=DTYPE,
    left=U64,
) | st.builds(
    Refusal,
    U64,
    st.sampled_from(inference.ERRORS),
    st.text(max_size=300),
    position=st.integers(0, 2**32 - 1),
    left=U64,
    retry_after=st.integers(0, inference.MAX_RETRY),
)


def told(message: Any) -> dict[str, Any]:
    fields = {name: getattr(message, name) for name in message.__slots__}
    if "hops" in fields:
        fields["hops"] = [told(hop) for hop in fields["hops"]]
    return fields


def body_of(framed: bytes) -> bytes:
    body, used = DelimitedReader(MAX_HEAD).feed(framed)
    assert body is not None and used == len(framed)
    return bytes(body)


@given(calls())
def test_calls(call: Call) -> None:
    assert told(Call.decode(body_of(call.encode()))) == told(call)


@given(ANSWERS)
def test_answers(answer: Answer | Refusal) -> None:
    again = inference.decode_answer(body_of(answer.encode()))
    assert type(again) is type(answer)
    assert told(again) == told(answer)


def test_a_session_is_closed() -> None:
    closing = Call.close(7, 9, bytes(MODEL))
    assert told(Call.decode(body_of(closing.encode()))) == told(closing)


def test_an_error_of_a_later_version_is_one() -> None:
    refusal = inference.decode_answer(packed.dumps({"call": 1, "error": "tired", "later": 1}))
    assert isinstance(refusal, Refusal)
    assert refusal.error == inference.BAD


@pytest.mark.parametrize(
    ("changed", "about"),
    [
        ({"op": "stop"}, "unknown call"),
        ({"op": {}}, "unknown call"),
        ({"session": -1}, "session"),
        ({"call": None}, "call"),
        ({"model": bytes(31)}, "digest"),
        ({"model": "x" * 32}, "model"),
        ({"start": 5, "end": 5}, "no blocks"),
        ({"start": True}, "no blocks"),
        ({"end": 5000}, "no blocks"),
        ({"rows": 0}, "without rows"),
        ({"rows": 33}, "rows"),
        ({"position": 2**32 - 1}, "position"),
        ({"length": inference.MAX_BODY + 1}, "length"),
        ({"dtype": "f8"}, "dtype"),
        ({"top": 257}, "top"),
        ({"deadline": 600_001}, "deadline"),
        ({"hops": {}}, "short list"),
        ({"hops": [[b"p", 0, 1]] * 17}, "short list|items"),
        ({"hops": [[b"p", 0]]}, "its blocks"),
        ({"hops": [[b"", 0, 1]]}, "peer id"),
        ({"hops": [[b"p", 1, 1]]}, "no blocks"),
    ],
)
def test_what_is_wrong_is_named(changed: dict[str, Any], about: str) -> None:
    sound = packed.loads(body_of(Call(1, 1, bytes(MODEL), 0, 5, 0, 1, 4).encode()))
    Call.decode(packed.dumps(sound))
    wrong = {key: value for key, value in {**sound, **changed}.items() if value is not None}
    with pytest.raises(RemoteProtocolError, match=about):
        Call.decode(packed.dumps(wrong))


def test_rows_have_the_sizes_of_their_types() -> None:
    sizes = [inference.row_size(dtype, 64) for dtype in inference.DTYPES]
    assert sizes == [256, 128, 128, 68]

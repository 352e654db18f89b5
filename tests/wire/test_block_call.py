"""KwaaiNet's call of a block server, against its structures under rmp-serde."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.wire import packed
from edge.wire.block_call import HIDDEN_STATES, LOGITS, TOKEN_IDS, WIDTHS, Request, Response
from edge.wire.errors import RemoteProtocolError
from tests.counterparts.rust_wire import RustWire

U64 = st.integers(0, 2**64 - 1)
U32 = st.integers(0, 2**32 - 1)
FIXTURE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
# Written by rmp-serde 1.3.1: a session's first call, with one token.
WRITTEN = bytes.fromhex(
    "85aa73657373696f6e5f696401a77365715f706f7300ac7061796c6f61645f74797065a9746f6b656e5f696473"
    "a573686170659101a46461746194010000ccc8"
)


@pytest.fixture(scope="module")
def rust() -> Iterator[RustWire]:
    with RustWire() as process:
        yield process


@st.composite
def tensors(draw: st.DrawFn, kind: str) -> tuple[list[int], bytes]:
    rows, width = draw(st.integers(1, 40)), draw(st.integers(1, 12))
    shape = [rows] if kind == TOKEN_IDS else [1, rows, width]
    size = rows * WIDTHS[kind] * (1 if kind == TOKEN_IDS else width)
    return shape, draw(st.binary(min_size=size, max_size=size))


@st.composite
def requests(draw: st.DrawFn) -> Request:
    kind = draw(st.sampled_from([TOKEN_IDS, HIDDEN_STATES]))
    return Request(draw(U64), draw(U32), kind, *draw(tensors(kind)))


@st.composite
def responses(draw: st.DrawFn) -> Response:
    if draw(st.booleans()):
        return Response(draw(U64), error=draw(st.text(max_size=40)))
    kind = draw(st.sampled_from([HIDDEN_STATES, LOGITS]))
    return Response(draw(U64), kind, *draw(tensors(kind)))


def told(message: Request | Response) -> dict[str, Any]:
    """As serde tells of it in JSON."""
    about = {
        "session_id": message.session,
        "shape": list(message.shape),
        "data": list(message.data),
    }
    if isinstance(message, Request):
        return {**about, "seq_pos": message.position, "payload_type": message.kind}
    return {**about, "response_type": message.kind, "error": message.error}


def slots(message: Request | Response) -> list[Any]:
    return [getattr(message, name) for name in message.__slots__]


@FIXTURE
@given(request=requests(), positional=st.booleans())
def test_requests_both_ways(rust: RustWire, request: Request, positional: bool) -> None:
    assert rust.decode("InferenceRequest", request.encode()) == told(request)
    written = rust.encode("InferenceRequest", told(request), positional=positional)
    assert slots(Request.decode(written)) == slots(request)


@FIXTURE
@given(response=responses(), positional=st.booleans())
def test_responses_both_ways(rust: RustWire, response: Response, positional: bool) -> None:
    assert rust.decode("InferenceResponse", response.encode()) == told(response)
    written = rust.encode("InferenceResponse", told(response), positional=positional)
    assert slots(Response.decode(written)) == slots(response)


def test_a_call_as_it_was_recorded(rust: RustWire) -> None:
    request = Request.decode(WRITTEN)
    assert slots(request) == slots(
        Request(1, 0, TOKEN_IDS, [1], (200 << 24 | 1).to_bytes(4, "little"))
    )
    assert rust.encode("InferenceRequest", told(request)) == WRITTEN


def test_an_error_may_be_missing_and_more_may_be_there() -> None:
    fields = {"session_id": 9, "response_type": LOGITS, "shape": [1, 2], "data": b"abcd"}
    assert Response.decode(packed.dumps({**fields, "later": {"x": [1]}})).error is None


def request_of(**changed: Any) -> bytes:
    fields = {"session_id": 1, "seq_pos": 0, "payload_type": HIDDEN_STATES, "shape": [1, 1, 2]}
    return packed.dumps({**fields, "data": b"abcd", **changed})


@pytest.mark.parametrize(
    ("changed", "about"),
    [
        ({"session_id": -1}, "session_id"),
        ({"session_id": True}, "session_id"),
        ({"seq_pos": 2**32}, "seq_pos"),
        ({"payload_type": LOGITS}, "payload_type"),
        ({"payload_type": 0}, "payload_type"),
        ({"shape": [1, 2, 2]}, "of that shape"),
        ({"shape": []}, "of that shape"),
        ({"shape": [1, 0, 2]}, "lengths"),
        ({"shape": [1, "2"]}, "lengths"),
        ({"shape": [1, 1, 1, 1, 2]}, "shape"),
        ({"shape": [2**32 - 1, 2**32 - 1, 2**32 - 1]}, "of that shape"),
        ({"data": "abcd"}, "data"),
        ({"data": b"abc"}, "of that shape"),
    ],
)
def test_what_is_wrong_is_named(changed: dict[str, Any], about: str) -> None:
    assert Request.decode(request_of()).data == b"abcd"
    with pytest.raises(RemoteProtocolError, match=about):
        Request.decode(request_of(**changed))

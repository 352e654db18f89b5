"""KwaaiNet's requests to servers of whole models, against its structures under rmp-serde."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.wire import packed, whole_model
from edge.wire.errors import RemoteProtocolError
from edge.wire.whole_model import (
    AnswerLease,
    AskLease,
    AtCapacity,
    Denied,
    Granted,
    HttpRequest,
    HttpResponse,
    KeepLease,
    ReleaseLease,
)
from tests.counterparts.rust_wire import RustWire

if TYPE_CHECKING:
    from edge.wire.whole_model import Frame, Outcome

FIXTURE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
U64 = st.integers(0, 2**64 - 1)
SHORT = st.text(max_size=16)
OUTCOMES: st.SearchStrategy["Outcome"] = (
    st.builds(Granted, U64, st.integers(0, 2**32 - 1))
    | st.builds(AtCapacity, st.integers(0, 3600))
    | st.sampled_from(whole_model._REASONS).map(Denied)
)
FRAMES: st.SearchStrategy["Frame"] = (
    st.builds(HttpRequest, SHORT, SHORT, st.binary(), st.none() | U64, U64)
    | st.builds(HttpResponse, st.integers(0, 65535), st.binary(), U64)
    | st.builds(AskLease, st.none() | SHORT, U64)
    | st.builds(AnswerLease, OUTCOMES, U64)
    | st.builds(ReleaseLease, U64)
    | st.builds(KeepLease, U64)
)


@pytest.fixture(scope="module")
def rust() -> Iterator[RustWire]:
    with RustWire() as process:
        yield process


def listed(value: Any) -> Any:
    """As serde tells of it in JSON."""
    if isinstance(value, dict):
        return {key: listed(inner) for key, inner in value.items()}
    return list(value) if isinstance(value, bytes) else value


@FIXTURE
@given(frame=FRAMES)
def test_frames_both_ways(rust: RustWire, frame: "Frame") -> None:
    written = whole_model.encode_frame(frame)
    length, body = written[: whole_model.PREFIX], written[whole_model.PREFIX :]
    assert int.from_bytes(length, "little") == len(body)
    read = rust.decode("MuxFrame", body)
    assert read == listed(packed.loads(body))
    again = whole_model.decode_frame(rust.encode("MuxFrame", read))
    assert type(again) is type(frame)
    assert again.fields() == frame.fields()


@FIXTURE
@given(asked=st.builds(HttpRequest, SHORT, SHORT, st.binary(), st.none() | U64))
def test_requests_of_the_proxies(rust: RustWire, asked: HttpRequest) -> None:
    read = rust.decode("ProxyRequest", whole_model.encode(asked))
    assert read == listed(asked.fields())
    again = whole_model.decode_http(rust.encode("ProxyRequest", read))
    assert again.fields() == asked.fields()


@FIXTURE
@given(answer=st.builds(HttpResponse, st.integers(0, 65535), st.binary()))
def test_answers_of_the_proxies(rust: RustWire, answer: HttpResponse) -> None:
    read = rust.decode("ProxyResponse", whole_model.encode(answer))
    again = whole_model.decode_answer(rust.encode("ProxyResponse", read))
    assert again.fields() == answer.fields()


@FIXTURE
@given(outcome=OUTCOMES)
def test_leases(rust: RustWire, outcome: "Outcome") -> None:
    read = rust.decode("NegotiationOutcome", whole_model.encode_outcome(outcome))
    again = whole_model.decode_outcome(rust.encode("NegotiationOutcome", read))
    assert again.value() == outcome.value() == read


@pytest.mark.parametrize("model", [None, "smollm2"])
def test_a_lease_is_asked_for(rust: RustWire, model: str | None) -> None:
    written = rust.encode("LeaseRequestPayload", {"model": model})
    assert written == whole_model.encode(AskLease(model))
    assert whole_model.decode_ask(written).model == model


def test_clients_without_leases_name_none() -> None:
    request = packed.dumps({"method": "GET", "path": "/", "body": []})
    assert whole_model.decode_http(request).lease is None


@pytest.mark.parametrize(
    "frame",
    [
        {},
        {"Request": {}, "Response": {}},
        {"Response": [1, 200, b""]},
        {"Stop": {}},
        "LeaseRelease",
        {"LeaseRelease": {"lease_id": -1}},
        {"LeaseResponse": {"request_id": 1, "outcome": "Perhaps"}},
        {"LeaseResponse": {"request_id": 1, "outcome": {"Granted": 1}}},
        {"Request": {"request_id": 1, "method": "G" * 17, "path": "/", "body": b""}},
        {"Request": {"request_id": 1, "method": "GET", "path": "/" * 1025, "body": b""}},
        {"Request": {"request_id": 1, "method": "GET", "path": "/", "body": "text"}},
    ],
)
def test_what_is_wrong_is_refused(frame: Any) -> None:
    with pytest.raises(RemoteProtocolError):
        whole_model.decode_frame(packed.dumps(frame))

"""The messages of hivemind's DHT, and their bounds. The vectors are in portable/."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.wire import hivemind
from edge.wire.errors import RemoteProtocolError
from edge.wire.hivemind import (
    FOUND_REGULAR,
    PLAIN,
    CallUnary,
    FindRequest,
    FindResponse,
    FindResult,
    Frame,
    NodeInfo,
    PingRequest,
    StoreRequest,
)
from edge.wire.peerid import PeerId

NODE = NodeInfo(node_id=bytes(range(20)))
KEY = b"k" * 20
PEER = PeerId.from_string("12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA")


def test_a_call_without_an_id_is_refused() -> None:
    for data in (Frame(call_unary=CallUnary()).encode(), Frame(call_id=b"short").encode()):
        with pytest.raises(RemoteProtocolError, match="id has 16 bytes"):
            Frame.decode(data)


def test_what_authorises_calls_is_not_read() -> None:
    token = b"\x0a\x02\x0a\x00"
    assert PingRequest.decode(token + PingRequest(peer=NODE).encode()) == PingRequest(peer=NODE)


def test_a_request_says_who_sends_it_or_nothing() -> None:
    assert PingRequest(peer=NODE).node_id == NODE.node_id
    assert PingRequest(peer=NodeInfo()).node_id == PingRequest().node_id == b""


# --- bounds ---


def test_absent_subkeys_are_plain_and_absent_flags_unset() -> None:
    request = StoreRequest(keys=[KEY], values=[b"v"], expirations=[1.5])
    assert request.records() == [(KEY, PLAIN, b"v", 1.5, False)]


@pytest.mark.parametrize("missing", ["values", "expirations"])
def test_a_record_without_its_parts_is_refused(missing: str) -> None:
    request = StoreRequest(keys=[KEY], values=[b"v"], expirations=[1.5])
    setattr(request, missing, [])
    with pytest.raises(RemoteProtocolError, match="differ in length"):
        request.records()


def test_a_key_has_20_bytes() -> None:
    with pytest.raises(RemoteProtocolError):
        FindRequest.decode(FindRequest(keys=[b"k" * 19]).encode())
    with pytest.raises(RemoteProtocolError):
        StoreRequest(keys=[b""], values=[b"v"], expirations=[1.5]).records()


def test_a_request_has_at_most_1024_keys() -> None:
    most = FindRequest(keys=[KEY] * hivemind.MAX_KEYS)
    assert len(FindRequest.decode(most.encode()).keys) == hivemind.MAX_KEYS
    with pytest.raises(RemoteProtocolError, match="more than 1024"):
        FindRequest.decode(most.encode() + FindRequest(keys=[KEY]).encode())


def test_a_value_has_at_most_a_mebibyte() -> None:
    longest = bytes(hivemind.MAX_VALUE)
    assert StoreRequest.decode(StoreRequest(values=[longest]).encode()).values == [longest]
    with pytest.raises(RemoteProtocolError, match="longer than"):
        StoreRequest.decode(StoreRequest(values=[longest + b"x"]).encode())


# --- the results that are joined of pieces ---


def test_results_made_of_pieces_are_read_as_any_others() -> None:
    found = hivemind.found_piece(FOUND_REGULAR, b"v", 1.5)
    piece = hivemind.nearest_piece(KEY, PEER)
    data = hivemind.find_result(found, [piece] * 2) + hivemind.find_result(b"", [])
    response = FindResponse.decode(data + FindResponse(peer=NODE).encode())
    assert response.results == [
        FindResult(
            type=FOUND_REGULAR,
            value=b"v",
            expiration=1.5,
            nearest_node_ids=[KEY] * 2,
            nearest_peer_ids=[PEER.bytes] * 2,
        ),
        FindResult(),
    ]
    assert response.node_id == NODE.node_id


@given(
    st.lists(
        st.tuples(st.binary(min_size=20, max_size=20), st.binary(), st.floats(), st.booleans())
    )
)
def test_what_is_to_be_stored_comes_back(records: list[tuple[bytes, bytes, float, bool]]) -> None:
    request = StoreRequest(
        keys=[each[0] for each in records],
        values=[each[1] for each in records],
        expirations=[each[2] for each in records],
        in_cache=[each[3] for each in records],
    )
    read = StoreRequest.decode(request.encode())
    assert read == request
    assert [(key, value) for key, _, value, _, _ in read.records()] == [r[:2] for r in records]
    assert [cached for *_, cached in read.records()] == [each[3] for each in records]

"""The upgrade and the connection it makes, ours against ours, cut wherever bytes can be cut."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import crypto
from edge.wire import multistream, yamux
from edge.wire.connection import MIN_BUFFER, Buffers, Connection
from edge.wire.errors import RemoteProtocolError, WireError
from edge.wire.noise import Identity
from edge.wire.upgrade import MUXERS, Upgrade

DIALER = Identity(crypto.Ed25519Key.generate(), MUXERS)
LISTENER = Identity(crypto.Ed25519Key.generate(), MUXERS)
OLD = Identity(crypto.Ed25519Key.generate(), [])  # knows no early muxer negotiation
OTHER = Identity(crypto.Ed25519Key.generate(), ["/mplex/6.7.0"])


def upgrade(dialer: Identity, listener: Identity, step: int = 1 << 20) -> tuple[Upgrade, Upgrade]:
    """Run both to their end, `step` bytes at a time."""
    a, b = Upgrade(dialer, True, listener.peer_id), Upgrade(listener, False)
    to_b, to_a = a.start(), b""
    while to_a or to_b:
        piece, to_b = to_b[:step], to_b[step:]
        to_a += b.receive(piece) if piece else b""
        piece, to_a = to_a[:step], to_a[step:]
        to_b += a.receive(piece) if piece else b""
    return a, b


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
@pytest.mark.parametrize("listener", [LISTENER, OLD])
@pytest.mark.parametrize("dialer", [DIALER, OLD])
def test_upgrades_with_and_without_early_muxer(
    dialer: Identity, listener: Identity, step: int
) -> None:
    a, b = upgrade(dialer, listener, step)
    assert a.done
    assert b.done
    assert (a.remote_peer, b.remote_peer) == (listener.peer_id, dialer.peer_id)
    assert not a.ciphertext + a.plaintext + b.ciphertext + b.plaintext


def test_the_dialer_needs_two_flights_and_the_listener_one() -> None:
    a, b = Upgrade(DIALER, True), Upgrade(LISTENER, False)
    third = a.receive(b.receive(a.start()))
    assert a.done
    assert b.receive(third) == b""
    assert b.done


def test_no_common_muxer_ends_it() -> None:
    with pytest.raises(RemoteProtocolError, match="mplex"):
        upgrade(DIALER, OTHER)


def test_other_security_protocols_are_refused_and_noise_then_taken() -> None:
    b = Upgrade(LISTENER, False)
    answer = b.receive(multistream.HEADER + multistream.encode_line("/tls/1.0.0"))
    assert answer == multistream.HEADER + multistream.NA


def connections(size: int = 4 * MIN_BUFFER) -> tuple[Connection, Connection]:
    a, b = upgrade(DIALER, LISTENER)
    return (
        Connection(a.channel, yamux.Session(True), Buffers(size), a.ciphertext, a.plaintext),
        Connection(b.channel, yamux.Session(False), Buffers(size), b.ciphertext, b.plaintext),
    )


def drain(connection: Connection) -> bytes:
    sent = b""
    while connection.wants_to_send:
        sent += bytes(connection.data_to_send())
    return sent


def put(connection: Connection, data: bytes, step: int) -> list[tuple[int, bytes]]:
    """Feed `data`; the events as (kind, payload)."""
    seen = []
    while data:
        room = connection.get_buffer()
        piece = data[: min(step, len(room))]
        data = data[len(piece) :]
        room[: len(piece)] = piece
        for kind, _, start, end in connection.buffer_updated(len(piece)):
            payload = connection._buffers.plain[start:end] if kind == yamux.STREAM_DATA else b""
            seen.append((kind, bytes(payload)))
    return seen


@pytest.mark.parametrize("size", [MIN_BUFFER, 4 * MIN_BUFFER])
@pytest.mark.parametrize("step", [1, 1000, 1 << 20])
def test_bytes_arrive_whatever_the_pieces(step: int, size: int) -> None:
    a, b = connections(size)
    stream = a.session.open_stream()
    text = bytes(range(256)) * (40 if step == 1 else 900)
    assert a.send(stream, text) == len(text)
    seen = put(b, drain(a), step)
    assert seen[0][0] == yamux.STREAM_OPENED
    assert b"".join(payload for _, payload in seen) == text
    assert b.held == 0


def test_forwarding_rewrites_headers_in_place_and_joins_neighbours() -> None:
    """Payloads of two source streams go out on two other streams, untouched and in order."""
    source, relay_in = connections()
    relay_out, target = connections()
    relay_out._buffers = relay_in._buffers  # as in a relay: one scratch for all
    streams = [source.session.open_stream() for _ in range(2)]
    out_streams = [relay_out.session.open_stream() for _ in range(2)]
    texts = [bytes([65 + i]) * 70000 for i in range(2)]
    for _ in range(2):
        for stream, text in zip(streams, texts, strict=True):
            source.send(stream, text)
    data = drain(source)
    got: dict[int, bytes] = {}
    while data:
        room = relay_in.get_buffer()
        piece, data = data[: len(room)], data[len(room) :]
        room[: len(piece)] = piece
        for kind, stream, start, end in relay_in.buffer_updated(len(piece)):
            if kind == yamux.STREAM_DATA and stream is not None:
                relay_out.forward(out_streams[stream.id // 2], start, end)
        sealed = drain(relay_out)
        while sealed:
            room = target.get_buffer()
            part, sealed = sealed[: len(room)], sealed[len(room) :]
            room[: len(part)] = part
            for kind, stream, start, end in target.buffer_updated(len(part)):
                if kind == yamux.STREAM_DATA and stream is not None:
                    payload = bytes(target._buffers.plain[start:end])
                    got[stream.id] = got.get(stream.id, b"") + payload
    assert got == {1: texts[0] * 2, 3: texts[1] * 2}


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300))
def test_garbage_only_ever_raises_wire_errors(data: bytes) -> None:
    for side in (Upgrade(LISTENER, False), Upgrade(DIALER, True)):
        try:
            side.receive(data)
        except WireError:
            continue
        assert not side.done


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=64), max_size=8), st.integers(1, 40))
def test_any_plaintext_only_ever_raises_wire_errors(chunks: list[bytes], step: int) -> None:
    """An authenticated peer may still send anything inside its channel."""
    a, b = connections(MIN_BUFFER)
    for chunk in chunks:
        a.session.out += chunk
    data = drain(a)
    try:
        put(b, data, step)
    except RemoteProtocolError:
        assert b.held <= MIN_BUFFER

"""The handshake against an independent Noise implementation (PyPI noiseprotocol), both roles."""

import pytest
from noise.connection import Keypair, NoiseConnection

from edge import crypto
from edge.wire.errors import LocalProtocolError, RemoteProtocolError
from edge.wire.noise import (
    FRAME_OVERHEAD,
    MAX_PLAINTEXT,
    NAME,
    SIGNATURE_PREFIX,
    Channel,
    Extensions,
    Handshake,
    Identity,
    Payload,
)
from edge.wire.peerid import PublicKey

MUXERS = ["/yamux/1.0.0"]


def identity() -> Identity:
    return Identity(crypto.Ed25519Key.generate(), MUXERS)


def oracle(initiator: bool, static: bytes) -> NoiseConnection:
    noise = NoiseConnection.from_name(NAME)
    noise.set_as_initiator() if initiator else noise.set_as_responder()
    noise.set_keypair_from_private_bytes(Keypair.STATIC, static)
    noise.start_handshake()
    return noise


def payload_for(key: crypto.Ed25519Key, static_public: bytes, muxers: list[str]) -> bytes:
    return Payload(
        identity_key=PublicKey(type=1, data=key.public).encode(),
        identity_sig=key.sign(SIGNATURE_PREFIX + static_public),
        extensions=Extensions(stream_muxers=muxers),
    ).encode()


def seal(channel: Channel, plain: bytes) -> bytes:
    out = bytearray(len(plain) + FRAME_OVERHEAD)
    end = channel.seal_frame(memoryview(plain), 0, len(plain), memoryview(out), 0)
    return bytes(out[:end])


def unseal(channel: Channel, framed: bytes) -> tuple[bytes, int]:
    out = bytearray(len(framed))
    used, end = channel.open_frames(memoryview(framed), 0, len(framed), memoryview(out), 0)
    return bytes(out[:end]), used


@pytest.mark.parametrize("we_dial", [True, False])
def test_handshake_and_transport_with_an_independent_implementation(we_dial: bool) -> None:
    key = crypto.Ed25519Key.generate()
    static = bytes(range(32))
    _, static_public = crypto.x25519_from_seed(static)
    theirs = payload_for(key, static_public, MUXERS)
    us = identity()
    ours, them = Handshake(us, we_dial), oracle(not we_dial, static)
    if we_dial:
        assert them.read_message(ours.start()) == b""
        last = ours.receive_message(bytes(them.write_message(theirs)))
        seen = them.read_message(last)
    else:
        second = ours.receive_message(bytes(them.write_message()))
        seen = them.read_message(second)
        assert ours.receive_message(bytes(them.write_message(theirs))) == b""
    assert Payload.decode(bytes(seen)) == Payload.decode(us.payload)
    assert ours.remote_peer == PublicKey(type=1, data=key.public).peer_id()
    assert ours.remote_muxers == MUXERS
    assert ours.channel is not None
    for plain in (b"", b"hello", bytes(MAX_PLAINTEXT)):
        assert them.decrypt(seal(ours.channel, plain)[2:]) == plain
        sealed = bytes(them.encrypt(plain))
        framed = len(sealed).to_bytes(2, "big") + sealed
        assert unseal(ours.channel, framed) == (plain, len(framed))


def pair() -> tuple[Handshake, Handshake]:
    dialer, listener = Handshake(identity(), True), Handshake(identity(), False)
    last = dialer.receive_message(listener.receive_message(dialer.start()))
    listener.receive_message(last)
    return dialer, listener


def test_both_ends_of_ours_agree() -> None:
    dialer, listener = pair()
    assert dialer.channel is not None
    assert listener.channel is not None
    framed = seal(dialer.channel, b"one") + seal(dialer.channel, b"two") + b"\x00\x20half"
    assert unseal(listener.channel, framed) == (b"onetwo", len(framed) - 6)


def test_a_flipped_bit_in_any_message_ends_the_handshake() -> None:
    for step in (1, 2):
        dialer, listener = Handshake(identity(), True), Handshake(identity(), False)
        message = listener.receive_message(dialer.start())
        if step == 2:
            message = dialer.receive_message(message)
        for position in range(32, len(message), 17):
            broken = bytearray(message)
            broken[position] ^= 1
            receiver = dialer if step == 1 else listener
            with pytest.raises(RemoteProtocolError):
                receiver.receive_message(bytes(broken))
            break  # the state has moved on; one flip a handshake


def test_someone_else_than_was_dialled_is_refused() -> None:
    dialer = Handshake(identity(), True, expected=identity().peer_id)
    second = Handshake(identity(), False).receive_message(dialer.start())
    with pytest.raises(RemoteProtocolError, match="answered by"):
        dialer.receive_message(second)


def test_a_static_key_signed_by_nobody_is_refused() -> None:
    key = crypto.Ed25519Key.generate()
    static = bytes(range(32))
    theirs = payload_for(key, bytes(32), MUXERS)
    ours, them = Handshake(identity(), True), oracle(False, static)
    them.read_message(ours.start())
    with pytest.raises(RemoteProtocolError, match="not signed"):
        ours.receive_message(bytes(them.write_message(theirs)))


@pytest.mark.parametrize("useless", [bytes(32), (1).to_bytes(32, "little")])
def test_low_order_ephemeral_keys_are_refused(useless: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="useless"):
        Handshake(identity(), False).receive_message(useless)


def test_who_says_nothing_costs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    us, made, keypair = identity(), [], crypto.x25519_keypair
    monkeypatch.setattr(crypto, "x25519_keypair", lambda: made.append(1) or keypair())
    listener, dialer = Handshake(us, False), Handshake(us, True)
    with pytest.raises(RemoteProtocolError):
        Handshake(us, False).receive_message(bytes(7))
    assert not made
    first = dialer.start()
    assert len(made) == 1
    dialer.receive_message(listener.receive_message(first))
    assert len(made) == 2


def test_sizes_are_bounded_and_turns_are_kept() -> None:
    for size in (0, 31, 7000):
        with pytest.raises(RemoteProtocolError):
            Handshake(identity(), False).receive_message(bytes(size))
    with pytest.raises(LocalProtocolError):
        Handshake(identity(), True).receive_message(bytes(32))
    with pytest.raises(LocalProtocolError):
        Handshake(identity(), False).start()


def test_frames_too_short_for_a_tag_or_forged_are_refused() -> None:
    dialer, listener = pair()
    assert dialer.channel is not None
    assert listener.channel is not None
    with pytest.raises(RemoteProtocolError):
        unseal(listener.channel, b"\x00\x0f" + bytes(15))
    framed = bytearray(seal(dialer.channel, b"text"))
    framed[-1] ^= 1
    with pytest.raises(RemoteProtocolError):
        unseal(listener.channel, bytes(framed))


def test_of_too_many_muxers_the_first_are_kept() -> None:
    offered = ["x" * 65, *MUXERS, *[f"/{n}" for n in range(20)]]
    found = Extensions.decode(Extensions(stream_muxers=offered).encode())
    assert found.stream_muxers == offered[1:17]

"""Attestations: signed for one purpose, in one form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.crypto import Ed25519Key
from edge.wire import attestation, envelope
from edge.wire.attestation import DOMAIN, PAYLOAD_TYPE, Attestation, open_attestation, seal
from edge.wire.errors import RemoteProtocolError
from edge.wire.peerid import ED25519, PublicKey

KEY = Ed25519Key.from_seed(bytes(range(32)))
PEER = PublicKey(type=ED25519, data=KEY.public).peer_id()
SAID = Attestation(sha256=b"s" * 32, size=1 << 40, root=b"r" * 32, manifest=b"m" * 32)
HASHES = st.binary(min_size=32, max_size=32)


@given(HASHES, st.integers(0, (1 << 63) - 1), HASHES, st.none() | HASHES)
def test_what_was_signed_is_read(
    sha256: bytes, size: int, root: bytes, manifest: bytes | None
) -> None:
    said = Attestation(sha256=sha256, size=size, root=root, manifest=manifest)
    data = seal(KEY, said)
    assert open_attestation(data) == (PEER, said)
    assert seal(KEY, said) == data
    assert len(data) < 300


@pytest.mark.parametrize(
    "said",
    [
        Attestation(size=1, root=b"r" * 32),
        Attestation(sha256=b"s" * 32, root=b"r" * 32),
        Attestation(sha256=b"s" * 32, size=1),
        Attestation(sha256=b"s" * 31, size=1, root=b"r" * 32),
        Attestation(sha256=b"s" * 32, size=1, root=b"r" * 32, manifest=b""),
    ],
)
def test_what_lacks_something_is_refused(said: Attestation) -> None:
    with pytest.raises(RemoteProtocolError, match="without"):
        open_attestation(seal(KEY, said))


def test_another_form_of_the_same_is_refused() -> None:
    payload = SAID.encode()
    for other in (payload + b"\x28\x01", payload[34:] + payload[:34]):
        with pytest.raises(RemoteProtocolError, match="one form"):
            open_attestation(envelope.seal(KEY, DOMAIN, PAYLOAD_TYPE, other))


def test_a_signature_for_another_purpose_is_none() -> None:
    payload = SAID.encode()
    for domain, kind in ((envelope.VOUCHER_DOMAIN, PAYLOAD_TYPE), (DOMAIN, envelope.VOUCHER_TYPE)):
        with pytest.raises(RemoteProtocolError):
            open_attestation(envelope.seal(KEY, domain, kind, payload))
    changed = bytearray(seal(KEY, SAID))
    changed[changed.index(b"r" * 32)] ^= 1
    with pytest.raises(RemoteProtocolError, match="signature"):
        open_attestation(changed)
    with pytest.raises(RemoteProtocolError, match="longer"):
        open_attestation(bytes(attestation.MAX_ATTESTATION + 1))

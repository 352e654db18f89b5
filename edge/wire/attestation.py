"""Attestations: a peer's key signs what it found when it hashed a whole file.

A signed envelope (edge/wire/envelope.py) with a domain and a type of its own around the file's
SHA-256, size and Merkle root (edge/wire/merkle.py), and the id of its manifest if it is a model
that was read (edge/models/manifest.py). It tells no time: the content of a hash does not change.

Source: https://github.com/libp2p/specs/blob/master/RFC/0002-signed-envelopes.md
"""

from edge.wire import envelope
from edge.wire.errors import RemoteProtocolError
from edge.wire.protobuf import BYTES, UINT, Field, Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.crypto.interface import Ed25519Key
    from edge.wire.peerid import PeerId
    from edge.wire.types import Buffer

DOMAIN = "kwaainet-attestation"
PAYLOAD_TYPE = b"/kwaainet/attestation/1"
MAX_ATTESTATION = 4096  # bytes of the envelope; with an Ed25519 key it has some 280
HASH = 32


class Attestation(Message):
    """`sha256`, `root`, `manifest`: 32 bytes each; `manifest` is None of what is no model."""

    __slots__ = ("manifest", "root", "sha256", "size")
    FIELDS = (
        Field(1, "sha256", BYTES, limit=HASH),
        Field(2, "size", UINT),
        Field(3, "root", BYTES, limit=HASH),
        Field(4, "manifest", BYTES, limit=HASH),
    )
    sha256: "bytes | None"
    size: "int | None"
    root: "bytes | None"
    manifest: "bytes | None"


def seal(key: "Ed25519Key", attestation: Attestation) -> bytes:
    """Encode `attestation`, signed by `key`: the same bytes each time."""
    return envelope.seal(key, DOMAIN, PAYLOAD_TYPE, attestation.encode())


def open_attestation(data: "Buffer") -> "tuple[PeerId, Attestation]":
    """The (signer, attestation) of an envelope. Raises RemoteProtocolError.

    What it says is compared with its one form before the signature is verified.
    """
    if len(data) > MAX_ATTESTATION:
        raise RemoteProtocolError(f"attestation longer than {MAX_ATTESTATION} bytes")
    key, payload = envelope.open_envelope(data, DOMAIN, PAYLOAD_TYPE)
    found = Attestation.decode(payload)
    hashes = (found.sha256, found.root) + (() if found.manifest is None else (found.manifest,))
    if any(len(each or b"") != HASH for each in hashes) or found.size is None:
        raise RemoteProtocolError("attestation without a hash or the size")
    if found.encode() != payload:
        raise RemoteProtocolError("attestation that is not in its one form")
    return key.peer_id(), found

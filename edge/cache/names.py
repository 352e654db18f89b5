"""What a file is called: by the hash that its origin tells, or by where and when it was had.

A name is one byte for the kind and a digest. A file may have several.
"""

import hashlib

from edge.crypto import digests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.crypto.digests import Hasher

SHA256 = 1  # of the content: the hub's large files, git-lfs, Ollama
GIT_SHA1 = 2  # of a git blob with the content: the hub's small files
ROOT = 3  # of the Merkle tree (edge/wire/merkle.py)
ORIGIN = 4  # SHA-256 of an address and an entity tag: of origins that tell no hash

SIZES = {SHA256: 32, GIT_SHA1: 20, ROOT: 32, ORIGIN: 32}
_LABELS = {SHA256: "sha256", GIT_SHA1: "git-sha1", ROOT: "root", ORIGIN: "origin"}


def name(kind: int, digest: bytes) -> bytes:
    """The name of `kind` with `digest`."""
    return bytes([kind]) + digest


def by_origin(url: str, tag: str) -> bytes:
    """The name of what `url` was while its entity tag was `tag`."""
    return name(ORIGIN, hashlib.sha256(f"{url}\n{tag}".encode()).digest())


def hasher(kind: int, size: int) -> "Hasher":
    """Of all bytes of a file of `size` bytes; the digest is that of its name of `kind`."""
    if kind == GIT_SHA1:
        return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    return digests.new()


def text(of: bytes) -> str:
    """A name as people read it: the kind, a colon, hexadecimal digits."""
    return f"{_LABELS[of[0]]}:{of[1:].hex()}"


def from_text(written: str) -> bytes:
    """The name that `written` tells, or bare digits of a SHA-256. Raises ValueError."""
    label, colon, digits = written.rpartition(":")
    kinds = [kind for kind, known in _LABELS.items() if known == (label if colon else "sha256")]
    digest = bytes.fromhex(digits) if digits.isascii() and digits.isalnum() else b""
    if not kinds or len(digest) != SIZES[kinds[0]]:
        raise ValueError(f"no name of a file: {written[:80]}")
    return name(kinds[0], digest)

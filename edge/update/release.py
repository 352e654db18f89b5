"""A release as its index describes it: which version, and the binary of each target, signed.

The index is text behind its signature, as `signify -S -e` writes it; tools/tarball makes it:

    kwaainet 0.2.0
    x86_64 5412864 <SHA-256 of dist/kwaainet-x86_64, in hex>

Source: signify(1); the formats in its signify.c: "Ed", 8 bytes of key number, then the key of 32
bytes or the signature of 64
"""

from __future__ import annotations

import binascii

from edge.update.errors import UpdateError

MAX_INDEX = 16 << 10  # bytes, with its signature
MAX_KEY = 1 << 10
MAX_BINARY = 64 << 20
_MAX_LINES = 64
_COMMENT = b"untrusted comment: "
_ALGORITHM = b"Ed"
_NUMBER = 8  # bytes of the key number
_DIGITS = 6
_HEX = frozenset("0123456789abcdef")


class Release:
    """`files`: by target, the size in bytes and the SHA-256 of its binary."""

    __slots__ = ("files", "version")

    def __init__(self, version: str, files: dict[str, tuple[int, bytes]]) -> None:
        self.version = version
        self.files = files


def number(version: str) -> tuple[int, ...]:
    """What versions are compared by. Raises UpdateError for anything but three numbers."""
    parts = version.split(".", 3)
    if len(parts) != 3 or not all(_is_number(part) for part in parts):
        raise UpdateError("a version is three numbers")
    return tuple(int(part) for part in parts)


def is_newer(version: str, other: str) -> bool:
    """Raises UpdateError."""
    return number(version) > number(other)


def newest(version: str, other: str) -> str:
    """Of a version and another one, if there is another. Raises UpdateError."""
    return other if other and is_newer(other, version) else version


def opened(signed: bytes, key: bytes) -> Release:
    """The release of an index signed with the secret half of `key`. Raises UpdateError."""
    from edge.crypto import ED25519, verify

    if len(signed) > MAX_INDEX or len(key) > MAX_KEY:
        raise UpdateError("the index of releases, or the key, is too long")
    public, _ = _unwrapped(key, 32, "the key")
    signature, text = _unwrapped(signed, 64, "the index of releases")
    if public[:_NUMBER] != signature[:_NUMBER]:
        raise UpdateError("the index of releases is signed with another key")
    if not verify(ED25519, public[_NUMBER:], text, signature[_NUMBER:]):
        raise UpdateError("the signature of the index of releases is wrong")
    return parse(text)


def parse(text: bytes) -> Release:
    """The index without its signature. Raises UpdateError."""
    try:
        lines = text.decode("ascii").splitlines()
    except UnicodeDecodeError:
        raise UpdateError("the index of releases is not text") from None
    name, _, version = (lines or [""])[0].partition(" ")
    if name != "kwaainet" or len(lines) > _MAX_LINES:
        raise UpdateError("this is no index of releases")
    number(version)
    files = {}
    for line in lines[1:]:
        target, _, rest = line.partition(" ")
        size, _, digest = rest.partition(" ")
        good = target and _is_number(size, 9) and len(digest) == 64 and _HEX.issuperset(digest)
        if not good or int(size) > MAX_BINARY:
            raise UpdateError("the index of releases has a line that is none of its")
        files[target] = (int(size), bytes.fromhex(digest))
    return Release(version, files)


def _unwrapped(data: bytes, size: int, what: str) -> tuple[bytes, bytes]:
    """Key number with key or signature, of `size` bytes; and what follows."""
    comment, _, rest = data.partition(b"\n")
    line, _, text = rest.partition(b"\n")
    try:
        found = binascii.a2b_base64(line)
    except binascii.Error:
        found = b""
    whole = len(found) == len(_ALGORITHM) + _NUMBER + size and found.startswith(_ALGORITHM)
    plain = binascii.b2a_base64(found, newline=False) == line  # no two lines mean the same
    if not (comment.startswith(_COMMENT) and whole and plain):
        raise UpdateError(f"{what} is not signify's")
    return found[len(_ALGORITHM) :], text


def _is_number(text: str, most: int = _DIGITS) -> bool:
    return 0 < len(text) <= most and text.isascii() and text.isdecimal()

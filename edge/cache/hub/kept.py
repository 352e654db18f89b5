"""Answers of the hub's API that are kept: in portions, as notes of the store, so that they last.

The head is written last and has the hash of each portion: an answer of which one is missing is
none, and one that is another's does not pass.
"""

from __future__ import annotations

import hashlib

from edge.wire import packed
from edge.wire.errors import RemoteProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.cache.hub.rights import Notes

PORTION = 24 << 10  # bytes
MOST = 64  # portions: notes are for more than listings
_MAX_HEAD = 16384
_HASH = 8  # bytes of a portion's hash: it tells apart what was written by us
_FORM = 1


class Kept:
    """`etag`, `kind`: of the answer; `link`: its header Link; `at`: seconds since 1970, 0 where
    that was not known.
    """

    __slots__ = ("at", "etag", "hashes", "kind", "link")

    def __init__(self, etag: str, kind: str, link: str, at: int, hashes: bytes = b"") -> None:
        self.etag = etag
        self.kind = kind
        self.link = link
        self.at = at
        self.hashes = hashes

    @property
    def portions(self) -> int:
        """How many there are."""
        return len(self.hashes) // _HASH

    def portion(self, notes: Notes, key: bytes, number: int) -> bytes | None:
        """One portion; None if it is not there as it was."""
        data = notes.get(_key(key, number))
        known = self.hashes[number * _HASH : (number + 1) * _HASH]
        return data if data is not None and _hash(data) == known else None


class Keeper:
    """Writes one answer down as it passes. `head`: what it will be kept as."""

    def __init__(self, notes: Notes, key: bytes, head: Kept) -> None:
        notes.delete(key)
        self._notes = notes
        self._key = key
        self._head = head
        self._data = bytearray()

    def add(self, data: bytes) -> None:
        """The next bytes."""
        self._data += data
        while len(self._data) >= PORTION:
            self._put(bytes(self._data[:PORTION]))
            del self._data[:PORTION]

    def end(self) -> None:
        """It has ended as it should."""
        self._put(bytes(self._data))
        head = self._head
        if head.portions <= MOST:
            fields = [_FORM, head.etag, head.kind, head.link, head.at, head.hashes]
            self._notes.put(self._key, packed.dumps(fields))

    def _put(self, data: bytes) -> None:
        number = self._head.portions
        if number < MOST:
            self._notes.put(_key(self._key, number), data)
        if number <= MOST:
            self._head.hashes += _hash(data)


def find(notes: Notes, key: bytes) -> Kept | None:
    """What is kept under `key`, of which no portion is missing; None for nothing."""
    note = notes.get(key)
    if note is None or len(note) > _MAX_HEAD:
        return None
    try:
        fields = packed.loads(note, 16, 1)
    except RemoteProtocolError:
        return None
    types = (int, str, str, str, int, bytes)
    if not isinstance(fields, list) or tuple(map(type, fields)) != types or fields[0] != _FORM:
        return None
    head = Kept(*fields[1:])
    numbers = range(min(head.portions, MOST + 1))
    there = all(notes.get(_key(key, number)) is not None for number in numbers)
    return head if 0 < head.portions <= MOST and there else None


def _key(key: bytes, number: int) -> bytes:
    return b"%b.%d" % (key, number)


def _hash(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:_HASH]

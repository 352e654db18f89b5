"""Answers of the hub's API that are kept: in portions, as notes of the store, so that they last.

The head is written last and says how much there is, and its hash: an answer of which a portion is
missing, or is another's, is none.
"""

from __future__ import annotations

import hashlib

from edge.wire import packed
from edge.wire.errors import RemoteProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.cache.hub.rights import Notes

PORTION = 48 << 10  # bytes
MOST = 64  # portions
_MAX_HEAD = 16384
_FORM = 1


class Kept:
    """`etag`, `kind`: of the answer; `link`: its header Link; `at`: seconds since 1970, 0 where
    that was not known.
    """

    __slots__ = ("at", "digest", "etag", "kind", "link", "portions")

    def __init__(
        self, etag: str, kind: str, link: str, at: int, portions: int = 0, digest: bytes = b""
    ) -> None:
        self.etag = etag
        self.kind = kind
        self.link = link
        self.at = at
        self.portions = portions
        self.digest = digest


class Keeper:
    """Writes one answer down as it passes. `head`: what it will be kept as."""

    def __init__(self, notes: Notes, key: bytes, head: Kept) -> None:
        notes.delete(key)
        self._notes = notes
        self._key = key
        self._head = head
        self._hash = hashlib.sha256()
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
            fields = [_FORM, head.etag, head.kind, head.link, head.at, head.portions]
            self._notes.put(self._key, packed.dumps([*fields, self._hash.digest()]))

    def _put(self, data: bytes) -> None:
        if self._head.portions < MOST:
            self._notes.put(portion(self._key, self._head.portions), data)
        self._head.portions += 1
        self._hash.update(data)


def find(notes: Notes, key: bytes) -> Kept | None:
    """What is kept under `key`, whole; None for nothing."""
    note = notes.get(key)
    if note is None or len(note) > _MAX_HEAD:
        return None
    try:
        fields = packed.loads(note, 16, 1)
    except RemoteProtocolError:
        return None
    types = (int, str, str, str, int, int, bytes)
    if not isinstance(fields, list) or tuple(map(type, fields)) != types or fields[0] != _FORM:
        return None
    head = Kept(*fields[1:])
    return head if 0 < head.portions <= MOST and _is_whole(notes, key, head) else None


def portion(key: bytes, number: int) -> bytes:
    """The key of one portion."""
    return b"%b.%d" % (key, number)


def _is_whole(notes: Notes, key: bytes, head: Kept) -> bool:
    found = hashlib.sha256()
    for number in range(head.portions):
        data = notes.get(portion(key, number))
        if data is None:
            return False
        found.update(data)
    return found.digest() == head.digest

"""Who may have what: proven by the hub, asked for a file with his token, and by nothing else.

A proof is good for a repository and ten minutes. While the hub cannot be asked, what everybody may
have stays so, and what somebody's token was good for stays his for seven days. A token is kept
nowhere: only its hash is. Two kinds of files prove nothing but themselves, since the hub shows them
to everybody even where the rest is gated: README.md and .gitattributes, and pictures.
"""

from __future__ import annotations

import hashlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from edge.cache.hub.remembered import Remembered

    class Notes(Protocol):
        """Small values that last, by key; the store has them."""

        def get(self, key: bytes) -> bytes | None:
            """The value, None for none."""

        def put(self, key: bytes, value: bytes) -> None:
            """Keep it; the oldest may go."""

        def delete(self, key: bytes) -> None:
            """Keep it no more."""


ANYBODY = b""  # who asks without a token
PROVEN = 600.0  # seconds
OFFLINE = 7 * 86400  # seconds
_REWRITTEN = 3600  # seconds between two notes of the same: flash is spared
_SHOWN = ("readme.md", ".gitattributes")
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg")


def who(authorization: str) -> bytes:
    """The hash of what a client has sent as Authorization; ANYBODY for nothing."""
    return hashlib.sha256(authorization.encode()).digest() if authorization else ANYBODY


def scope(repo: str, path: str) -> str:
    """What a proof for `path` of `repo` is good for."""
    name = path.rpartition("/")[2].lower()  # rather too many than too few: each costs a question
    shown = name in _SHOWN or name.endswith(_PICTURES)
    return f"{repo}/{path}" if shown else repo


class Rights:
    """`utc()`: seconds since 1970, None while the clock cannot be right."""

    def __init__(self, fresh: Remembered, notes: Notes, utc: Callable[[], float | None]) -> None:
        self._fresh = fresh
        self._notes = notes
        self._utc = utc

    def now(self, asker: bytes, scope: str) -> bool:
        """Whether a proof is at hand that he, or anybody, may have what is in `scope`."""
        return any(self._fresh.get(_key(one, scope)) for one in {asker, ANYBODY})

    def public(self, scope: str) -> bool:
        """Whether anybody may have it, by a proof at hand."""
        return self._fresh.get(_key(ANYBODY, scope)) is not None

    def open(self, scope: str) -> bool:
        """Whether anybody could have it, and was not refused it since."""
        return self.public(scope) or self.before(ANYBODY, scope)

    def before(self, asker: bytes, scope: str) -> bool:
        """Whether it was proven, as long ago as may be while the hub does not answer."""
        if self._notes.get(_key(ANYBODY, scope)) is not None:
            return True
        then, now = self._notes.get(_key(asker, scope)), self._utc()
        if then is None or now is None:
            return False
        return 0 <= now - int.from_bytes(then, "big") < OFFLINE

    def prove(self, asker: bytes, scope: str) -> None:
        """The hub has given it to him."""
        key = _key(asker, scope)
        self._fresh.put(key, PROVEN)
        then, now = self._notes.get(key), int(self._utc() or 0)
        if then is None or abs(now - int.from_bytes(then, "big")) > _REWRITTEN:
            self._notes.put(key, now.to_bytes(8, "big"))

    def revoke(self, asker: bytes, scope: str) -> None:
        """The hub has refused it to him."""
        key = _key(asker, scope)
        self._fresh.drop(key)
        if self._notes.get(key) is not None:
            self._notes.delete(key)


def _key(asker: bytes, scope: str) -> bytes:
    return b"hub.right." + hashlib.sha256(asker + b"\n" + scope.encode()).digest()[:16]

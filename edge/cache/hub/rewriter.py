"""JSON of the hub, changed as it passes: no member names the storage, no address leads past us.

Members whose key is `xet`, a capital and so on, escaped or not, are left out (huggingface_hub takes
`xetHash` from a listing, and then asks that storage without another question to the hub). Texts
that start with the hub's address get ours. All else leaves as it came, byte for byte.

It does not parse. A quote inside a JSON text always has a backslash before it, so `"xetHash":` and
`"https://hub/` without one can only be a key, and the start of a text. What may go on in the next
bytes is held back; an answer for which that comes to more than HELD bytes is refused.

Source: RFC 8259 sections 4 and 7
"""

from __future__ import annotations

import re

HELD = 8192  # bytes, most that may have to be seen at once: a member that goes
_WHITE = rb"[ \t\r\n]*"
_COMMA = rb"," + _WHITE
_X, _E, _T = rb"(?:x|\\u0078)", rb"(?:e|\\u0065)", rb"(?:t|\\u0074)"
_CAPITAL = rb"(?:[A-Z_]|\\u00(?:4[1-9A-Fa-f]|5[0-9Aa]|5[Ff]))"
_REST = rb"(?:\w|\\u[0-9A-Fa-f]{4})*"
_KEY = rb'(?<!\\)"' + _X + _E + _T + _CAPITAL + _REST + rb'"' + _WHITE + rb":"
_MEMBER = _KEY + _WHITE + rb'(?:"(?:[^"\\]|\\.)*"|[-+.0-9A-Za-z]+)' + _WHITE
# Members that go, with the comma before them or else the one behind; or one that is not whole yet.
_GOES = rb"%s%s(?=[,}])|%s(?:,|(?=}))|(?P<cut>(?:%s)?%s)" % (
    *(_COMMA, _MEMBER),
    _MEMBER,
    *(_COMMA, _KEY),
)
_ESCAPE = rb"(?:\\(?:u[0-9A-Fa-f]{0,3})?)?"  # that is not whole yet
_BEGUN = re.compile(  # what may become one, at the end
    rb'(?:%s)?"(?:%s(?:%s(?:%s(?:%s%s(?:"%s)?)?)?)?)?%s\Z|%s\Z'
    % (_COMMA, _X, _E, _T, _CAPITAL, _REST, _WHITE, _ESCAPE, _COMMA),
    re.ASCII,
)


class RewriteError(Exception):
    """The answer cannot be made safe within bounds."""


class Rewriter:
    """`hub`: its address, such as https://huggingface.co; `ours`: what is to stand for it."""

    def __init__(self, hub: str, ours: str) -> None:
        self._start = b'"' + hub.encode()
        start = rb"(?P<start>(?<!\\)" + re.escape(self._start) + rb'(?=[/?#"]))'
        self._found = re.compile(start + rb"|" + _GOES, re.DOTALL | re.ASCII)
        self._ours = b'"' + ours.encode()
        self._before = b""  # the byte that came before what is held
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """What may leave, now that `data` has come. Raises RewriteError."""
        text = self._before + self._held + data
        ready, end = self._changed(text, self._open_end(text))
        if len(text) - end > HELD:
            raise RewriteError("a member of the answer is too long")
        self._held = text[end:]
        self._before = text[end - 1 : end]
        return ready

    def end(self) -> bytes:
        """What is left. Raises RewriteError if the answer ends within what had to go."""
        text = self._before + self._held
        ready, end = self._changed(text, len(text))
        if end < len(text):
            raise RewriteError("the answer ends within a member")
        self._before = self._held = b""
        return ready

    def _changed(self, text: bytes, end: int) -> tuple[bytes, int]:
        """What becomes of `text` behind the byte that has left, and where in it that ends."""
        done = len(self._before)
        out = []
        for match in self._found.finditer(text, done):
            if match.start() >= end:
                break
            out.append(text[done : match.start()])
            if match.lastgroup == "cut":
                return b"".join(out), match.start()
            if match.lastgroup == "start":
                out.append(self._ours)
            done = match.end()
        out.append(text[done:end])
        return b"".join(out), max(end, done)

    def _open_end(self, text: bytes) -> int:
        """Where in `text` something begins of which more may come."""
        begun = _BEGUN.search(text, len(self._before))
        quote = text.rfind(b'"', len(self._before))
        if begun is not None:
            return begun.start()
        if quote >= 0 and self._start.startswith(text[quote:]):
            return quote
        return len(text)

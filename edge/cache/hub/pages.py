"""Several pages of a listing as one: llama.cpp reads the first alone.

Each page is a JSON array. The bracket that ends one and the bracket that begins the next are left
out as they pass, and a comma comes between.
"""

from __future__ import annotations

_WHITE = b" \t\r\n"
_HELD = 8192  # bytes of white space, at most


class PageError(Exception):
    """A page is no array."""


class Pages:
    """Takes the pages one after the other, in whatever portions they come."""

    def __init__(self) -> None:
        self._open = False  # whether the page's first bracket has passed
        self._filled = False  # whether an item has passed, of any page
        self._comma = False  # whether an item must be parted from those of the page before
        self._held = b""  # a bracket that may be the last, and white space
        self._started = False

    def feed(self, data: bytes) -> bytes:
        """What may leave of a page. Raises PageError."""
        if len(self._held) > _HELD:
            raise PageError("a page of the listing has too much white space")
        text = self._held + data
        self._held = b""
        out = b""
        if not self._open:
            text = text.lstrip(_WHITE)
            if not text:
                return b""
            if not text.startswith(b"["):
                raise PageError("a page of the listing is no array")
            self._open, text = True, text[1:]
            out = b"" if self._started else b"["
            self._started = True
        bare = text.rstrip(_WHITE)
        end = len(bare) - bare.endswith(b"]")
        self._held = text[end:]
        items = text[:end] if end else b""
        if items.strip(_WHITE):
            out += b"," if self._comma else b""
            self._comma, self._filled = False, True
            return out + items
        self._held = text
        return out

    def turn(self) -> None:
        """The page is over. Raises PageError if its last bracket has not come."""
        if not self._open or self._held.strip(_WHITE) != b"]":
            raise PageError("a page of the listing was cut short")
        self._open, self._held = False, b""
        self._comma = self._filled

    def end(self) -> bytes:
        """What ends the whole, after the last `turn`."""
        return b"]" if self._started else b"[]"

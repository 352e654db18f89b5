"""Heads of requests and answers: where they end, and what is refused before h11 reads them.

h11 takes some forms that other programs read otherwise: a bare line feed, a folded line. Whatever
two programs on the way could disagree about is refused here, so that nobody smuggles a request past
one of them. Bytes in, values out.

Source: RFC 9110, RFC 9112 (sections 2.2, 3, 5.2, 6.1 and 11.2)
"""

from __future__ import annotations

import h11

from edge.http.errors import RequestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
MAX_LENGTH = 1 << 62  # bytes of a body
_END = b"\r\n\r\n"
_UNPRINTABLE = bytes(byte for byte in range(32) if byte not in b"\t\r\n") + b"\x7f"


class Headers:
    """The header fields of one head, by name in any case."""

    __slots__ = ("_fields",)

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        self._fields = fields  # names in lower case

    @classmethod
    def of(cls, event: h11.Request | h11.Response) -> Headers:
        return cls([(str(n, "ascii"), str(v, "latin-1")) for n, v in event.headers])

    def get(self, name: str) -> str | None:
        """The first value."""
        return next(iter(self.all(name)), None)

    def all(self, name: str) -> list[str]:
        """Every value, in their order."""
        name = name.lower()
        return [value for other, value in self._fields if other == name]

    def words(self, name: str) -> list[str]:
        """The words of a list, in lower case."""
        return [word.strip(" \t").lower() for word in ",".join(self.all(name)).split(",")]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


def encoded(fields: list[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """For h11, as `Headers.of` has decoded them. Raises UnicodeError."""
    return [(name.encode("ascii"), value.encode("latin-1")) for name, value in fields]


def end(received: bytearray, searched: int = 0) -> int:
    """Where the head ends, the empty line included; -1: not yet. `searched`: bytes seen before."""
    found = received.find(_END, max(0, searched - len(_END) + 1))
    return found + len(_END) if found >= 0 else -1


def fault(head: bytes, max_headers: int) -> str:
    """What is wrong with the lines of a whole head, as far as h11 would not say so; "": nothing."""
    if head.count(b"\n") != head.count(b"\r\n") or head.count(b"\r") != head.count(b"\r\n"):
        return "a line does not end in CR LF"
    if b"\n " in head or b"\n\t" in head:
        return "a line is folded"
    if head.translate(None, _UNPRINTABLE) != head:
        return "there is a control character"
    if head.count(b"\r\n") > max_headers + 2:
        return "there are too many header fields"
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    if len(lengths) > 1 or any(b"," in line for line in lengths):  # h11 makes one of equal ones
        return "Content-Length is not one number"
    return ""


def why(error: Exception) -> str:
    """What h11 has against a head, without what stands in it: that may be a token."""
    if isinstance(error, UnicodeError):
        return "not in Latin-1"
    return str(error).partition(":")[0].partition(" b'")[0].partition(' b"')[0][:80].lower()


def length(headers: Headers) -> int | None:
    """Content-Length; None if there is none. Raises RequestError: more than one, or no number."""
    values = headers.all("content-length")
    if not values:
        return None
    if len(values) > 1 or not (values[0].isascii() and values[0].isdecimal()):
        raise RequestError(400, "Content-Length is not one number")
    if len(values[0]) > 19 or int(values[0]) > MAX_LENGTH:
        raise RequestError(400, "Content-Length is too large")
    return int(values[0])

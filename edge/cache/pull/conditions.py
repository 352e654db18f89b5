"""What a request wants of a file: all of it, one range, or nothing as it has it already.

Several ranges are answered with the whole, which a server is free to do; a range that is not
understood is none.

Source: RFC 9110 sections 13.1, 13.2.2 and 14.1 to 14.3
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.http.heads import Headers

_DIGITS = 18  # of what an origin says: 63 bits
_ASKED = 64  # of what a client does: some ask for all up to 2**63, or 2**64


class UnsatisfiableError(Exception):
    """The range has no byte of the file: 416."""


def verdict(headers: Headers, etag: str, modified: str) -> int:
    """304 or 412 if a condition of a GET or HEAD ends it there, else 200.

    `etag`, `modified`: of the file, "" for none.
    """
    match = headers.get("if-match")
    if match is not None and not _matches(match, etag, weak=False):
        return 412
    none_match = headers.get("if-none-match")
    if none_match is not None:
        return 304 if _matches(none_match, etag, weak=True) else 200
    return 304 if modified and headers.get("if-modified-since") == modified else 200


def wanted(headers: Headers, size: int, etag: str, modified: str) -> tuple[int, int] | None:
    """The range of a file of `size` bytes that a GET asks for; None: the whole.

    Raises UnsatisfiableError.
    """
    asked = headers.get("range")
    if asked is None:
        return None
    if_range = headers.get("if-range")
    if if_range is not None and if_range not in _strong(etag, modified):
        return None
    return parse_range(asked, size)


def parse_range(text: str, size: int) -> tuple[int, int] | None:
    """(start, end) of the range `text` of `size` bytes; None if that is not one range.

    Raises UnsatisfiableError.
    """
    unit, equals, ranges = text.partition("=")
    first, dash, last = ranges.strip(" \t").partition("-")
    if unit.strip().lower() != "bytes" or not equals or not dash:
        return None
    if not (_is_number(first, _ASKED) and _is_number(last, _ASKED)) or not (first or last):
        return None
    if not first:
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= end:
        raise UnsatisfiableError
    return start, end


def parse_content_range(text: str) -> tuple[int, int, int | None]:
    """(start, end, total or None) of a Content-Range. Raises ValueError."""
    unit, _, rest = text.partition(" ")
    where, slash, total = rest.partition("/")
    first, dash, last = where.partition("-")
    known = [number for number in (first, last, total) if number != "*"]
    if unit.lower() != "bytes" or not slash or not dash or not all(known):
        raise ValueError("not a Content-Range")
    if not all(map(_is_number, known)) or int(last) < int(first):
        raise ValueError("not a Content-Range")
    return int(first), int(last) + 1, None if total == "*" else int(total)


def _is_number(text: str, most: int = _DIGITS) -> bool:
    """Whether `text` is a number of at most so many digits, or empty."""
    return not text or (len(text) <= most and text.isascii() and text.isdecimal())


def _matches(listed: str, etag: str, weak: bool) -> bool:
    """Whether `listed`, of If-Match or If-None-Match, has `etag`."""
    if listed.strip() == "*":
        return True
    tags = [tag.strip() for tag in listed.split(",")]
    if weak:
        tags = [tag.removeprefix("W/") for tag in tags]
        etag = etag.removeprefix("W/")
    elif etag.startswith("W/"):
        return False
    return bool(etag) and etag in tags


def _strong(etag: str, modified: str) -> list[str]:
    """What If-Range may hold to mean the file of now."""
    return [tag for tag in (etag, modified) if tag and not tag.startswith("W/")]

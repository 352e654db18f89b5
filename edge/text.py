"""Words and figures as people read them, on whatever terminal."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, TextIO

_SIZES = ("KiB", "MiB", "GiB", "TiB", "PiB")
_SPANS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"


def size(count: float) -> str:
    """Bytes: 512 B, 1.5 KiB, 12.0 MiB."""
    if count < 1024:
        return f"{count:.0f} B"
    unit = _SIZES[0]
    for unit in _SIZES:  # noqa: B007 - the unit it stops at is the result
        count /= 1024
        if count < 1023.95:
            break
    return f"{count:.1f} {unit}"


def span(seconds: float) -> str:
    """Seconds, by the two largest units: 42 s, 3 m 20 s, 2 d 4 h."""
    left = max(0, int(seconds))
    words: list[str] = []
    for name, length in _SPANS:
        if left >= length or words or length == 1:
            words.append(f"{left // length} {name}")
            left %= length
    shown = words[:2]
    return " ".join([word for i, word in enumerate(shown) if i == 0 or word[0] != "0"])


def shown(value: object, limit: int = 256) -> str:
    """A value from elsewhere as printable ASCII, which no terminal takes for a command."""
    text = str(value)
    escaped = text[:limit].encode("unicode_escape").decode("ascii")
    return escaped + "..." if len(text) > limit else escaped


def short_peer(peer_id: str) -> str:
    """A peer id by its two ends, enough to tell it from others."""
    return peer_id if len(peer_id) <= 20 else f"{peer_id[:10]}..{peer_id[-6:]}"


def counted(count: int, one: str) -> str:
    """1 peer, 2 peers."""
    return f"{count} {one}" if count == 1 else f"{count} {one}s"


def has_colour(stream: "TextIO") -> bool:
    """Whether `stream` is a terminal whose user wants colour (https://no-color.org)."""
    able = stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    return able and not os.environ.get("NO_COLOR")


def bold(text: str, colour: bool) -> str:
    return f"{_BOLD}{text}{_PLAIN}" if colour else text


def flat(tree: "Mapping[str, Any]", prefix: str = "") -> "list[tuple[str, str]]":
    """The leaves of `tree` for `pairs`: their names one behind the other, a list with commas."""
    rows = []
    for name, value in tree.items():
        label = f"{prefix}{name.replace('_', ' ')}"
        if isinstance(value, dict):
            rows += flat(value, f"{label} ")
        else:
            shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            rows.append((label, shown or "-"))
    return rows


def pairs(rows: "Sequence[tuple[str, str]]", indent: str = "") -> list[str]:
    """Names and values in two columns; an empty name goes on with the one above."""
    width = max([len(name) for name, _ in rows], default=0)
    return [f"{indent}{name:<{width}}  {value}".rstrip() for name, value in rows]


def listed(name: str, values: "Sequence[str]") -> list[tuple[str, str]]:
    """Rows of one name, which stands at the first."""
    return [(name if i == 0 else "", value) for i, value in enumerate(values)]


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` columns, but for longer words."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return lines


def table(rows: "Sequence[Sequence[str]]", right: "Sequence[int]" = ()) -> list[str]:
    """Rows of equal length in columns, those of the numbers `right` aligned to the right."""
    widths = [max([len(cell) for cell in column]) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines

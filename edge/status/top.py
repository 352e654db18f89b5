"""The overview of a node as one screen of text, for `kwaainet top`: 80 columns, 24 lines, and up.

The answer may come from a node of another version: what it does not hold is not shown. No colour
and no bar says anything that is not there in words or figures too.
"""

from itertools import groupby

from edge.status.view import REACHABLE
from edge.text import bold, counted, short_peer, shown, size, span, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Answer = dict[str, Any]
    Rows = list[tuple[str, str]]

_LABEL = 14  # columns of the names
_FIGURES = 33  # columns kept for what stands behind a graph
_WIDEST = 60  # columns of a graph: its samples
_DAY = 86400
_DAYS_HEAD = ("DAY", "RELAYED", "WAN SAVED", "CACHE GAVE")
_ASCII, _BLOCKS = " .:-=+*#@", " ▁▂▃▄▅▆▇█"
_COLOURS = {"full": 36, "light": 34, "relay": 32, "paused": 33}


class Look:
    """What the terminal can show: colours, and characters beyond ASCII."""

    def __init__(self, colour: bool, blocks: bool) -> None:
        self.colour = colour
        self.marks = _BLOCKS if blocks else _ASCII

    def spark(self, values: "Sequence[float]", most: float, width: int) -> str:
        """The last `width` of `values` as columns, of which `most` is a full one."""
        steps = len(self.marks) - 1
        part = [min(max(value, 0), most) / most if most else 0.0 for value in values[-width:]]
        # A little is more than nothing.
        return "".join([self.marks[-int(-each * steps // 1)] for each in part]).rjust(width)

    def bar(self, part: float, width: int) -> str:
        """`part` of a whole."""
        filled = min(max(round(part * width), 0), width)
        return f"[{'#' * filled}{'.' * (width - filled)}]"

    def mode(self, name: str, text: str) -> str:
        colour = _COLOURS.get(name)
        return f"\x1b[{colour}m{text}\x1b[0m" if self.colour and colour else text


def screen(answer: "Answer", look: Look, columns: int, lines: int) -> "list[str]":
    """At most `lines` of them; the terminal cuts what is longer than `columns`."""
    width = min(max(10, columns - _LABEL - _FIGURES), _WIDEST)
    head = f"kwaainet {shown(answer['version'])}, up {span(answer['uptime'])}"
    name = shown(answer["peer_id"])
    right = name if len(head) + len(name) + 2 <= columns else short_peer(name)
    found = [f"{bold(head, look.colour)}{right.rjust(columns - len(head))}", ""]
    found += _labelled(_mode(answer, look, columns) + _reached(answer))
    found += ["", *_labelled(_graphs(answer, look, width)), ""]
    found += _labelled(_counts(answer, look, width))
    if answer.get("days"):
        found += ["", *_days(answer["days"], look, lines - len(found) - 1)]
    return found[:lines]


def _labelled(rows: "Rows") -> "list[str]":
    return [f"{name:<{_LABEL}}{text}".rstrip() for name, text in rows]


def _mode(answer: "Answer", look: Look, columns: int) -> "Rows":
    if "mode" not in answer:
        return []
    name, reason = shown(answer["mode"]), shown(answer.get("reason") or "")
    rows = [("mode", look.mode(name, name) + (f" ({reason})" if reason else ""))]
    if not answer.get("new_work", True):
        rows.append(("", "no new reservations or circuits"))
    width = max(24, min(columns - _LABEL - 4, 96))
    day = timeline(answer.get("day", ()), width)
    if day.strip():
        cells = "".join([look.mode(_named(cell), "".join(run)) for cell, run in groupby(day)])
        names = ", ".join([f"{each[0]} {each}" for each in _COLOURS if each[0] in day])
        rows += [("last 24 h", f"|{cells}|"), ("", names)]
    return rows


def timeline(day: "Sequence[tuple[float, str]]", width: int) -> str:
    """The first letter of the mode in each of `width` parts of the last 24 hours.

    `day`: seconds ago at which it began, and the mode, oldest first.
    """
    cells = [" "] * width
    for ago, mode in day:
        at = int((1 - min(ago, _DAY) / _DAY) * width)
        at = min(at, width - 1)
        cells[at:] = [shown(mode)[:1] or "?"] * (width - at)
    return "".join(cells)


def _named(letter: str) -> str:
    return next((name for name in _COLOURS if name[0] == letter), "")


def _reached(answer: "Answer") -> "Rows":
    if "reachable" not in answer:
        return []
    text = REACHABLE.get(answer["reachable"], shown(answer["reachable"]))
    addresses = [shown(each) for each in answer.get("advertised", ())[:1]]
    return [("reachable", ": ".join([text, *addresses]))]


def _graphs(answer: "Answer", look: Look, width: int) -> "Rows":
    samples = answer.get("samples", {})
    rows: Rows = []
    moved = [(name, samples[name]) for name in ("down", "up") if samples.get(name)]
    most = max([max(values) for _, values in moved], default=0)
    for name, values in moved:
        graph = look.spark(values, most, width)
        now, top = f"{size(values[-1])}/s", f"{size(max(values))}/s"
        rows.append((f"relayed {name}", f"{graph}  {now}, most {top}"))
    line = [value for value in samples.get("line", ()) if value >= 0]
    if line:
        graph = look.spark(line, 100, width)
        rows.append(("line, others", f"{graph}  {line[-1]} %, most {max(line)} %"))
    if answer.get("rate"):
        rows.append(("throttled", f"at most {size(answer['rate'])}/s"))
    return rows


def _counts(answer: "Answer", look: Look, width: int) -> "Rows":
    rows: Rows = []
    for name in ("circuits", "reservations", "connections"):
        count = answer.get(name)
        if count:
            now = count.get("open", count.get("held", 0))
            rows.append(_share(name, now, count["max"], str, look, width))
    memory = answer.get("memory", {})
    if memory.get("rss") and memory.get("limit"):
        rows.append(_share("memory", memory["rss"], memory["limit"], size, look, width))
    cache = answer.get("cache")
    if cache:
        rows.append(_share("cache", cache["bytes"], cache["size"], size, look, width))
        saved, cost = size(cache["saved_bytes"]), size(cache["wan_bytes"])
        rows.append(("", f"{saved} of WAN saved, {cost} fetched"))
        if cache.get("trouble"):
            rows.append(("", shown(cache["trouble"])))
    refused = [f"{count} {shown(why)}" for why, count in answer.get("refused", {}).items() if count]
    if refused:
        rows.append(("refused", ", ".join(refused)))
    return rows


def _share(
    name: str, now: float, most: float, text: "Callable[[Any], str]", look: Look, width: int
) -> tuple[str, str]:
    bar = look.bar(now / most if most else 0.0, width - 2)
    return name, f"{bar}  {text(now)} of {text(most)}"


def _days(days: "Sequence[Sequence[Any]]", look: Look, most: int) -> "list[str]":
    """What was given by day, in `most` lines: all as a graph, then the newest in figures."""
    relayed = [day[1] for day in days]
    graph = look.spark(relayed, max(relayed), len(relayed))
    total = f"{size(sum(relayed))} relayed in {counted(len(days), 'day')}"
    rows = [[shown(day[0]), *[size(count) for count in day[1:4]]] for day in reversed(days)]
    lines = [f"{'by day':<{_LABEL}}{graph}  {total}"]
    if most > len(_DAYS_HEAD):
        lines += [" " * _LABEL + line for line in table([_DAYS_HEAD, *rows], right=(1, 2, 3))]
    return lines[:most]

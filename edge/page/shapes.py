"""The shapes of the page's graphs, as the `d` of SVG paths: figures in, text out.

Each graph has a coordinate system of its own, stretched over its place (page.html has its viewBox):
a series of samples SAMPLES - 1 by HEIGHT, a day MINUTES wide, bars STEP apart.

Source: SVG 2 section 9.3
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

SAMPLES = 60
HEIGHT = 100
MINUTES = 1440
STEP, BAR = 10, 7  # of bars: from one to the next, and the width of one
_DAY = 86400
_LEAST, _MOST = 1024, 1000  # the smallest scale, in bytes; the largest, in a unit
_ROUND = (10, 12, 15, 20, 25, 30, 40, 50, 60, 80)  # tenths
_X = 10  # from one sample to the next


def scale(most: float) -> int:
    """The top of an axis: a round number of the unit that suits `most`, and not much above it."""
    unit = _LEAST
    while most > unit * _MOST:
        unit *= 1024
    for power in (1, 10, 100):
        for tenths in _ROUND:
            top = unit * tenths * power // 10
            if most <= top:
                return top
    return unit * _MOST


def line(values: Sequence[float], top: float) -> str:
    """Through the samples, the newest at the right edge; one below zero leaves a gap."""
    words, gap = [], True
    for x, y in _points(values, top):
        if y is not None:
            words.append(f"{'M' if gap else 'L'}{x} {y}")
        gap = y is None
    return "".join(words)


def area(values: Sequence[float], top: float) -> str:
    """Below that line."""
    words: list[str] = []
    end = 0
    gap = True
    for x, y in [*_points(values, top), (0, None)]:
        if y is not None:
            words.append(f"M{x} {HEIGHT}L{x} {y}" if gap else f"L{x} {y}")
            end = x
        elif not gap:
            words.append(f"L{end} {HEIGHT}Z")
        gap = y is None
    return "".join(words)


def bars(values: Sequence[int], below: Sequence[int], top: int, places: int) -> str:
    """A bar for each value, on the one of the same number `below`; the last at the right edge."""
    words = []
    first = places - len(values)
    for i, (value, under) in enumerate(zip(values, below, strict=True)):
        low, high = _height(under, top), _height(under + value, top)
        if value:
            rise = max(high - low, 0 if under else 1)
            words.append(f"M{(first + i) * STEP} {HEIGHT - low}v-{rise}h{BAR}v{rise}Z")
    return "".join(words)


def day_spans(day: Sequence[tuple[float, str]]) -> list[tuple[int, int, str]]:
    """(seconds after the day's begin, seconds, mode) of each entry (seconds ago, mode)."""
    ends = [*[ago for ago, _ in day[1:]], 0.0]
    spans = []
    for (ago, mode), end in zip(day, ends, strict=False):
        start, until = _DAY - min(int(ago), _DAY), _DAY - min(int(end), _DAY)
        if until > start:
            spans.append((start, until - start, mode))
    return spans


def strips(spans: Sequence[tuple[int, int]]) -> str:
    """(start, length), in seconds, as parts of a bar of one day."""
    words = []
    for start, length in spans:
        left, right = start // 60, -(-(start + length) // 60)
        words.append(f"M{left} 0h{right - left}v{HEIGHT}h-{right - left}Z")
    return "".join(words)


def portion(used: float, most: float) -> str:
    """The width, of 100, of a bar that shows `used` of `most`."""
    if not most or used <= 0:
        return "0"
    return f"{max(1, min(100, round(100 * used / most)))}"


def _points(values: Sequence[float], top: float) -> list[tuple[int, int | None]]:
    """Where each sample stands; y is None for one that is not known."""
    values = values[-SAMPLES:]
    first = SAMPLES - len(values)
    return [
        ((first + i) * _X, HEIGHT - _height(value, top) if value >= 0 else None)
        for i, value in enumerate(values)
    ]


def _height(value: float, top: float) -> int:
    return round(HEIGHT * min(value, top) / top) if top else 0

"""Draws docs/modes.svg: what the mode controller makes of the days of days.py.

`python -m tests.tiers.plot > docs/modes.svg`
"""

from __future__ import annotations

import sys
import time
from html import escape

from edge.tiers.controller import Step
from edge.tiers.modes import MODES
from tests.tiers.days import DAYS, Day, Trace, run

_WIDTH, _LEFT, _RIGHT = 940, 70, 20
_TITLE, _CURVE, _LANE, _AXIS, _GAP = 26, 46, 15, 22, 16
_PANEL = _TITLE + _CURVE + _LANE * len(MODES) + _AXIS + _GAP
_COLOURS = {"full": "#2f7d32", "light": "#7cb342", "relay": "#1e88e5", "paused": "#8d99a6"}
_CURVES = {
    "wan": ("WAN", 1.0, "100 %"),
    "temperature": ("heat", 100.0, "100 °C"),
    "battery": ("battery", 1.0, "100 %"),
    "memory_used": ("memory", 1.0, "100 %"),
}
_STYLE = """
  text { font: 11px Helvetica, Arial, sans-serif; fill: #37424a; }
  .title { font-size: 14px; font-weight: bold; }
  .small { font-size: 9.5px; }
  .end { text-anchor: end; } .middle { text-anchor: middle; }
  .curve { fill: none; stroke: #a9781a; stroke-width: 1; }
  .grid { stroke: #dfe4e8; stroke-width: 1; }
  .note { stroke: #a9781a; stroke-width: 1; stroke-dasharray: 2 2; }
"""


def main() -> str:
    """The picture."""
    height = len(DAYS) * _PANEL + 34
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"'
        f' width="{_WIDTH}" height="{height}" role="img">',
        f"<style>{_STYLE}</style>",
        "<defs>",
        '<pattern id="closed" width="5" height="5" patternUnits="userSpaceOnUse"'
        ' patternTransform="rotate(45)">'
        '<rect width="2" height="5" fill="#ffffff" fill-opacity="0.65"/></pattern>',
        "</defs>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for number, day in enumerate(DAYS):
        out += _panel(day, run(day), number * _PANEL)
    out += _legend(height - 22)
    return "\n".join([*out, "</svg>"]) + "\n"


def _x(day: Day, hour: float) -> float:
    return round(_LEFT + (_WIDTH - _LEFT - _RIGHT) * hour / day.hours, 1)


def _panel(day: Day, trace: Trace, top: int) -> list[str]:
    lanes = top + _TITLE + _CURVE
    out = [f'<text class="title" x="{_LEFT}" y="{top + 18}">{escape(day.name)}</text>']
    for lane, mode in enumerate(MODES):
        y = lanes + lane * _LANE
        out.append(f'<text class="end" x="{_LEFT - 8}" y="{y + 11}">{mode}</text>')
    out += _grid(day, top + _TITLE, lanes + _LANE * len(MODES))
    for name, curve in trace.curves.items():
        out += _curve(day, name, curve, top + _TITLE)
    ends = [hour for hour, _ in trace.steps[1:]] + [day.hours]
    for (hour, decision), end in zip(trace.steps, ends, strict=True):
        out += _block(day, hour, end, decision, lanes)
    for hour, note in day.notes:
        x = _x(day, hour)
        out.append(f'<line class="note" x1="{x}" x2="{x}" y1="{top + _TITLE}" y2="{lanes}"/>')
        out.append(f'<text class="small" x="{x + 3}" y="{top + _TITLE + 9}">{escape(note)}</text>')
    return out


def _grid(day: Day, top: int, bottom: int) -> list[str]:
    out = []
    for hour in range(0, int(day.hours) + 1, 3):
        x = _x(day, hour)
        utc = day.start + hour * 3600
        label = time.strftime("%H:%M", time.gmtime(utc + day.zone.offset_at(utc)))
        out.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{top}" y2="{bottom + 3}"/>')
        out.append(f'<text class="small middle" x="{x}" y="{bottom + 14}">{label}</text>')
    return out


def _curve(day: Day, name: str, curve: list[float], top: int) -> list[str]:
    words, most, label = _CURVES[name]
    points = [
        f"{_x(day, minute / 60)},{round(top + _CURVE * (1 - min(value / most, 1)), 1)}"
        for minute, value in enumerate(curve)
        if minute % 4 == 0
    ]
    return [
        f'<text class="small end" x="{_LEFT - 8}" y="{top + 8}">{label}</text>',
        f'<text class="small end" x="{_LEFT - 8}" y="{top + _CURVE - 4}">{words}</text>',
        f'<polyline class="curve" points="{" ".join(points)}"/>',
    ]


def _block(day: Day, hour: float, end: float, decision: Step, lanes: int) -> list[str]:
    x, y = _x(day, hour), lanes + MODES.index(decision.mode) * _LANE
    box = f'x="{x}" y="{y + 2}" width="{round(max(_x(day, end) - x, 1), 1)}" height="{_LANE - 4}"'
    rate = f", at most {decision.rate >> 10} KiB/s" if decision.rate else ""
    words = escape(f"{decision.mode}{rate}: {decision.reason}")
    out = [f'<rect {box} fill="{_COLOURS[decision.mode]}"><title>{words}</title></rect>']
    if not decision.admits:
        out.append(f'<rect {box} fill="url(#closed)" pointer-events="none"/>')
    if _x(day, end) - x > 8 * len(decision.cause) and decision.cause != "machine":
        out.append(
            f'<text class="small" x="{x + 3}" y="{y + _LANE * 2 - 6 if y < lanes + 40 else y - 2}">'
            f"{escape(decision.cause)}</text>"
        )
    return out


def _legend(y: int) -> list[str]:
    return [
        f'<rect x="{_LEFT}" y="{y}" width="24" height="11" fill="{_COLOURS["relay"]}"/>',
        f'<text x="{_LEFT + 30}" y="{y + 10}">takes new circuits</text>',
        f'<rect x="{_LEFT + 150}" y="{y}" width="24" height="11" fill="{_COLOURS["relay"]}"/>',
        f'<rect x="{_LEFT + 150}" y="{y}" width="24" height="11" fill="url(#closed)"/>',
        f'<text x="{_LEFT + 180}" y="{y + 10}">keeps what there is and takes nothing new</text>',
    ]


if __name__ == "__main__":
    sys.stdout.write(main())

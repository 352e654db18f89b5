"""Whole days for the mode controller: what a machine measures, minute by minute, and a fake zones.

Synthetic, with a seed: shapes of load, heat, evening traffic and power cuts as a household has
them, with noise on top. `run` replays a day and keeps what was decided.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from edge import zone as zones
from edge.tiers.controller import Controller, Hold, Readings, Settings, Step
from edge.tiers.modes import FULL, RELAY
from edge.tiers.schedule import Timetable, Window, minutes

TICK = 6.0  # seconds between two looks, as in a pause
HOUR, DAY = 3600, 86400
BERLIN = zones.Zone.from_string("CET-1CEST,M3.5.0,M10.5.0/3")
ORDINARY_DAY = 1801267200  # Saturday, 2027-01-30 00:00 UTC
AUTUMN_NIGHT = 1824843600  # Friday, 2027-10-29 23:00 UTC; on Sunday the clocks go back

Measure = Callable[[float, random.Random], Readings]  # hours since the start


@dataclass
class Day:
    """`best`: what the machine is good for. `notes`: what happens, for the plot, by the hour."""

    name: str
    measure: Measure
    best: str = FULL
    start: float = ORDINARY_DAY
    hours: float = 24
    windows: tuple[Window, ...] = ()
    zone: zones.Zone = zones.UTC
    curves: tuple[str, ...] = ()
    notes: tuple[tuple[float, str], ...] = ()


@dataclass
class Trace:
    """`steps`: (hour, decision) of every change. `curves`: readings by name, for each minute."""

    steps: list[tuple[float, Step]] = field(default_factory=list)
    curves: dict[str, list[float]] = field(default_factory=dict)


def run(day: Day, settings: Settings | None = None) -> Trace:
    """What the controller makes of `day`."""
    rng = random.Random(day.name)
    schedule = Timetable(day.windows, day.zone)
    best = Hold("machine", "what this machine is good for", day.best)
    controller: Controller | None = None
    trace = Trace(curves={name: [] for name in day.curves})
    ticks = int(day.hours * HOUR / TICK)
    for tick in range(ticks):
        seconds = tick * TICK
        window = schedule.current(day.start + seconds)
        allowed = [best]
        if window is not None:
            allowed.append(
                Hold("schedule", f"the window from {window}", window.mode, rate=window.rate)
            )
        if controller is None:
            controller = Controller(settings or Settings(), allowed, seconds)
        readings = day.measure(seconds / HOUR, rng)
        decision = controller.decide(readings, allowed, seconds)
        if not trace.steps or decision.terms != trace.steps[-1][1].terms:
            trace.steps.append((seconds / HOUR, decision))
        if tick % 10 == 0:
            for name, curve in trace.curves.items():
                curve.append(getattr(readings, name) or 0.0)
    return trace


def _bump(hour: float, centre: float, width: float) -> float:
    return math.exp(-(((hour - centre) / width) ** 2))


def _noisy(value: float, noise: float, rng: random.Random) -> float:
    return min(max(value + rng.uniform(-noise, noise), 0.0), 1.0)


def evening(hour: float, rng: random.Random) -> Readings:
    """A family's WAN: a little all day, films and calls from six to eleven; noise throughout."""
    found = Readings()
    busy = 0.06 + 0.75 * _bump(hour, 20.3, 1.6) + 0.3 * _bump(hour, 8, 0.5)
    found.wan = _noisy(busy, 0.12, rng)
    found.cpu = _noisy(0.1 + 0.2 * _bump(hour, 20, 2), 0.08, rng)
    found.memory_used = _noisy(0.45, 0.02, rng)
    return found


def hot_afternoon(hour: float, rng: random.Random) -> Readings:
    """A box in an attic: 40 degrees at night, over 80 at four; a backup works from three on."""
    found = Readings()
    found.temperature = 42 + 43 * _bump(hour, 16, 2.5) + rng.uniform(-1.5, 1.5)
    found.cpu = 0.97 if 3 <= hour < 3.75 else _noisy(0.2, 0.15, rng)
    found.memory_used = _noisy(0.5, 0.02, rng)
    return found


def power_cut(hour: float, rng: random.Random) -> Readings:
    """On a UPS: the mains fail at 10 and are back at 16; half an hour of flicker before."""
    found = Readings()
    mains = hour < 9.5 or hour >= 16 or (hour < 10 and int(hour * 30) % 2 == 0)
    left = 1.0 if hour < 10 else max(1 - (hour - 10) / 6.5, 0.02)
    if hour >= 16:
        left = min(0.08 + (hour - 16) / 4, 1.0)
    found.battery, found.charging = round(left, 2), mains
    found.memory_used = _noisy(0.4, 0.02, rng)
    return found


def full_memory(hour: float, rng: random.Random) -> Readings:
    """A 64 MB router: somebody's download tool leaks from noon until it is killed, twice."""
    found = Readings()
    leak = (hour - 12) / 4 if 12 <= hour < 14 else 0
    leak = (hour - 17) * 3 if 17 <= hour < 17.16 else leak
    found.memory_used = _noisy(0.6 + leak, 0.015, rng)
    found.memory_stalled = _noisy(0.4 if found.memory_used > 0.985 else 0.0, 0.01, rng)
    return found


def quiet(_hour: float, rng: random.Random) -> Readings:
    found = Readings()
    found.memory_used = _noisy(0.3, 0.02, rng)
    return found


def _window(start: str, end: str, mode: str, rate: int = 0, days: tuple[str, ...] = ()) -> Window:
    return Window(days, minutes(start), minutes(end), mode, rate)


NIGHTS_ONLY = (
    _window("22:00", "02:30", FULL),
    _window("02:30", "06:00", FULL, rate=4 << 20),
    _window("00:00", "24:00", "paused"),
)
DAYS = (
    Day("An evening with films", evening, curves=("wan",), notes=((18.4, "the films begin"),)),
    Day("A hot afternoon", hot_afternoon, curves=("temperature",), notes=((3, "backup"),)),
    Day("A power cut", power_cut, curves=("battery",), notes=((10, "cut"), (16, "back"))),
    Day("A full memory", full_memory, RELAY, curves=("memory_used",), notes=((12, "a leak"),)),
    Day(
        "The night summer time ends",
        quiet,
        start=AUTUMN_NIGHT,
        hours=36,
        windows=NIGHTS_ONLY,
        zone=BERLIN,
        notes=((28, "clocks go back"),),
    ),
)

"""The overview: its history of samples, its bounds, and what it costs to ask."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edge.node import Node
from edge.status.history import STEP, STEPS, History
from edge.status.overview import FRESH, MAX_LINE, Overview, encoded
from tests.counterparts.base import asynchronous
from tests.hosts import configured

HUGE = 10**13


class Meters:
    """A counter and a gauge as rooms have them."""

    def __init__(self) -> None:
        self.count = 0
        self.level = -1
        self.history = History({"down": lambda: self.count}, {"line": lambda: self.level}, 1000.0)

    @property
    def samples(self) -> dict[str, list[int]]:
        return self.history.report()


def test_a_counter_is_kept_as_its_growth_a_second_a_gauge_as_it_is() -> None:
    meters = Meters()
    meters.count, meters.level = 50, 12
    meters.history.sample(1005.0)
    meters.count, meters.level = 50, -1
    meters.history.sample(1010.0)
    assert meters.samples == {"down": [10, 0], "line": [12, -1]}


def test_within_a_step_nothing_is_kept() -> None:
    meters = Meters()
    meters.count = 500
    meters.history.sample(1004.9)
    assert meters.samples == {"down": [], "line": []}


def test_steps_in_which_nobody_came_share_what_they_have_in_common() -> None:
    meters = Meters()
    meters.count = 200
    meters.history.sample(1020.0)
    assert meters.samples["down"] == [10, 10, 10, 10]


def test_the_time_of_the_last_visit_counts_not_that_of_the_step() -> None:
    meters = Meters()
    meters.count = 80
    meters.history.sample(1008.0)  # one step, and a part of the next
    meters.count = 100
    meters.history.sample(1010.0)
    assert meters.samples["down"] == [10, 10]


def test_a_moment_is_too_short_for_a_rate() -> None:
    """A chunk of bytes that is counted just then would stand out as a peak that never was."""
    meters = Meters()
    meters.history.sample(1009.9)
    meters.count = 65536
    meters.history.sample(1010.0)
    meters.history.sample(1014.9)
    assert meters.samples["down"] == [0, round(65536 / 5)]


@given(st.lists(st.floats(0, 1e6)))
def test_the_history_is_as_long_as_the_time_that_has_passed_within_its_bound(
    visits: list[float],
) -> None:
    meters, now = Meters(), 1000.0
    for passed in visits:
        now += passed
        meters.history.sample(now)
        most = int((now - 1000.0) / STEP)
        lengths = {len(values) for values in meters.samples.values()}
        assert len(lengths) == 1
        (length,) = lengths
        assert abs(length - min(most, STEPS)) <= 1  # rounding


def largest() -> dict[str, Any]:
    """An answer with every list full, every figure and text as long as they come."""
    figures = {name: dict.fromkeys("abcdef", HUGE) for name in ("memory", "circuits", "cache")}
    return {
        "peer_id": "x" * 64,
        "reason": "\\" * 160,
        "trouble": "\\" * 160,
        **figures,
        **{f"figure{number}": HUGE for number in range(20)},
        "why": ["\\" * 160] * 6,
        "day": [(86400, "paused")] * 32,
        "listening": ["x" * 120] * 4,
        "advertised": ["x" * 120] * 4,
        "samples": {"step": STEP, "down": [HUGE] * STEPS, "up": [HUGE] * STEPS, "line": [100] * 60},
        "days": [["2026-11-30", HUGE, HUGE, HUGE]] * 14,
    }


def test_the_largest_fits_with_shorter_lists_and_every_figure() -> None:
    answer = largest()
    line = encoded(answer)
    assert len(line) <= MAX_LINE and line.endswith(b"}\n") and line.count(b"\n") == 1
    told = json.loads(line)
    assert set(told) == set(answer)
    for name in set(answer) - {"why", "day", "listening", "advertised", "samples", "days"}:
        assert told[name] == answer[name]
    assert told["samples"]["step"] == STEP
    assert len({len(told["samples"][name]) for name in ("down", "up", "line")}) == 1


def test_no_list_is_cut_that_need_not_be() -> None:
    answer = {**largest(), "why": ["short"], "reason": "", "trouble": "", "listening": []}
    answer["samples"] = {"step": STEP, "down": [0] * 60, "up": [0] * 60, "line": [-1] * 60}
    assert json.loads(encoded(answer))["advertised"] == answer["advertised"]


@asynchronous(30)
async def test_who_asks_again_within_a_second_gets_the_same_bytes(tmp_path: Path) -> None:
    node = Node(configured(tmp_path))
    now = node.host.started_at
    overview = Overview(node.host, lambda: now)
    asked: list[int] = []

    def part() -> dict[str, object]:
        asked.append(1)
        return {"asked": len(asked)}

    node.host.overviews.append(part)
    try:
        first = overview.line()
        assert all(overview.line() is first for _ in range(10))
        assert len(asked) == 1
        now += FRESH
        assert json.loads(overview.line())["asked"] == 2
    finally:
        await node.stop()
        await node.host.stop()


@asynchronous(30)
async def test_a_room_that_fails_leaves_the_others(tmp_path: Path) -> None:
    node = Node(configured(tmp_path))

    def part() -> dict[str, object]:
        raise KeyError("of a room")

    node.host.overviews.insert(0, part)
    try:
        told = json.loads(node.status.overview.line())
        assert {"mode", "circuits", "days", "line", "samples"} <= set(told)
    finally:
        await node.stop()
        await node.host.stop()

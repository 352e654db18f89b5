"""The painted week means to the node what it shows: read and written by node, applied by Python."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.tiers.schedule import WEEKDAYS, Window, minutes
from tests.luci.modules import Modules

SLOTS = 48
CELLS = 7 * SLOTS
MODES = ("full", "light", "relay", "paused")
Row = dict[str, Any]


def row(
    mode: str, start: str = "00:00", end: str = "24:00", *days: str, other: bool = False
) -> Row:
    return {"days": list(days), "start": start, "end": end, "mode": mode, "other": other}


@pytest.fixture(scope="module")
def modules() -> Iterator[Modules]:
    with Modules() as modules:
        yield modules


def by_the_node(rows: list[Row]) -> list[str]:
    """The mode of each half hour by the first window that covers it, "" for none."""
    windows = [Window(r["days"], minutes(r["start"]), minutes(r["end"]), r["mode"]) for r in rows]
    moments = [divmod(cell, SLOTS) for cell in range(CELLS)]
    return [
        next((window.mode for window in windows if window.covers(day, slot * 30)), "")
        for day, slot in moments
    ]


half_hours = st.builds(lambda slot: f"{slot // 2:02}:{slot % 2 * 3}0", st.integers(0, SLOTS))
pictures = st.builds(
    row, st.sampled_from(MODES), half_hours, half_hours, other=st.just(False)
).flatmap(
    lambda made: st.builds(
        lambda days: {**made, "days": days}, st.lists(st.sampled_from(WEEKDAYS), unique=True)
    )
)
strokes = st.lists(
    st.tuples(st.integers(0, CELLS - 1), st.integers(1, 100), st.sampled_from(("", *MODES))),
    max_size=20,
)


@given(st.lists(pictures, max_size=6))
def test_windows_are_shown_as_the_node_applies_them(modules: Modules, rows: list[Row]) -> None:
    found = modules.call("kwaainet.week", "read", rows)
    assert found["lead"] == len(rows)
    assert found["cells"] == by_the_node(rows)


@given(strokes)
def test_what_is_painted_is_what_the_node_applies(
    modules: Modules, strokes: list[tuple[int, int, str]]
) -> None:
    cells = [""] * CELLS
    for start, length, mode in strokes:
        for cell in range(start, start + length):
            cells[cell % CELLS] = mode
    rows = modules.call("kwaainet.week", "write", cells)
    assert by_the_node(rows) == cells
    assert (
        modules.call("kwaainet.week", "read", [{**r, "other": False} for r in rows])["cells"]
        == cells
    )
    alone = [sum(covered != "" for covered in by_the_node([r])) for r in rows]
    assert sum(alone) == CELLS - cells.count("")  # no two windows cover the same moment


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [row("paused")],
        [row("paused", "18:00", "23:30", "mon", "tue", "wed", "thu", "fri")],
        [row("light", "22:00", "06:00")],
        [row("relay", "22:00", "06:00", "fri", "sat"), row("full", "06:00", "22:00", "sat", "sun")],
        [row("paused", "00:00", "24:00", "mon"), row("paused", "12:00", "24:00", "sun")],
    ],
)
def test_plain_windows_are_written_as_they_were(modules: Modules, rows: list[Row]) -> None:
    cells = modules.call("kwaainet.week", "read", rows)["cells"]
    written = modules.call("kwaainet.week", "write", cells)
    assert [{**each, "other": False} for each in written] == rows


@pytest.mark.parametrize(
    "other",
    [
        row("paused", "18:15", "20:00"),
        row("paused", "18:00", "20:00", other=True),  # with a rate, or an option of a later version
        row("bogus"),
        row("paused", "18:00", "20:00", "someday"),
        row("paused", "<b>", "25:00"),
        row("constructor"),
    ],
)
def test_what_cannot_be_painted_is_below_the_picture(modules: Modules, other: Row) -> None:
    before, behind = row("full", "06:00", "08:00"), row("light")
    found = modules.call("kwaainet.week", "read", [before, other, behind])
    assert found["lead"] == 1
    assert found["cells"] == by_the_node([before])
    assert set(found["below"]) <= {other["mode"], "light", ""}

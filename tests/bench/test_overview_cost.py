"""The table of bench.overview, and what counts as met."""

from __future__ import annotations

from bench import overview

COUNTS = {"poll": 6e6, "of it": 1.5e6}
FIGURES = {"bytes": 3000.0, "share": 0.04, "grown": 4096.0}


def test_instructions_are_told_as_time_too() -> None:
    assert overview.RATE == 300e6
    assert overview.table(COUNTS).splitlines() == [
        "| | million instructions | ms at 300 million a second |",
        "|---|---|---|",
        "| poll | 6.00 | 20.0 |",
        "| of it | 1.50 | 5.0 |",
    ]


def test_the_first_is_the_poll_and_each_bound_is_told() -> None:
    assert overview.bounds(COUNTS, FIGURES) == [
        "met     a poll, bytes: 3000, at most 4096",
        "met     a poll, seconds: 0.0200, at most 0.03",
        "MISSED  10 browsers, share of a core: 0.0400, at most 0.01",
        "the node's own memory grew by 4096 bytes meanwhile",
    ]

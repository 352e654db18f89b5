"""When a timer's update may go on: in the owner's paused windows, where there are any."""

from __future__ import annotations

import calendar
from pathlib import Path

import pytest

from edge.config.load import load
from edge.rooms import quiet_hours

NIGHT = """
[node]
timezone = "UTC0"
[[schedule]]
start = "02:00"
end = "04:00"
mode = "paused"
[[schedule]]
start = "18:00"
end = "23:00"
mode = "relay"
"""


def at(hour: int) -> float:
    return calendar.timegm((2026, 12, 1, hour, 30, 0))


@pytest.mark.parametrize(
    ("text", "utc", "quiet"),
    [
        (NIGHT, at(3), True),
        (NIGHT, at(5), False),
        (NIGHT, at(19), False),
        (NIGHT, None, False),
        (NIGHT.replace("paused", "relay"), at(5), True),
        ("", None, True),
    ],
)
def test_quiet_hours(tmp_path: Path, text: str, utc: float | None, quiet: bool) -> None:
    file = tmp_path / "kwaainet.toml"
    file.write_text(text)
    assert quiet_hours(load(str(file), {"HOME": "/"}, {}), utc) == quiet

"""Each test of the swarm counts lines of the log and bytes on flash from the beginning."""

import pytest

from edge import log
from edge.atomic import flash


@pytest.fixture(autouse=True)
def unlimited_log() -> None:
    """The log's rate limit lets 20 lines of one event pass: count anew for every test."""
    log._state.buckets.clear()


@pytest.fixture(autouse=True)
def unwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flash, "written", 0)

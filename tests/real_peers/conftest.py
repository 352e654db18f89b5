"""Which relay the pairings go through: ours, or another's to compare (--relay js, --relay py)."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.counterparts.base import PeerProcess, Setup
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.kinds import KINDS

MakeRelay = Callable[[Setup], PeerProcess]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--relay", default="edge", choices=["edge", "js", "py"])


@pytest.fixture
def make_relay(request: pytest.FixtureRequest) -> MakeRelay:
    """Makes a relay without limits, to be started by `async with`."""
    kind = request.config.getoption("--relay")
    if kind == "edge":
        return EdgeNode
    return lambda setup: KINDS[kind](replace(setup, relay_service=True, limited=False))

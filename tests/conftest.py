"""Slow tests first, and no deadline for hypothesis' examples: a loaded machine is no fault."""

import pytest
from hypothesis import settings

from edge import log

settings.register_profile("patient", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=20)  # make unit
settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the slow tests first, so that no worker is left alone with one at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_runtest_setup() -> None:
    """No test has what others logged count against it, nor their level."""
    log._state = log._State()

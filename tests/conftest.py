"""Slow tests first, and no deadline for hypothesis' examples: a loaded machine is no fault.

And one browser for all tests of a worker that look at a page.
"""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from edge import log
from tests.counterparts.chromium import Chromium, Page

settings.register_profile("patient", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=20)  # make unit
settings.load_profile("patient")


# Ignored where the suite runs in the background; what the tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# What a test asks for says what it needs.
NEEDS = {"chromium": pytest.mark.browser, "luci": pytest.mark.netns}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs more, and start the slow tests first: no worker ends alone with one."""
    for item in items:
        for name in NEEDS.keys() & set(getattr(item, "fixturenames", ())):
            item.add_marker(NEEDS[name])
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_runtest_setup() -> None:
    """No test has what others logged count against it, nor their level."""
    log._state = log._State()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    """A browser; `with chromium.page(PHONE) as page` is a page of its own."""
    with Chromium() as browser:
        yield browser


@pytest.fixture
def page(chromium: Chromium) -> Iterator[Page]:
    """A page on a desktop; the test fails if something goes wrong in it."""
    with chromium.page() as made:
        yield made

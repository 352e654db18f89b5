"""A router with LuCI's page for each test; the browser is that of tests/conftest.py."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.luci.server import Luci
from tests.luci.server import luci as served


@pytest.fixture
def luci(tmp_path: Path) -> Iterator[Luci]:
    """One whose service is stopped, with the configuration that the package brings."""
    with served(tmp_path) as made:
        yield made

"""A router with LuCI's page for each test; the browser is that of tests/conftest.py."""

from collections.abc import Iterator

import pytest

from tests.luci.server import Luci, as_installed, router_with_app
from tests.openwrt.router_root import RouterRoot


@pytest.fixture(scope="session")
def router_of_luci(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RouterRoot]:
    """The one that they all use."""
    with router_with_app(tmp_path_factory.mktemp("luci")) as router:
        yield router


@pytest.fixture
def luci(router_of_luci: RouterRoot) -> Iterator[Luci]:
    """One whose service is stopped, with the configuration that the package brings."""
    as_installed(router_of_luci)
    with Luci(router_of_luci) as made:
        yield made

"""A router for each test of the init script."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.openwrt.router_root import RouterRoot


@pytest.fixture
def router(tmp_path: Path) -> Iterator[RouterRoot]:
    with RouterRoot(tmp_path) as found:
        for hook in ("10-tc", "20-nft"):  # tests/qos has theirs
            found.path(f"/etc/kwaainet/qos.d/{hook}").unlink()
        yield found

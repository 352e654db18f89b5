"""The cache as a service: it takes nothing while it is off, and comes and goes with a reload."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from edge.cache.service import CacheService
from edge.config.load import Config, load
from edge.node import Node
from tests.cache.pull.lab import until
from tests.counterparts.base import asynchronous, free_port

QUIET = {
    "KWAAINET_CONFIG": "/dev/null",
    "KWAAINET_ADAPT_ENABLED": "no",
    "KWAAINET_MDNS_ENABLED": "no",
    "KWAAINET_PORTMAP_ENABLED": "no",
    "KWAAINET_LISTEN": "/ip4/127.0.0.1/tcp/0",
}
LOADED = """
import sys
from edge import slim
slim.trim(keep_ssl=False)
import asyncio
from edge.config.load import load
from edge.node import Node

async def main():
    async with Node(load(None, dict({environ}), {{}})):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        loaded = sorted(name for name, module in sys.modules.items() if module)
        watched = ("h11", "ssl", "_ssl", "edge.cache.", "edge.http")
        print(*(name for name in loaded if name.startswith(watched)))

asyncio.run(main())
"""


def configured(at: Path, **more: str) -> Config:
    return load(None, {**QUIET, "KWAAINET_DATA_DIR": str(at), **more}, {})


def test_off_it_loads_nothing(tmp_path: Path) -> None:
    environ = {**QUIET, "KWAAINET_DATA_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(environ=environ)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert loaded <= {
        "edge.cache.service",
        "edge.cache.view",
        "edge.cache.place",
        "edge.http",
        "edge.http.errors",
    }
    assert not (tmp_path / "cache").exists()


@asynchronous(60)
async def test_a_reload_turns_it_on_and_off(tmp_path: Path) -> None:
    port = free_port()
    on = {
        "KWAAINET_CACHE_GATEWAY": "yes",
        "KWAAINET_CACHE_GATEWAY_LISTEN": f"/ip4/127.0.0.1/tcp/{port}",
        "KWAAINET_CACHE_SIZE": "64M",
    }
    environ = {**QUIET, "KWAAINET_DATA_DIR": str(tmp_path)}
    async with Node(configured(tmp_path)) as node:
        assert "cache" not in node.status.report()
        node.reload({**environ, **on})
        await until(lambda: "cache" in node.status.report())
        await until(lambda: node.status.report()["cache"]["listening"])  # type: ignore[index]
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        node.reload({**environ, **on, "KWAAINET_CACHE_GATEWAY": "no"})
        await until(lambda: not node.status.report()["cache"]["listening"])  # type: ignore[index]
        node.reload(
            {**environ, **on, "KWAAINET_CACHE_GATEWAY": "no", "KWAAINET_CACHE_FRAGMENTS": "no"}
        )
        await until(lambda: "cache" not in node.status.report())
        assert node.host.budget.pools["cache"].used == 0


@asynchronous(60)
async def test_what_is_turned_off_hears_nothing_any_more(tmp_path: Path) -> None:
    async with Node(configured(tmp_path)) as node:
        host = node.host
        heard = (host.allowance.changed, host.peer_reports, host.network_changed, host.tallies)
        before = [list(each) for each in heard]
        service = CacheService(host)
        host.tallies.remove(service._tally)
        for _ in range(10):
            await service.opened()
            await service.stop()
        assert [list(each) for each in heard] == before

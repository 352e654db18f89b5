"""The stand-in of the hub behind the real gateway, store and puller, and a client of ours."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from edge.allowance import Allowance
from edge.budget import Budget
from edge.cache.gateway import Gateway
from edge.cache.hub.registry import Registry
from edge.cache.hub.service import Hub
from edge.cache.pace import Pace
from edge.cache.pull.puller import Puller
from edge.cache.store.store import Store
from edge.config.schema import Cache
from edge.http.client import HttpClient
from edge.http.limits import ClientLimits
from edge.http.response import Response
from edge.http.server import HttpServer
from edge.swarm.work import classes
from edge.units import MIB
from edge.url import Url
from tests.cache.hub.standin import Clock
from tests.counterparts.hub import HubStandIn


class Through:
    """A gateway before `origin`. `ask`: as a client would."""

    def __init__(self, origin: HubStandIn, directory: Path) -> None:
        self.origin = origin
        self.clock = Clock()
        loop = asyncio.get_running_loop()
        budget = Budget(256 * MIB, 0)
        self.store = Store(budget.pool("store", 0.3), loop)
        self._directory = directory
        pool = budget.pool("cache", 0.5)
        self.client = HttpClient(loop, ClientLimits(), lambda *_: True)
        allowance = Allowance()
        pace = Pace(allowance, loop, classes(loop))
        self.puller = Puller(allowance, self.store, pool, pace)
        parts = (self.client, self.store.notes, self.puller, pool, self.clock.now, self.clock.utc)
        self.hub, self.registry = Hub(*parts), Registry(*parts)
        self.gateway = Gateway("test", self.hub.serve, self.registry.serve)
        self.server = HttpServer(self.gateway.serve)

    async def open(self) -> None:
        await self.store.open(str(self._directory), 64 * MIB, 0)
        section = Cache.__new__(Cache)
        section.hub = section.registry = self.origin.hub.url
        host = self.origin.storage.url.removeprefix("http://")
        section.storage_hosts = section.registry_hosts = (host,)
        self.hub.configure(section)
        self.registry.configure(section)
        self.server.configure([("127.0.0.1", 0)])
        self.url = Url("http", "127.0.0.1", self.server.listening[0][1])

    async def close(self) -> None:
        self.hub.stop()
        self.registry.stop()
        await self.puller.stop()
        await self.server.stop()
        self.client.close()
        await self.store.close()

    async def ask(
        self, target: str, method: str = "GET", token: str = "", **more: str
    ) -> tuple[Response, bytes]:
        headers = [(name.replace("_", "-"), value) for name, value in more.items()]
        if token:
            headers.append(("Authorization", f"Bearer {token}"))
        async with asyncio.timeout(30):
            response = await self.client.request(method, self.url, target, headers)
            data = b""
            while chunk := await response.read(1 << 16):
                data += chunk
        return response, data


@contextlib.asynccontextmanager
async def through(origin: HubStandIn, directory: Path) -> AsyncIterator[Through]:
    async with origin:
        found = Through(origin, directory)
        await found.open()
        try:
            yield found
        finally:
            await found.close()
